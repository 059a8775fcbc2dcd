"""Zoos, readers and training: the bits of the command line."""

import threading

import numpy as np
import pytest
from conftest import draw
from test_networks import cli

import weft


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("zoo") / "zoo"
    cli("zoo", "make", "--out", path, "--networks", 12, "--images", 60, "--test-images", 30, "--epochs", 2, "--seed", 3, "--quiet")
    return path


def test_a_zoo_as_a_table(folder):
    zoo = weft.Zoo(folder)
    rows = zoo.rows()
    assert zoo.networks == 12 and len(zoo) == len(rows["id"]) and set(rows["split0"]) == {"train", "val", "test"}
    assert zoo.architecture == "cnn" and len(zoo.hash) == 16 and "12 networks" in repr(zoo)
    assert ((rows["accuracy"] >= 0) & (rows["accuracy"] <= 1)).all()
    assert all(len(column) == len(zoo) for column in rows.values())
    table = (folder / "table.csv").read_text().splitlines()
    names = table[0].split(",")
    assert {"id", "network", "epoch", "accuracy", "loss"} <= set(names) and set(rows) >= {"id", "accuracy"}
    np.testing.assert_array_equal(rows["id"], [int(line.split(",")[names.index("id")]) for line in table[1:]])
    ids = zoo.ids("train") + zoo.ids("val") + zoo.ids("test")
    assert sorted(ids) == sorted(rows["id"])
    np.testing.assert_allclose(zoo.column(ids[:2], "accuracy"),
                               [rows["accuracy"][list(rows["id"]).index(i)] for i in ids[:2]], rtol=1e-6)


def test_a_zoo_in_pandas(folder):
    pandas = pytest.importorskip("pandas", reason="no pandas in this environment")
    table = weft.Zoo(folder).to_pandas()
    assert isinstance(table, pandas.DataFrame) and len(table) == len(weft.Zoo(folder))


def test_without_pandas_a_table_says_what_to_do(folder):
    try:
        import pandas  # noqa: F401
        pytest.skip("pandas is here")
    except ImportError:
        pass
    with pytest.raises(weft.UsageError, match="pip install pandas"):
        weft.Zoo(folder).to_pandas()


def test_weights_of_rows(folder):
    zoo = weft.Zoo(folder)
    ids = zoo.ids("train")[:3]
    weights = zoo.weights(ids)
    into = {name: np.zeros_like(array) for name, array in weights.items()}
    zoo.gather(ids, into)
    for name in weights:
        np.testing.assert_array_equal(into[name], weights[name])
        assert weights[name].any()
    first = next(iter(into))
    into[first].flags.writeable = False
    with pytest.raises(weft.UsageError, match=f"'{first}' is read-only"):
        zoo.gather(ids, into)
    with pytest.raises(weft.UsageError):
        zoo.weights([10**6])
    with pytest.raises(weft.UsageError, match="'train', 'val', 'test'"):
        zoo.ids("all")
    with pytest.raises(weft.UsageError):
        zoo.images  # noqa: B018: a zoo of classifiers stores none


def examples(model, zoo, part, prepare):
    ids = zoo.ids(part)
    return weft.Examples(prepare(zoo.weights(ids)), weft.targets_of("accuracy", zoo, ids))


def fitted(zoo, **settings):
    model = weft.make_reader("statnn", zoo.space, seed=weft.RandomKey(5, "model"))
    train = examples(model, zoo, "train", model.standardise)
    log = weft.fit(model, train, examples(model, zoo, "val", model.prepare), **settings)
    return model, log


def test_a_fit_has_the_bits_of_the_command_line(folder, tmp_path):
    zoo = weft.Zoo(folder)
    cli("train", "--zoo", folder, "--model", "statnn", "--out", tmp_path / "run", "--epochs", 4, "--batch", 4, "--seed", 5,
        "--patience", 20, "--warmup", 0, "--learning-rate", 0.001, "--quiet")
    there = weft.load_model(tmp_path / "run" / "model.safetensors")
    model, log = fitted(zoo, epochs=4, batch=4, seed=5, patience=20)
    assert [e.epoch for e in log] == [1, 2, 3, 4] and all(np.isfinite(e.train_loss) for e in log)
    for name, array in model.parameters.items():
        np.testing.assert_array_equal(array, there.parameters[name])
    some = zoo.weights(zoo.ids("test"))
    np.testing.assert_array_equal(model.predict(some), there.predict(some))
    model.save_model(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(weft.load_model(tmp_path / "again.safetensors").predict(some), model.predict(some))


def test_readers_by_name(folder):
    zoo = weft.Zoo(folder)
    model = weft.make_reader("magep", zoo.space, {"channels": 3}, outputs=2)
    assert model.settings["channels"] == 3 and model.outputs == 2 and model.space == zoo.space
    for kind, settings in (("none", {}), ("magep", {"none": 1}), ("magep", {"channels": 0})):
        with pytest.raises(weft.UsageError):
            weft.make_reader(kind, zoo.space, settings)
    tape = weft.Tape()
    assert model.forward(tape, model.prepare(zoo.weights(zoo.ids("test")[:2]))).shape == (2, 2)


def regression(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((64, 3)).astype(np.float32)
    y = (x @ rng.standard_normal((3, 1))).astype(np.float32)
    model = weft.Module("line")
    line = weft.Linear(model, "line", 3, 1)
    model.init(seed)

    def loss(tape, items):
        assert items.dtype == np.int32
        return weft.mean_all(weft.squared_error(line(tape.constant(x[items])), y[items]))

    return model, loss


def test_a_loss_of_ones_own(tmp_path):
    model, loss = regression()
    trainer = weft.Trainer(model, loss, items=64, batch=16, epochs=40, learning_rate=lambda step: 0.05)
    while not trainer.done:
        trainer.run_epoch()
    assert len(trainer.log) == 40 and trainer.log[-1].train_loss < 1e-2 * trainer.log[0].train_loss
    trainer.take_best()
    trainer.save(tmp_path / "state")


def test_metrics_choose_the_best_epoch():
    model, loss = regression()
    seen = []

    def error(tape):
        seen.append(loss(tape, np.arange(64, dtype=np.int32)))
        return seen[-1]

    trainer = weft.Trainer(model, loss, items=64, epochs=5, metrics={"error": error, "number": lambda tape: float(len(seen))},
                           best="number", highest=False)
    while not trainer.done:
        trainer.run_epoch()
    assert len(seen) == 5 and trainer.best_epoch == 1
    assert [e.metrics["number"] for e in trainer.log] == [1, 2, 3, 4, 5]
    assert trainer.log[-1].metrics["error"] < trainer.log[0].metrics["error"] and "error" in repr(trainer.log[0])
    with pytest.raises(weft.UsageError, match="'none'"):
        weft.Trainer(model, loss, items=4, best="none")
    with pytest.raises(weft.UsageError, match="metric 'words' gave a str"):
        weft.Trainer(model, loss, items=4, metrics={"words": lambda tape: "good"}).run_epoch()

    def broken(tape):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        weft.Trainer(model, loss, items=4, metrics={"broken": broken}).run_epoch()


def test_a_training_goes_on_with_the_same_bits(tmp_path):
    whole, loss = regression()
    trainer = weft.Trainer(whole, loss, items=64, epochs=4)
    for epoch in range(4):
        if epoch == 2:
            trainer.save(tmp_path / "state")
        trainer.run_epoch()
    part, loss = regression()
    again = weft.Trainer(part, loss, items=64, epochs=4)
    again.resume(tmp_path / "state")
    while not again.done:
        again.run_epoch()
    for name, array in whole.parameters.items():
        np.testing.assert_array_equal(array, part.parameters[name])


def test_what_a_loss_raises_comes_out():
    model, _ = regression()

    def broken(tape, items):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        weft.Trainer(model, broken, items=4).run_epoch()
    with pytest.raises(weft.UsageError, match="the loss gave a float"):
        weft.Trainer(model, lambda tape, items: 1.0, items=4).run_epoch()
    with pytest.raises(weft.UsageError):
        weft.Trainer(model, broken, items=0)
    kept = []
    model, loss = regression()
    trainer = weft.Trainer(model, lambda tape, items: kept.append(loss(tape, items)) or kept[-1], items=4)
    trainer.run_epoch()
    del trainer
    with pytest.raises(weft.AutogradError):
        kept[0].numpy()


def trainer_of(loss=None, **settings):
    model = weft.Module("line")
    line = weft.Linear(model, "line", 2, 1)
    model.init(0)
    x = np.ones((8, 2), np.float32)
    usual = lambda tape, items: weft.mean_all(line(tape.constant(x[items])))
    return model, weft.Trainer(model, (lambda tape, items: loss(model, usual, tape, items)) if loss else usual, items=8, **settings)


def test_a_loss_on_another_tape():
    _, trainer = trainer_of(lambda model, usual, tape, items: usual(weft.Tape(), items))
    with pytest.raises(weft.AutogradError, match="another tape"):
        trainer.run_epoch()


def test_a_rate_that_is_no_number():
    for rate in (lambda step: None, lambda step: "1"):
        with pytest.raises(weft.UsageError, match="the learning rate is a"):
            trainer_of(learning_rate=rate)[1].run_epoch()


def test_a_model_is_in_one_training_at_a_time():
    asks = [lambda t, m: t.run_epoch(), lambda t, m: t.take_best(), lambda t, m: m.init(1), lambda t, m: m.load("x"),
            lambda t, m: weft.Trainer(m, lambda *_: None, items=1).run_epoch()]
    for ask in asks:
        model, trainer = trainer_of(lambda model, usual, tape, items: (ask(trainer, model), usual(tape, items))[1])
        with pytest.raises(weft.UsageError, match="in training"):
            trainer.run_epoch()
    # What a loss may ask of its own training; and afterwards all is free again.
    model, trainer = trainer_of(lambda model, usual, tape, items: (trainer.log, trainer.done, usual(tape, items))[2])
    trainer.run_epoch()
    trainer.take_best()


def test_threads_do_not_share_a_training():
    refused, inside, go_on = [], threading.Event(), threading.Event()

    def loss(model, usual, tape, items):
        inside.set()
        go_on.wait(60)
        return usual(tape, items)

    model, trainer = trainer_of(loss)
    thread = threading.Thread(target=trainer.run_epoch)
    thread.start()
    inside.wait(60)
    for ask in (trainer.run_epoch, lambda: trainer.log, lambda: trainer.done, lambda: trainer.best_epoch, lambda: model.init(1)):
        try:
            ask()
        except weft.UsageError as error:
            refused.append(str(error))
    go_on.set()
    thread.join()
    assert len(refused) == 5 and all("in training" in said for said in refused) and len(trainer.log) == 1


def test_a_target_for_each_network(space):
    model = weft.make_reader("statnn", space)
    networks = model.standardise({name: a.astype(np.float32) for name, a in draw(space, batch=4).items()})
    for count in (3, 5000):
        data = weft.Examples(networks, np.full(count, 0.5, np.float32))
        with pytest.raises(weft.ShapeError, match="a target for each network"):
            weft.fit(model, data, data)
