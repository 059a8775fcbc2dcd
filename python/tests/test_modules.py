"""Formulas, layers and steps."""

import copy
import pickle

import numpy as np
import pytest
from conftest import draw

import weft

FORMULAS = """
P[p,q] := W2[p,k] W1[k,q]
b2[j]  += phi1[p,q,j] P[p,q]
W1[j,k] += phi1[q,k] W1[j,q]
"""


def layer_on(space, formulas, d, e, kind=weft.TermLayer, dtype="float64"):
    model = weft.Module("model")
    layer = kind(model, "layer", space, space, formulas, d, e)
    model.init(seed=1, dtype=dtype)
    return model, layer


def test_a_list_and_its_proof(space):
    terms = weft.TermList(space, space, FORMULAS)
    assert len(terms) == 3 and [p.name for p in terms.parameters] == ["b2.phi1", "W1.phi1"]
    assert terms.parameters[1].shape(4, 2) == (4, 2, 2, 2) and terms.in_space == space
    assert terms.parameter_count(1, 1) == 2 + 4 and "positive_monomial" in terms.proof()
    assert weft.TermList(space, space, str(terms)).text == terms.text
    with pytest.raises(weft.TypeError, match=r"\[terms\] 'b1\[j\] \+= phi1\[q\] W2\[q,j\]'") as raised:
        weft.TermList(space, space, "b1[j] += phi1[q] W2[q,j]")
    assert isinstance(raised.value, TypeError) and type(raised.value).__name__ == "TypeError"
    wrong = weft.TermList(space, space, "b1[j] += phi1[q] W2[q,j]", decide_only=True)
    assert wrong.refusal(0) and terms.refusal(0) is None
    with pytest.raises(weft.ParseError):
        weft.TermList(space, space, "b1[j] += ")


def test_derived_layers(space):
    assert weft.derive_linear(space, space).splitlines()[0] == "W1[j,k] += phi1[p,k] W1[j,p]"
    diagonal = weft.derive_linear(space, space, fixed={"in": weft.AlongFixed.diagonal()})
    assert diagonal != weft.derive_linear(space, space) and "mean(" not in diagonal
    assert weft.derive_quadratic(space, space, limit=3).left_out > 0
    with pytest.raises(weft.UsageError, match="'h'"):
        weft.derive_linear(space, space, fixed={"h": weft.AlongFixed.alone()})


def test_values_are_those_of_numpy(space):
    model, layer = layer_on(space, FORMULAS, 2, 3)
    w = {name: np.repeat(a, 2, axis=1) + np.arange(2).reshape(1, 2, *[1] * (a.ndim - 2))
         for name, a in draw(space, batch=4).items()}
    y = layer(weft.Features.constant(weft.Tape(), space, w)).numpy()
    phi = model.parameters
    np.testing.assert_allclose(y["W1"], np.einsum("edqk,bdjq->bejk", phi["layer.W1.phi1"], w["W1"]), rtol=1e-12)
    product = np.einsum("bdpk,bdkq->bdpq", w["W2"], w["W1"])
    np.testing.assert_allclose(y["b2"], np.einsum("edpqj,bdpq->bej", phi["layer.b2.phi1"], product), rtol=1e-12)
    assert not y["b1"].any()


@pytest.mark.parametrize("kind", [weft.LinearLayer, weft.TermLayer])
def test_a_derived_layer_commutes_with_the_group(space, kind):
    _, layer = layer_on(space, weft.derive_linear(space, space), 1, 3, kind)
    g, w = weft.Element.random(space, 5), draw(space, batch=2)
    tape = weft.Tape()
    moved_after = weft.act(g, layer(weft.Features.constant(tape, space, w)).numpy())
    moved_before = layer(weft.Features.constant(tape, space, weft.act(g, w))).numpy()
    for name in w:
        np.testing.assert_allclose(moved_before[name], moved_after[name], rtol=1e-10, atol=1e-10)
        assert np.abs(moved_after[name]).max() > 1e-3


def loss_of(tape, layer, space, w, target):
    y = layer(weft.Features.constant(tape, space, w), activation="relu")
    return weft.mean_all(weft.squared_error(y["b2"], target))


def test_gradients_are_differences(space):
    model, layer = layer_on(space, FORMULAS, 1, 2)
    w, target = draw(space, batch=3), np.random.default_rng(1).standard_normal((3, 2, 1))
    tape = weft.Tape()
    tape.backward(loss_of(tape, layer, space, w, target))
    gradient = model.gradients["layer.b2.phi1"]
    numbers = model.parameters["layer.b2.phi1"]
    for at in np.ndindex(numbers.shape):
        values = []
        for step in (1e-6, -1e-6):
            numbers[at] += step
            model.changed()
            tape.reset()
            values.append(loss_of(tape, layer, space, w, target).item())
            numbers[at] -= step
        np.testing.assert_allclose(gradient[at], (values[0] - values[1]) / 2e-6, rtol=1e-6, atol=1e-9)


def test_a_leaf_has_a_gradient(space):
    tape = weft.Tape()
    x = tape.leaf(np.array([1.0, 2.0, 3.0]))
    tape.backward(weft.mean_all(weft.square(x) * 3 + x))
    np.testing.assert_allclose(tape.grad(x), (6 * np.array([1, 2, 3]) + 1) / 3, rtol=1e-14)
    with pytest.raises(weft.AutogradError):
        tape.backward(weft.mean_all(x))


def test_operations_and_operators():
    tape = weft.Tape()
    a, b = np.array([1.0, -2.0]), np.array([0.5, 4.0])
    x, y = tape.constant(a), tape.constant(b)
    for got, expected in [(x + y, a + b), (x - y, a - b), (x * y, a * b), (x / y, a / b), (x / 4, a / 4), (2 - x, 2 - a), (-x, -a),
                          (x * 2 + 1, a * 2 + 1), (weft.relu(x), np.maximum(a, 0)), (weft.maximum(x, y), np.maximum(a, b)),
                          (weft.leaky_relu(x, 0.1), np.where(a > 0, a, 0.1 * a)), (weft.tanh(x), np.tanh(a))]:
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)
    with pytest.raises(weft.ShapeError):
        x + tape.constant(np.zeros(3))
    with pytest.raises(weft.UsageError):
        weft.relu(x, 0.5)
    with pytest.raises(TypeError):
        x + "text"


def test_the_group_decides(space):
    x = weft.Features.normal(weft.Tape(), space, 2)
    with pytest.raises(weft.TypeError, match="tanh is not homogeneous"):
        weft.tanh(x)
    assert weft.relu(x)["W1"].shape == (2, 1, 16, 2)


def test_the_readme_of_the_cpp_library(space):
    """The program of README.md: the same seeds give the same bits (tests/build runs it in C++)."""
    model = weft.Module("first")
    layer = weft.LinearLayer(model, "layer", space, space, weft.derive_linear(space, space), 1, 8)
    model.init(weft.RandomKey(0, "start values"))
    x = weft.Features.normal(weft.Tape(), space, 32, 1, weft.RandomKey(0, "32 networks"))
    y = weft.relu(layer(x))
    assert layer.list.text.count("\n") == 7 and y["W1"].shape == (32, 8, 16, 2)
    assert str(model).startswith("first: 96 learned numbers")


def test_steps_end(space):
    tape = weft.Tape()
    x = weft.Features.normal(tape, space, 2)
    y = x["W1"]
    tape.reset()
    for use in (y.numpy, lambda: y + 1, lambda: weft.relu(x), lambda: x.numpy(), lambda: y.shape):
        with pytest.raises(weft.AutogradError, match="earlier step"):
            use()


def test_parameters_are_views(space):
    model, layer = layer_on(space, FORMULAS, 1, 1)
    one = model.parameters["layer.W1.phi1"]
    one[...] = 5
    assert (model.parameters["layer.W1.phi1"] == 5).all()
    with pytest.raises(weft.UsageError):
        weft.Module("empty").parameters | layer_on_without_memory(space).parameters


def layer_on_without_memory(space):
    model = weft.Module("model")
    weft.TermLayer(model, "layer", space, space, FORMULAS, 1, 1)
    return model


def test_models_in_files(space, tmp_path):
    model, _ = layer_on(space, FORMULAS, 1, 1)
    model.save(tmp_path / "model.safetensors")
    other = layer_on_without_memory(space)
    other.load(tmp_path / "model.safetensors", dtype="float64")
    np.testing.assert_array_equal(other.parameters["layer.b2.phi1"], model.parameters["layer.b2.phi1"])
    with pytest.raises(weft.DtypeError, match="'float16'; allowed"):
        other.load(tmp_path / "model.safetensors", dtype="float16")


def test_a_class_of_ones_own(space):
    class Predictor(weft.Module):
        def __init__(self):
            super().__init__("predictor")
            self.lift = weft.LinearLayer(self, "lift", space, space, weft.derive_linear(space, space), 1, 4)
            self.pool = weft.NormalisingPool(self, "pool", space, 4)
            self.readout = weft.Mlp(self, "readout", [weft.pooled_size(space, 4), 8, 1])

        def __call__(self, x):
            return self.readout(self.pool(self.lift(x)))

    model = Predictor()
    model.init(0, dtype="float64")
    assert {name.split(".")[0] for name in model.parameters} == {"lift", "pool", "readout"}
    optimiser, tape, losses = weft.Optimiser(model, weft.UpdateRule.adam()), weft.Tape(), []
    w, target = draw(space, batch=8), np.random.default_rng(2).standard_normal((8, 1))
    for _ in range(60):
        tape.reset()
        loss = weft.mean_all(weft.squared_error(model(weft.Features.constant(tape, space, w)), target))
        tape.backward(loss)
        optimiser.step(1e-2)
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0] and optimiser.steps == 60
    with pytest.raises(weft.UsageError):
        optimiser.step(1e-2)  # no backward pass since


def test_parts_are_modules_with_all_that_their_model_has(space):
    """Of every class: layers and readers with virtual functions, too."""
    model = weft.Module("parts")
    parts = [weft.MagepInvariant(model, "invariant", space, 1, 4), weft.MagepEquivariant(model, "equivariant", space, 1, 2),
             weft.LinearLayer(model, "linear", space, space, weft.derive_linear(space, space), 1, 2),
             weft.NormalisingPool(model, "pool", space, 2), weft.LearnedScale(model, "scale", space), weft.Linear(model, "dense", 4, 2)]
    model.init(0)
    for part in [*parts, weft.make_reader("magep", space, {"channels": 4})]:
        assert isinstance(part, weft.Module)
        assert len(part.parameters) >= (len(model.parameters) if part in parts else 1)
        part.changed()
        assert part.trained_numbers > 0 and part.flops(2) >= 0 and str(part)


def test_before_init():
    model = weft.Module("line")
    line = weft.Linear(model, "line", 1, 1)
    for ask in (lambda: model.flat_parameters, lambda: model.parameters, lambda: model.gradients,
                lambda: line(weft.Tape().constant(np.zeros((1, 1), np.float32)))):
        with pytest.raises(weft.UsageError, match=r"init\(\) the model"):
            ask()


def test_parameters_that_there_are_not():
    model = weft.Module("line")
    weft.Linear(model, "line", 1, 1)
    model.init()
    for number in (-1, 2, 10**6):
        with pytest.raises(weft.UsageError, match=f"number {number}; allowed: those of 2"):
            model.on(weft.Tape(), number)


def test_models_are_not_pickled(space):
    for model, says in ((weft.make_reader("statnn", space), "load_model"), (weft.Module("mine"), "'mine' is neither")):
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(weft.UsageError, match=says):
                attempt(model)


def test_a_variable_beside_an_array(space):
    tape = weft.Tape()
    for x in (tape.leaf(np.ones(3)), weft.Features.leaf(tape, space, draw(space))):
        for wrong in (lambda: x + np.ones(3), lambda: np.ones(3) + x, lambda: np.ones(3) * x):
            with pytest.raises(TypeError):
                wrong()
    x = tape.leaf(np.ones(3))
    for number in (2, 2.0, np.float64(2), np.float32(2), np.int32(2)):
        np.testing.assert_array_equal((number * x).numpy(), [2, 2, 2])
        np.testing.assert_array_equal((x + number).numpy(), [3, 3, 3])


def test_features_have_names(space):
    x = weft.Features.constant(weft.Tape(), space, draw(space))
    assert list(x) == list(space.shapes) and len(x) == 4 and "b1" in x and "x" not in x


def test_a_variable_of_a_step_that_ended_can_be_shown():
    tape = weft.Tape()
    x = tape.leaf(np.ones(3))
    tape.reset()
    assert repr(x) == "<weft.Var of a step that ended>"
