"""Zoos that Python makes: the bytes of the command line, what is refused, Ctrl-C."""

import copy
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest
from test_networks import cli

import weft

TINY = {"networks": 4, "images": 40, "test_images": 10, "epochs": 2, "batch": 8, "seed": 5}


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def made_by_the_command_line(folder, **asked):
    words = [word for name, value in asked.items() for word in ("--" + name.replace("_", "-"), value)]
    cli("zoo", "make", "--out", folder, "--quiet", *words)
    return content(folder)


@pytest.mark.parametrize(("asked", "settings"), [
    (TINY, {}),
    (TINY | {"kind": "cnn", "data": "shapes"}, {"activation": "tanh"}),
    (TINY | {"kind": "vit", "held_out": 10}, {}),
    (TINY | {"kind": "text", "held_out": 10}, {"pad": "batch"}),
    ({"kind": "siren", "images": 4, "epochs": 2, "batch": 98, "seed": 5}, {"views": 2, "neurons": 8}),
], ids=lambda value: value.get("kind") if isinstance(value, dict) else None)
def test_the_command_line_makes_the_same_bytes(tmp_path, asked, settings):
    zoo = weft.make_zoo(tmp_path / "python", **asked, settings=settings)
    assert content(tmp_path / "python") == made_by_the_command_line(tmp_path / "cli", **asked, **settings)
    assert zoo.hash == weft.Zoo(tmp_path / "cli").hash and zoo.seed == 5
    assert zoo.networks == asked.get("networks", 8)


def test_what_a_zoo_is_not_made_of(tmp_path):
    for asked, says in (({"kind": "rnn"}, "'rnn'; allowed: cnn"), ({"data": "topics"}, "does not read data topics"),
                        ({"data": "mnist"}, "data mnist needs data_folder"), ({"networks": 0}, "networks 0; allowed: 1 to"),
                        ({"images": 10**14}, "allowed: 1 to 1000000"), ({"held_out": 3}, "'cnn' has none"),
                        ({"kind": "siren", "networks": 4}, "leave networks, test_images out"),
                        ({"settings": {"depth": 3}}, "has no 'depth'"), ({"existing": "keep"}, "'refuse', 'resume', 'replace'")):
        with pytest.raises(weft.UsageError, match=says):
            weft.make_zoo(tmp_path / "zoo", **asked)
    with pytest.raises(weft.ReadError, match="nowhere"):
        weft.make_zoo(tmp_path / "zoo", data="mnist", data_folder=tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


def test_a_zoo_that_is_there(tmp_path):
    before = weft.make_zoo(tmp_path / "zoo", **TINY).hash
    for existing in ("refuse", "resume"):
        with pytest.raises(weft.UsageError, match="replace it"):
            weft.make_zoo(tmp_path / "zoo", **TINY | {"seed": 6}, existing=existing)
        assert weft.Zoo(tmp_path / "zoo").hash == before
    assert weft.make_zoo(tmp_path / "zoo", **TINY, existing="resume").hash == before
    assert weft.make_zoo(tmp_path / "zoo", **TINY | {"seed": 6}, existing="replace").hash != before


def test_ctrl_c_keeps_the_state_after_an_epoch(tmp_path):
    asked = TINY | {"epochs": 300}
    weft.make_zoo(tmp_path / "whole", **asked)
    state = tmp_path / "zoo.part" / "state.safetensors"

    def press():  # the GIL is free meanwhile
        while not state.exists():
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    pressing = threading.Thread(target=press)
    pressing.start()
    try:
        with pytest.raises(KeyboardInterrupt, match=r"stopped after an epoch, which is kept; existing='resume' goes on"):
            weft.make_zoo(tmp_path / "zoo", **asked)
    finally:
        pressing.join()
        signal.signal(signal.SIGINT, before)
    assert state.exists() and not (tmp_path / "zoo").exists()
    with pytest.raises(weft.UsageError, match="unfinished"):
        weft.make_zoo(tmp_path / "zoo", **asked)
    weft.make_zoo(tmp_path / "zoo", **asked, existing="resume")
    assert content(tmp_path / "zoo") == content(tmp_path / "whole")


def test_batches_are_read_in_an_order_of_seed_and_epoch(tmp_path):
    zoo = weft.make_zoo(tmp_path / "zoo", networks=12, images=200, test_images=100, epochs=2)
    zoo.check()
    ids = zoo.ids("train")
    loader = weft.ZooLoader(zoo, ids, batch=5, seed=1)
    seen = []
    for epoch in (1, 2):
        batches = list(loader.begin(epoch))
        assert len(batches) == len(loader) == -(-len(ids) // 5)
        for some, weights in batches:
            assert all(np.array_equal(weights[name], there) for name, there in zoo.weights(some).items())
        seen.append([i for some, _ in batches for i in some])
        assert sorted(seen[-1]) == sorted(ids)
    assert seen[0] != seen[1] and [i for some, _ in weft.ZooLoader(zoo, ids, batch=5, seed=1).begin(1) for i in some] == seen[0]
    assert list(loader) == []
    with pytest.raises(weft.UsageError, match="no id 999"):
        weft.ZooLoader(zoo, [999])
def test_a_bad_place_is_told_before_data_are_read(tmp_path):
    (tmp_path / "file").write_text("mine")
    zoo = weft.make_zoo(tmp_path / "zoo", **TINY)
    unread = {"data": "mnist", "data_folder": tmp_path / "nowhere"}
    for place, error, says in (("file", weft.UsageError, "is not a folder"), ("file/x", weft.DiskError, "cannot be made"),
                               ("zoo/x", weft.UsageError, "lies in a zoo"), ("zoo", weft.UsageError, "is there")):
        with pytest.raises(error, match=says):
            weft.make_zoo(tmp_path / place, **unread)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "zoo"] and zoo.hash == weft.Zoo(tmp_path / "zoo").hash


def test_readable_networks(tmp_path):
    """The command line's choice of checkpoints: none that diverged."""
    zoo = weft.make_zoo(tmp_path / "zoo", networks=40, images=60, test_images=20, epochs=3, seed=3)
    rows = zoo.rows()
    for part in ("train", "val", "test"):
        largest = {i: max(np.abs(a).max() for a in zoo.weights([i]).values()) for i in zoo.ids(part)}
        expected = [i for i in zoo.ids(part) if largest[i] <= 50 and not rows["diverged"][i]]
        assert zoo.ids(part, readable=True) == expected


def test_a_zoo_is_pickled_as_its_folder(tmp_path, monkeypatch):
    weft.make_zoo(tmp_path / "zoo é", **TINY)
    monkeypatch.chdir(tmp_path)
    zoo = weft.Zoo("zoo é")
    assert zoo.folder == tmp_path / "zoo é"
    monkeypatch.chdir("/")
    for again in (pickle.loads(pickle.dumps(zoo)), copy.deepcopy(zoo)):
        assert again.hash == zoo.hash
    (tmp_path / "zoo é").rename(tmp_path / "gone")
    with pytest.raises(weft.ReadError, match="zoo é"):
        copy.copy(zoo)
