"""Spaces and elements: values."""

import copy
import pickle
import types

import numpy as np
import pytest
from conftest import MLP, draw
from hypothesis import given, settings
from hypothesis import strategies as st

import weft


def test_a_space_says_what_its_text_says(space):
    assert weft.Space(str(space)) == space and hash(weft.Space(str(space))) == hash(space)
    assert space != weft.Space(MLP.replace("16", "15")) and space != MLP
    assert eval(repr(space)) == space
    assert space.shapes == {"W1": (16, 2), "b1": (16,), "W2": (1, 16), "b2": (1,)}
    assert space.parameters == 32 + 16 + 16 + 1 and space.dimension == 16
    assert [(f.name, f.kind, f.size, f.copies, f.dimension) for f in space.factors] == [
        ("in", "fixed", 2, 1, 0), ("h", "positive_monomial", 16, 1, 16), ("out", "fixed", 1, 1, 0)]
    assert [(t.name, t.axes, t.taps, t.shape) for t in space.tensors][0] == ("W1", ["h", "in*"], (1, 1), (16, 2))
    assert space.feature_shape("W1", 3, 4) == (3, 4, 16, 2)


def test_builders_and_changes():
    assert weft.mlp_space([2, 16, 1]).shapes == weft.Space(MLP).shapes
    cnn = weft.cnn_space([1, 4, 8, 10], [(3, 3), (3, 3), (1, 1)])
    assert cnn.tensors[0].taps == (3, 3) and cnn.feature_shape("W1", 2, 3)[1] == 27
    assert cnn.without_taps().tensors[0].taps == (1, 1)
    assert weft.Space(MLP).with_kind("positive_monomial", "permutation").dimension == 0
    with pytest.raises(weft.UsageError, match="positive_monomial"):
        weft.mlp_space([2, 3, 1], "none")


def test_a_space_is_a_value(space):
    assert pickle.loads(pickle.dumps(space)) == space and copy.deepcopy(space) == space
    assert {space: 1}[weft.Space(MLP)] == 1


def test_an_element_is_a_value():
    space = weft.Space("h: monomial(4); k: GL(3); r: rotary(4); o: orthogonal(2)  A[h, k*] B[r, o]")
    g, weights = weft.Element.random(space, 3), draw(space)
    for again in (pickle.loads(pickle.dumps(g)), copy.deepcopy(g)):
        for name, array in weft.act(g, weights).items():
            np.testing.assert_array_equal(weft.act(again, weights)[name], array)


def test_parse_errors_keep_their_place():
    with pytest.raises(weft.ParseError, match="line 1") as raised:
        weft.Space("h: permutation(")
    assert isinstance(raised.value, ValueError) and isinstance(raised.value, weft.Error)


def test_act_is_what_its_parts_say(space, weights):
    g = weft.Element.random(space, seed=3)
    moved = weft.act(g, weights)
    order, scale = g.part("h")["order"][0], g.part("h")["scale"][0]
    assert sorted(order) == list(range(16)) and order.dtype == np.int32 and np.ptp(scale) > 0
    np.testing.assert_allclose(moved["W1"], scale[:, None] * weights["W1"][order], rtol=1e-15)
    np.testing.assert_allclose(moved["W2"], weights["W2"][:, order] / scale, rtol=1e-15)
    np.testing.assert_array_equal(moved["b2"], weights["b2"])
    assert list(moved) == list(weights) and moved["W1"].shape == (16, 2)


def test_parts_make_an_element(space, weights):
    g = weft.Element.random(space, seed=3)
    again = weft.Element(space, g.parts)
    for name, moved in weft.act(again, weights).items():
        np.testing.assert_array_equal(moved, weft.act(g, weights)[name])
    with pytest.raises(weft.UsageError):
        weft.Element(space, {"h": {"order": np.zeros(16, np.int32)}})
    with pytest.raises(weft.UsageError, match="no factor 'x'"):
        weft.Element(space, {"x": {}})
    with pytest.raises(weft.UsageError, match="no factor 'x'"):
        g.part("x")


def test_a_matrix_moves_as_numpy_moves_it():
    space = weft.Space("a: fixed(3); v: GL(4)  Q[a, v] K[a, v*]")
    g, w = weft.Element.random(space, seed=1), draw(space)
    matrix = g.part("v")["matrix"][0]
    moved = weft.act(g, w)
    np.testing.assert_allclose(moved["Q"], w["Q"] @ matrix.T, rtol=1e-12)
    np.testing.assert_allclose(moved["K"], w["K"] @ np.linalg.inv(matrix), rtol=1e-9)
    np.testing.assert_allclose(moved["Q"] @ moved["K"].T, w["Q"] @ w["K"].T, rtol=1e-9)


SPACES = [MLP, "s: sign_monomial(5); t: permutation(4); a: fixed(3) A[s, t] B[a, s*] C[t]",
          "h: permutation(3); v: GL(2) per h; a: fixed(4) Q[h, a, v] K[h, a, v*]",
          "r: rotary(6); a: fixed(2) Q[a, r] K[a, r*]", "o: orthogonal(3); a: fixed(2) X[o, a] Y[a, o*]"]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SPACES), st.integers(0, 2**63), st.integers(0, 2**63))
def test_elements_are_a_group(text, first, second):
    space = weft.Space(text)
    g, h = weft.Element.random(space, first), weft.Element.random(space, second)
    w = draw(space, first % 1000, batch=2)
    both, one_by_one = weft.act(g.then(h), w), weft.act(h, weft.act(g, w))
    back, same = weft.act(g.inverse(), weft.act(g, w)), weft.act(weft.Element.identity(space), w)
    dual = weft.act(g.dual(), w)
    for name, was in w.items():
        np.testing.assert_allclose(both[name], one_by_one[name], atol=1e-9, rtol=1e-9)
        np.testing.assert_allclose(back[name], was, atol=1e-9, rtol=1e-9)
        np.testing.assert_array_equal(same[name], was)
    paired = sum((dual[name] * weft.act(g, w)[name]).sum() for name in w)
    np.testing.assert_allclose(paired, sum((was * was).sum() for was in w.values()), rtol=1e-9)


def test_the_seed_decides(space, weights):
    one, same, other = (weft.act(weft.Element.random(space, seed), weights)["W1"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    key = weft.RandomKey(1, "element")
    np.testing.assert_array_equal(one, weft.act(weft.Element.random(space, key), weights)["W1"])
    assert not np.array_equal(one, weft.act(weft.Element.random(space, key.at(0)), weights)["W1"])


def test_elements_in_files(space, weights, tmp_path):
    g = weft.Element.random(space, seed=5)
    g.save(tmp_path / "g.safetensors")
    again = weft.Element.load(str(tmp_path / "g.safetensors"), space)
    np.testing.assert_array_equal(weft.act(again, weights)["W2"], weft.act(g, weights)["W2"])
    with pytest.raises(weft.ReadError, match="No such file") as raised:
        weft.Element.load(tmp_path / "none", space)
    assert isinstance(raised.value, OSError)


def test_parts_that_are_none(space):
    for parts, says in (({1: {}}, "key 1"), ({"h": 3}, "'h' is of type int"), ([], "'parts' is of type list"),
                        ({"h": {1: 2}}, "key 1"), ({"x": {}}, "no factor 'x'"), ({"h": {"x": np.ones(16)}}, "'h.x'; allowed")):
        with pytest.raises(weft.UsageError, match=says):
            weft.Element(space, parts)
    with pytest.raises(weft.DtypeError, match=r"'h.scale' is float32; allowed: float64"):
        weft.Element(space, {"h": {"scale": np.ones(16, np.float32)}})
    g = weft.Element.random(space, 1)
    same = weft.Element(space, types.MappingProxyType({"h": types.MappingProxyType(g.part("h"))}))
    np.testing.assert_array_equal(same.part("h")["order"], g.part("h")["order"])


def test_terms_that_there_are_not(space):
    terms = weft.TermList(space, space, "b1[j] += phi1 b1[j]")
    for number in (-1, 1, 10**6):
        for ask in (terms.proof, terms.refusal):
            with pytest.raises(weft.UsageError, match=f"number {number}; allowed"):
                ask(number)
