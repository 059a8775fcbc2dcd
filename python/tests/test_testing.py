"""weft.testing finds what is wrong with functions, and which factor and part of it; and nothing where nothing is."""

import numpy as np
import pytest
import weft
from hypothesis import given, settings, strategies as st
from weft.strategies import elements, networks, spaces
from weft.testing import assert_equivariant, assert_invariant, symmetries

MLP = weft.Space("in: fixed(2); h: monomial(4); out: fixed(3)  W1[h, in*] b1[h] W2[out, h*] b2[out]")
ATTENTION = weft.attention_space(6, 2, 3, 3)


def layer(x):
    return {**{name: 1.5 * a for name, a in x.items()}, "b1": x["W1"].sum(1) - x["b1"], "b2": x["W2"] @ x["b1"]}


def scores(x):
    return np.einsum("hmq,hnq->mn", x["WQ"], x["WK"])


def test_what_is_right_passes():
    assert assert_equivariant(layer, MLP) < 1e-14
    assert assert_invariant(lambda x: x["W2"] @ x["W1"], MLP) < 1e-14
    assert assert_invariant(scores, ATTENTION) < 1e-13
    features = lambda x: {name: np.concatenate([a, 2 * a], axis=1) for name, a in x.items()}
    assert assert_equivariant(features, MLP, batch=2, channels=3) == 0
    biases = weft.Space("h: monomial(4)  b1[h]")
    assert assert_equivariant(lambda x: x["W1"].sum(1), MLP, biases) < 1e-14


@pytest.mark.parametrize(
    "broken, piece",
    [
        (lambda x: {**layer(x), "b1": np.abs(x["b1"])}, "h (monomial), signs: breaks 'b1'"),
        (lambda x: {**layer(x), "b1": x["b1"] * np.arange(4)}, "h (monomial), order: breaks 'b1'"),
        (lambda x: {**layer(x), "W2": x["W2"] ** 3}, "h (monomial), scale: breaks 'W2'"),
        (lambda x: {**layer(x), "b1": x["b1"] + np.where(x["b1"][0] * x["b2"][0] < 0, np.nan, 0)}, "signs: breaks 'b1', error inf"),
    ],
)
def test_what_breaks_is_named(broken, piece):
    with pytest.raises(AssertionError) as raised:
        assert_equivariant(broken, MLP)
    assert piece in str(raised.value)


def test_each_factor_is_asked_alone():
    found = symmetries(lambda x: scores(x) + np.einsum("hmv->m", x["WV"]), ATTENTION, invariant=True)
    assert found.holds("q") and found.holds("h") and not found.holds("v")
    assert [piece.part for piece in found.broken] == ["matrix"]
    assert "v (GL), matrix: breaks '0'" in str(found)
    with pytest.raises(weft.UsageError, match="no factor 'm' moves"):
        found.holds("m")


def test_a_small_error_is_told_from_rounding():
    def nearly(x):
        return {**layer(x), "b1": x["b1"] + 1e-7 * x["b1"] ** 3}

    with pytest.raises(AssertionError, match="b1"):
        assert_equivariant(nearly, MLP)
    # One that makes rounding large is allowed it.
    lossy = lambda x: {**layer(x), "b1": x["b1"] * np.sin(1e9 * np.trace(x["W1"] @ x["W2"][:2]))}
    assert 1e-9 < assert_equivariant(lossy, MLP) < 1e-4


def test_checks_that_say_nothing_fail():
    with pytest.raises(AssertionError, match="nothing is tested"):
        assert_equivariant(lambda x: {name: 0 * a for name, a in x.items()}, MLP)
    with pytest.raises(AssertionError, match="nothing is tested"):
        assert_invariant(lambda x: np.ones(3), MLP)


def test_refusals():
    with pytest.raises(weft.UsageError, match="float32; allowed: float64"):
        assert_invariant(lambda x: x["b2"].astype(np.float32), MLP)
    with pytest.raises(weft.UsageError, match="'0' with numbers that are not finite"):
        assert_invariant(lambda x: x["b2"] * np.inf, MLP)
    with pytest.raises(weft.UsageError, match="gives 1 tensors; out has 4: W1, b1, W2, b2"):
        assert_equivariant(lambda x: x["b2"], MLP)
    with pytest.raises(weft.UsageError, match="library 'tensorflow'; allowed: numpy, torch, jax"):
        assert_invariant(scores, ATTENTION, library="tensorflow")
    with pytest.raises(weft.UsageError, match="out has factor 'h: permutation"):
        assert_equivariant(layer, MLP, weft.Space("h: permutation(4)  b1[h]"))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_actions_of_any_space(data):
    space = data.draw(spaces())
    g, k = data.draw(elements(space)), data.draw(elements(space))
    x = data.draw(networks(space))
    twice, back = weft.act(k, weft.act(g, x)), weft.act(g.inverse(), weft.act(g, x))
    for name, once in weft.act(g.then(k), x).items():
        np.testing.assert_allclose(once, twice[name], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(back[name], x[name], rtol=1e-9, atol=1e-9)
    # What acts as a scalar commutes with everything.
    if any(f.kind != "fixed" and f"{f.name}" in repr(space.tensors) for f in space.factors):
        symmetries(lambda x: {name: 3 * a for name, a in x.items()}, space)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_strategies_keep_to_what_is_asked(data):
    space = data.draw(spaces(kinds=("GL",), max_factors=2, max_size=2, max_tensors=1))
    assert {f.kind for f in space.factors} <= {"fixed", "GL"}
    assert len(space.tensors) == 1 and all(f.size <= 2 for f in space.factors)
