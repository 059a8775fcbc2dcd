"""JAX's arrays, where JAX is. Last of the tests by its name: JAX warns of every fork once it has computed."""

import gc
import weakref

import numpy as np
import pytest
from conftest import draw
from test_networks import cli

import weft
from weft.testing import assert_equivariant, assert_invariant, symmetries

jax = pytest.importorskip("jax", reason="no JAX in this environment")
jnp = jax.numpy

MLP = weft.Space("in: fixed(2); h: monomial(4); out: fixed(3)  W1[h, in*] b1[h] W2[out, h*] b2[out]")


def arrays(space, batch=None):
    w = draw(space, dtype=np.float32, batch=batch)
    return w, {name: jnp.asarray(a) for name, a in w.items()}


def test_networks_of_jax_are_moved(space):
    w, x = arrays(space)
    g = weft.Element.random(space, 1)
    expected, moved = weft.act(g, w), weft.act(g, x)
    for name in w:
        np.testing.assert_array_equal(moved[name], expected[name])
    turned = {**x, "W1": jnp.asarray(w["W1"].T).T}
    np.testing.assert_array_equal(weft.act(g, turned)["W1"], expected["W1"])
    back = jnp.from_dlpack(moved["W1"])
    assert back.dtype == jnp.float32 and bool((back == expected["W1"]).all())


def test_features_lie_on_the_array_that_was_given(space):
    w, x = arrays(space, batch=3)
    ends = [weakref.ref(a) for a in x.values()]
    tape = weft.Tape()
    features = weft.Features.constant(tape, space, x)
    del x
    gc.collect()
    assert all(end() is not None for end in ends)
    for name in w:
        np.testing.assert_array_equal(features[name].numpy(), w[name])
    del features, tape
    gc.collect()
    assert all(end() is None for end in ends)


def test_refusals(space, tmp_path):
    _, x = arrays(space)
    g = weft.Element.random(space, 1)
    for dtype in ("bfloat16", "float16", "int32"):
        with pytest.raises(weft.DtypeError, match=f"'W1' is {dtype}"):
            weft.act(g, {**x, "W1": x["W1"].astype(dtype)})
    with pytest.raises(weft.UsageError, match="outside of jit and grad"):
        jax.jit(lambda x: weft.act(g, x))(x)
    cli("zoo", "make", "--out", tmp_path / "zoo", "--networks", 2, "--images", 20, "--test-images", 10, "--epochs", 1, "--quiet")
    zoo = weft.Zoo(tmp_path / "zoo")
    into = {name: jnp.zeros(a.shape, a.dtype) for name, a in zoo.weights([0]).items()}
    with pytest.raises(weft.UsageError, match="is read-only"):
        zoo.gather([0], into)
    assert not any(a.any() for a in into.values())


def layer(x):
    return {**x, "b1": x["W1"].sum(1) - x["b1"], "b2": x["W2"] @ x["b1"]}


def test_functions_of_jax_are_asked():
    before = jnp.zeros(1).dtype
    assert assert_equivariant(layer, MLP, library="jax") < 1e-14
    assert assert_equivariant(jax.jit(layer), MLP, library="jax") < 1e-14
    phi = jnp.full((3, 2), 0.5, jnp.float32)  # parameters may be float32
    assert assert_invariant(lambda x: jnp.sum(phi * (x["W2"] @ x["W1"])), MLP, library="jax") < 1e-14
    slopes = jax.grad(lambda x: jnp.sum((x["W2"] @ x["W1"]) ** 2))
    dual = weft.Space(str(MLP).replace("h*", "#").replace("W1[h, in*]", "W1[h*, in*]").replace("#", "h").replace("b1[h]", "b1[h*]"))
    assert symmetries(slopes, MLP, dual, library="jax").holds("h")
    found = symmetries(lambda x: {**layer(x), "W2": jnp.abs(x["W2"])}, MLP, library="jax")
    assert [(piece.part, piece.tensor) for piece in found.broken] == [("signs", "W2")]
    with pytest.raises(weft.UsageError, match="float32; allowed: float64"):
        assert_invariant(lambda x: x["b2"].astype("float32"), MLP, library="jax")
    assert jnp.zeros(1).dtype == before
