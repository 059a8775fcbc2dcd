"""Network files, and the same bits as the command line."""

import copy
import pickle
import subprocess

import numpy as np
import pytest
from conftest import draw

import weft
from weft.__main__ import PROGRAM


def cli(*arguments, code=0):
    run = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert run.returncode == code, run.stderr
    return run.stdout


@pytest.fixture
def file(space, tmp_path):
    path = tmp_path / "net.safetensors"
    weft.NetworkFile(space, draw(space, dtype=np.float32), {"by": "hand"}).save(path)
    return path


def test_a_network_in_a_file(space, file):
    network = weft.load(file)
    assert network.space == space and network.metadata == {"by": "hand"} and network.architecture == ""
    for name, array in draw(space, dtype=np.float32).items():
        np.testing.assert_array_equal(network.weights[name].reshape(array.shape), array)
        assert not network.weights[name].flags.writeable


def test_a_changed_network(space, file, tmp_path):
    network = weft.load(file).with_weights(draw(space, 1, np.float32))
    weft.save(tmp_path / "other.safetensors", network)
    np.testing.assert_array_equal(weft.load(tmp_path / "other.safetensors").weights["b1"][0, 0],
                                  draw(space, 1, np.float32)["b1"])


def test_weights_outlive_their_network_and_file(space, file):
    array = weft.load(file).weights["W1"]
    file.unlink()
    np.testing.assert_array_equal(array[0, 0], draw(space, dtype=np.float32)["W1"])


def test_the_command_line_moves_alike(space, file, tmp_path):
    cli("act", file, "--out", tmp_path / "cli.safetensors", "--seed", 7, "--strength", 2)
    moved = weft.act(weft.random_element(space, number=0, strength=2, seed=7), weft.load(file))
    moved.save(tmp_path / "python.safetensors")
    assert (tmp_path / "python.safetensors").read_bytes() == (tmp_path / "cli.safetensors").read_bytes()


def test_inspect_says_what_the_command_line_says(file):
    import json
    told = json.loads(cli("inspect", file, "--json"))
    del told["file"]
    assert weft.inspect(file) == told and told["factors"][1]["kind"] == "positive_monomial"


def test_same_and_different(space, file, tmp_path):
    g = weft.Element.random(space, 3)
    network = weft.load(file)
    moved = weft.act(g, network)
    found = weft.same(network, moved)
    assert found and found.decision == "same" and found.residual < 1e-5
    np.testing.assert_array_equal(found.element.part("h")["order"], g.part("h")["order"])
    moved.save(tmp_path / "moved.safetensors")
    assert weft.same(file, str(tmp_path / "moved.safetensors")) and weft.same(file, moved)
    other = weft.same(network, weft.NetworkFile(space, draw(space, 9, np.float32)))
    assert not other and other.decision == "different" and other.element is None
    witness = other.witness
    assert np.linalg.norm(witness["y_a"] - witness["y_b"]) > 1e-3 * np.linalg.norm(witness["y_a"])


def test_two_spaces_are_not_compared(space, file):
    other = weft.Space(str(space).replace("16", "4"))
    with pytest.raises(weft.FormatError, match="allowed: one space"):
        weft.same(file, weft.NetworkFile(other, draw(other, dtype=np.float32)))
    with pytest.raises(weft.UsageError, match="allowed: one space"):
        weft.act(weft.Element.random(other), weft.load(file))


def test_networks_that_do_not_fold(space, file):
    with pytest.raises(weft.UsageError, match=r"\[fold\]"):
        weft.fold(weft.load(file))
    with pytest.raises(weft.UsageError, match="not read from a file"):
        weft.fold(weft.NetworkFile(space, draw(space, dtype=np.float32)))


def test_a_norm_folds(tmp_path):
    """GPT-2 of tiny sizes: what the text of the architecture asks for."""
    rng = np.random.default_rng(0)
    width, layers, places, words = 8, 1, 6, 11

    def block(i):
        return {f"h.{i}.ln_1.weight": (width,), f"h.{i}.ln_1.bias": (width,), f"h.{i}.attn.c_attn.weight": (width, 3 * width),
                f"h.{i}.attn.c_attn.bias": (3 * width,), f"h.{i}.attn.c_proj.weight": (width, width),
                f"h.{i}.attn.c_proj.bias": (width,), f"h.{i}.ln_2.weight": (width,), f"h.{i}.ln_2.bias": (width,),
                f"h.{i}.mlp.c_fc.weight": (width, 4 * width), f"h.{i}.mlp.c_fc.bias": (4 * width,),
                f"h.{i}.mlp.c_proj.weight": (4 * width, width), f"h.{i}.mlp.c_proj.bias": (width,)}

    shapes = {"wte.weight": (words, width), "wpe.weight": (places, width), "ln_f.weight": (width,), "ln_f.bias": (width,)}
    for i in range(layers):
        shapes |= block(i)
    path = tmp_path / "gpt2.npz"
    np.savez(path, **{name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()})
    network = weft.load(path, architecture="gpt2", config={"n_head": 2, "model_type": "gpt2"})
    assert network.architecture == "gpt2"
    folded = weft.fold(network)
    assert folded.network.architecture == "gpt2_folded" and folded.done
    assert folded.network.space.dimension > network.space.dimension
    moved = weft.act(weft.random_element(folded.network.space, 0, 1, 5), folded.network)
    assert weft.same(folded.network, moved, tolerance=1e-3)


def test_files_that_are_none(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"nonsense")
    with pytest.raises(weft.FormatError, match="bad.safetensors"):
        weft.load(tmp_path / "bad.safetensors")
    with pytest.raises(weft.ReadError):
        weft.inspect(tmp_path / "none")
    with pytest.raises(weft.UsageError, match="gpt2"):
        weft.load(tmp_path / "bad.safetensors", architecture="none")


def test_an_architecture_of_ones_own(tmp_path):
    text = tmp_path / "pair.weft"
    text.write_text("h: permutation($(hidden)); in: fixed($(inputs)); out: fixed($(outputs))\n"
                    "first[h, in*]\nsecond[out, h*]\n")
    path = tmp_path / "net.npz"
    np.savez(path, first=np.ones((5, 3), np.float32), second=np.ones((2, 5), np.float32))
    network = weft.load(path, architecture=text)
    assert network.architecture == "pair" and network.space.dimension == 0
    assert weft.inspect(path, architecture=str(text))["architecture"] == "pair"
    with pytest.raises(weft.ReadError, match="no such file"):
        weft.load(path, architecture=tmp_path / "none.weft")
    text.write_text("h: nonsense(3)")
    with pytest.raises(weft.FormatError, match="pair"):
        weft.load(path, architecture=text)


def test_networks_are_pickled_unless_they_are_of_a_file(tmp_path, space, weights):
    network = weft.NetworkFile(space, weights, {"made": "by hand"})
    for again in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        assert again.metadata == network.metadata and again.space == space
        assert all(np.array_equal(again.weights[name], a) for name, a in network.weights.items())
    network.save(tmp_path / "net.safetensors")
    with pytest.raises(weft.UsageError, match=r"net.safetensors' is neither pickled nor copied; give its path"):
        pickle.dumps(weft.load(tmp_path / "net.safetensors"))


def test_configs_that_are_none(tmp_path, space, weights):
    weft.NetworkFile(space, weights).save(tmp_path / "net")
    with pytest.raises(TypeError, match="incompatible function arguments"):
        weft.load(tmp_path / "net", config=[1])
    with pytest.raises(ValueError, match="JSON"):
        weft.load(tmp_path / "net", config={"a": float("nan")})
