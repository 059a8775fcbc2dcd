"""Arrays: read where they lie, kept as long as needed, and refused in weft's own words."""

import gc
import re
import sys
import weakref

import numpy as np
import pytest
from conftest import draw

import weft


class Owner(np.ndarray):
    """An array whose end can be watched."""


def watched(array):
    return array.view(Owner)


def address(array):
    return array.__array_interface__["data"][0]


def test_features_lie_on_the_array_that_was_given(space):
    w = draw(space, dtype=np.float32, batch=3)
    tape = weft.Tape()
    x = weft.Features.constant(tape, space, w)
    w["W1"][0, 0, 0, 0] = 7  # against the rules of a step, but it shows whose memory it is
    assert x["W1"].numpy()[0, 0, 0, 0] == 7


def test_a_tape_keeps_the_memory_of_its_arrays(space):
    w = {name: watched(a) for name, a in draw(space, batch=2).items()}
    ends = [weakref.ref(a) for a in w.values()]
    tape = weft.Tape()
    x = weft.Features.constant(tape, space, w)
    before = {name: a.copy() for name, a in w.items()}
    del w
    gc.collect()
    for name in before:
        np.testing.assert_array_equal(x[name].numpy(), before[name])
    del x, tape
    gc.collect()
    assert all(end() is None for end in ends)


def test_results_outlive_what_they_came_from(space, weights):
    moved = weft.act(weft.Element.random(space, 1), weights)["W1"]
    was = moved.copy()
    gc.collect()
    np.testing.assert_array_equal(moved, was)
    assert moved.flags.writeable and moved.flags.c_contiguous
    assert not np.shares_memory(moved, weights["W1"])


def test_read_only_arrays_are_read(space, weights):
    expected = weft.act(weft.Element.random(space, 1), weights)["W1"]
    for array in weights.values():
        array.flags.writeable = False
    np.testing.assert_array_equal(weft.act(weft.Element.random(space, 1), weights)["W1"], expected)


def test_arrays_that_do_not_lie_row_by_row(space, weights):
    g = weft.Element.random(space, 1)
    expected = weft.act(g, weights)["W1"]
    for other in (np.asfortranarray(weights["W1"]), np.repeat(weights["W1"], 2, axis=0)[::2],
                  np.ascontiguousarray(weights["W1"][::-1])[::-1]):
        np.testing.assert_array_equal(weft.act(g, {**weights, "W1": other})["W1"], expected)


def test_a_list_in_the_order_of_the_space(space, weights):
    g = weft.Element.random(space, 1)
    moved = weft.act(g, [weights[t.name] for t in space.tensors])
    assert isinstance(moved, list)
    np.testing.assert_array_equal(moved[2], weft.act(g, weights)["W2"])


def test_axes_that_may_be_left_out():
    space = weft.cnn_space([1, 4, 10], [(3, 3), (1, 1)])
    w = draw(space, batch=2)
    full = {"W1": np.random.default_rng(0).standard_normal((2, 9, 4, 1)), **{k: w[k] for k in ("b1", "W2", "b2")}}
    g = weft.Element.random(space, 1)
    moved = weft.act(g, full)
    one = weft.act(g, {name: array[0] for name, array in full.items()})
    for name in full:
        np.testing.assert_array_equal(one[name], moved[name][0])
    with pytest.raises(weft.ShapeError, match="'W1' has shape"):
        weft.act(g, {**full, "W1": full["W1"][:, :8]})


BAD = [
    ({"W1": [[1.0]]}, weft.UsageError, r"\[act\] 'W1' is of type list"),
    ({"W1": np.zeros((16, 2), np.int64)}, weft.DtypeError, r"\[act\] 'W1' is int64; allowed: float32, float64"),
    ({"W1": np.zeros((16, 2), np.float16)}, weft.DtypeError, "'W1' is float16"),
    ({"W1": np.zeros((16, 2), complex)}, weft.DtypeError, "'W1' is complex128"),
    ({"W1": np.zeros((16, 2), np.int32)}, weft.DtypeError, "int32; allowed: float32, float64"),
    ({"W2": np.zeros((1, 16), np.float32)}, weft.DtypeError, "'W2' is float32 and 'W1' float64"),
    ({"W1": np.zeros((2, 16))}, weft.ShapeError, r"'W1' has shape \[2, 16\]"),
    ({"W3": np.zeros(1)}, weft.UsageError, "no tensor 'W3'; allowed: W1, b1, W2, b2"),
]


@pytest.mark.parametrize(("change", "error", "says"), BAD)
def test_wrong_arrays(space, weights, change, error, says):
    with pytest.raises(error, match=says):
        weft.act(weft.Element.random(space, 1), {**weights, **change})


def test_wrong_containers(space, weights):
    g = weft.Element.random(space, 1)
    with pytest.raises(weft.UsageError, match="no array 'W1'"):
        weft.act(g, {})
    with pytest.raises(weft.UsageError, match="3 arrays; wanted: 4"):
        weft.act(g, list(weights.values())[:3])
    with pytest.raises(weft.UsageError, match="arrays of type ndarray"):
        weft.act(g, weights["W1"])
    with pytest.raises(TypeError):
        weft.act("g", weights)


def test_what_only_gives_dlpack(space, weights):
    class Given:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

        shape = property(lambda self: self.array.shape)

    g = weft.Element.random(space, 1)
    np.testing.assert_array_equal(weft.act(g, {**weights, "W1": Given(weights["W1"])})["W1"],
                                  weft.act(g, weights)["W1"])


def test_results_are_given_on_by_dlpack(space, weights):
    moved = weft.act(weft.Element.random(space, 1), weights)["W1"]
    again = np.from_dlpack(moved)
    assert address(again) == address(moved)


def test_nothing_is_leaked(space, weights):
    g = weft.Element.random(space, 1)
    before, refused = sys.getrefcount(weights["W1"]), 0
    for _ in range(100):
        weft.act(g, weights)
        try:
            weft.act(g, {**weights, "b2": weights["W1"]})
        except weft.ShapeError:
            refused += 1
    after = sys.getrefcount(weights["W1"])
    assert refused == 100 and after == before


@pytest.mark.parametrize("dtype", [">f8", object, str, "M8[s]", np.longdouble, [("a", "f4")]], ids=str)
def test_types_of_numpy_alone_are_named(space, dtype):
    w = draw(space) | {"b1": np.zeros(16, dtype)}
    said = re.escape(str(np.dtype(dtype) if dtype is not str else w["b1"].dtype))
    with pytest.raises(weft.DtypeError, match=rf"\[act\] 'b1' is {said}; allowed: float32, float64"):
        weft.act(weft.Element.random(space), w)


def test_what_memory_cannot_hold(space):
    w = {name: np.broadcast_to(a, (2**40, 1, *a.shape)) for name, a in draw(space).items()}
    with pytest.raises(MemoryError, match="'W1' does not lie row by row"):
        weft.act(weft.Element.random(space), w)


def test_too_many_axes(space):
    with pytest.raises(weft.ShapeError, match="'b1' has 9 axes; allowed: at most 8"):
        weft.act(weft.Element.random(space), draw(space) | {"b1": np.zeros((1,) * 8 + (16,))})


def test_names_that_are_no_text(space):
    for key in ("\udc80", 0, b"W1"):
        with pytest.raises(weft.UsageError, match="has no tensor"):
            weft.act(weft.Element.random(space), draw(space) | {key: np.zeros(3)})


def test_gather_names_its_arrays(tmp_path):
    zoo = weft.make_zoo(tmp_path / "zoo", networks=3, images=20, test_images=10, epochs=1)
    into = {name: np.zeros_like(a) for name, a in zoo.weights([0]).items()}
    with pytest.raises(weft.UsageError, match=r"\[gather\] no array 'b1'"):
        zoo.gather([0], {"W1": into["W1"]})
    with pytest.raises(weft.DtypeError, match=r"\[gather\] 'b1' is float64; allowed: float32"):
        zoo.gather([0], into | {"b1": into["b1"].astype(np.float64)})
