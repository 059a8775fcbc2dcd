"""Figures: they hold the numbers that they were given, and look at zoos as the command line does."""

import sys

import numpy as np
import pytest
from test_networks import cli

import weft
import weft.plot
from weft.testing import symmetries

pytest.importorskip("matplotlib", reason="no matplotlib in this environment").use("Agg")
from matplotlib import pyplot  # noqa: E402

MLP = weft.Space("in: fixed(2); h: monomial(4); out: fixed(3)  W1[h, in*] b1[h] W2[out, h*] b2[out]")


@pytest.fixture(autouse=True)
def drawn():
    """Whatever a test makes can be drawn."""
    yield
    for number in pyplot.get_fignums():
        pyplot.figure(number).canvas.draw()
    pyplot.close("all")


@pytest.fixture(scope="module")
def zoos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoos")
    cli("zoo", "make", "--out", folder / "cnn", "--networks", 12, "--images", 60, "--test-images", 30, "--epochs", 3, "--seed", 3, "--quiet")
    cli("zoo", "make", "--kind", "siren", "--images", 12, "--epochs", 8, "--out", folder / "inr", "--quiet")
    return weft.Zoo(folder / "cnn"), weft.Zoo(folder / "inr")


def lines(ax):
    return {line.get_label(): np.asarray(line.get_ydata()) for line in ax.get_lines()}


def fitted(**settings):
    space = weft.mlp_space([2, 4, 1])
    model = weft.make_reader("statnn", space)
    rng = np.random.default_rng(0)
    weights = {name: rng.standard_normal((16, 1, *shape)).astype(np.float32) for name, shape in space.shapes.items()}
    data = weft.Examples(model.standardise(weights), np.linspace(0.1, 0.9, 16, dtype=np.float32))
    return weft.fit(model, data, data, **settings)


def test_learning_curves():
    log, other = fitted(epochs=5), fitted(epochs=3, learning_rate=0.01)
    found = lines(weft.plot.learning_curves(log))
    np.testing.assert_array_equal(found["training"], [e.train_loss for e in log])
    np.testing.assert_array_equal(found["validation"], [e.metrics["validation_loss"] for e in log])
    ax = weft.plot.learning_curves({"a": log, "b": other}, metric="validation_tau")
    np.testing.assert_array_equal(lines(ax)["b"], [e.metrics["validation_tau"] for e in other])
    assert ax.get_ylabel() == "validation tau" and [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]
    assert set(lines(weft.plot.learning_curves({"a": log, "b": other}))) == {f"{n}, {p}" for n in "ab" for p in ("training", "validation")}
    with pytest.raises(weft.UsageError, match="the log 'b' has no epochs"):
        weft.plot.learning_curves({"a": log, "b": []})


def test_a_log_without_a_metric():
    model = weft.Module("line")
    line = weft.Linear(model, "line", 1, 1)
    model.init(0)
    x = np.ones((4, 1), np.float32)
    trainer = weft.Trainer(model, lambda tape, items: weft.mean_all(weft.square(line(tape.constant(x[items])))), items=4, epochs=2)
    while not trainer.done:
        trainer.run_epoch()
    (only,) = weft.plot.learning_curves(trainer.log).get_lines()
    np.testing.assert_array_equal(only.get_ydata(), [e.train_loss for e in trainer.log])
    with pytest.raises(weft.UsageError, match="allowed: losses alone"):
        weft.plot.learning_curves(trainer.log, metric="validation_tau")


def test_predictions():
    rng = np.random.default_rng(0)
    truth, predicted = rng.random(20).astype(np.float32), rng.random((20, 1))
    given = pyplot.subplots()[1]
    ax = weft.plot.predictions(truth, predicted, name="gap", ax=given)
    assert ax is given and len(pyplot.get_fignums()) == 1
    np.testing.assert_allclose(ax.collections[0].get_offsets(), np.stack([truth, predicted[:, 0]], 1))
    assert ax.get_title() == f"tau {weft.kendall_tau_b(truth.astype(float), predicted[:, 0]):.3f}, 20 networks"
    assert ax.get_xlabel() == "true gap" and ax.get_xlim() == ax.get_ylim()
    with pytest.raises(weft.ShapeError):
        weft.plot.predictions(truth, predicted[:5])


def test_accuracies(zoos):
    cnn, inr = zoos
    rows = cnn.rows()
    last = {n: max(e for m, e in zip(rows["network"], rows["epoch"]) if m == n) for n in rows["network"]}
    measured = [a for n, e, a in zip(rows["network"], rows["epoch"], rows["accuracy"]) if e == last[n]]
    ax = weft.plot.accuracies(cnn)
    np.testing.assert_array_equal([bar.get_height() for bar in ax.patches], np.histogram(measured, 20, (0, 1))[0])
    ax = weft.plot.accuracies(cnn, by_epoch=True)
    epochs = sorted(set(rows["epoch"]))
    assert len(epochs) > 1
    np.testing.assert_allclose(lines(ax)["median"], [np.median(rows["accuracy"][rows["epoch"] == e]) for e in epochs])
    ax = weft.plot.accuracies(inr)
    assert ax.get_xlabel() == "PSNR in dB" and sum(bar.get_height() for bar in ax.patches) == 12


def test_images_are_rendered_as_the_zoo_measured_them(zoos):
    cnn, inr = zoos
    ids = list(inr.rows()["id"])
    shown = weft.plot._rendered(inr.weights(ids), 28, 28)
    stored = inr.images[inr.column(ids, "image").astype(int)]
    error = np.mean((shown - (stored / 127.5 - 1)) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(10 * np.log10(4 / error), inr.column(ids, "psnr"), rtol=1e-4)
    ax = weft.plot.images(inr, ids[:3])
    sheet = np.asarray(ax.get_images()[0].get_array())
    np.testing.assert_array_equal(sheet[:28, 30:58], stored[1, 0])
    np.testing.assert_allclose(sheet[30:, 60:], np.clip(127.5 * (shown[2, 0] + 1), 0, 255), atol=0.51)
    assert weft.plot.images(inr).get_images()
    with pytest.raises(weft.UsageError):
        weft.plot.images(cnn)
    with pytest.raises(weft.UsageError, match="no networks to show"):
        weft.plot.images(inr, [])


def test_symmetries():
    found = symmetries(lambda x: {**x, "W2": abs(x["W2"])}, MLP)
    ax = weft.plot.symmetries(found)
    assert [t.get_text() for t in ax.get_yticklabels()] == [f"h (monomial), {piece.part}" for piece in found]
    marks = [line.get_xdata()[0] for line in ax.get_lines() if line.get_marker() == "o"]
    np.testing.assert_allclose(marks, [max(piece.error, weft.plot._NOTHING) for piece in found])
    assert [t.get_text() for t in ax.texts] == ["breaks 'W2'", "allowed"] and ax.get_xscale() == "log"
    broken = found.broken[0]
    weft.plot.symmetries(type(found)([type(broken)(**{**vars(broken), "error": np.inf})]))
    with pytest.raises(weft.UsageError, match="no factor moves"):
        weft.plot.symmetries(symmetries(lambda x: x, weft.Space("a: fixed(2)  W[a]")))


def test_without_matplotlib_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(weft.UsageError, match="pip install matplotlib"):
        weft.plot.predictions([0.0, 1.0], [0.0, 1.0])
