"""PyTorch's tensors, where PyTorch is."""

import numpy as np
import pytest
from conftest import draw

import weft

torch = pytest.importorskip("torch", reason="no PyTorch in this environment")


def test_tensors_of_pytorch_are_read_where_they_lie(space):
    w = {name: torch.from_numpy(array) for name, array in draw(space, batch=2).items()}
    x = weft.Features.constant(tape := weft.Tape(), space, w)
    w["W1"][0, 0, 0, 0] = 7
    assert x["W1"].numpy()[0, 0, 0, 0] == 7
    tape.reset()


def test_results_become_tensors_without_a_copy(space, weights):
    moved = weft.act(weft.Element.random(space, 1), {name: torch.from_numpy(a) for name, a in weights.items()})
    taken = torch.from_dlpack(moved["W1"])
    taken[0, 0] = 5
    assert moved["W1"][0, 0] == 5
    np.testing.assert_array_equal(moved["W2"], weft.act(weft.Element.random(space, 1), weights)["W2"])


def test_a_tensor_that_needs_a_gradient_is_read_as_numbers(space, weights):
    g, wanted = weft.Element.random(space, 1), torch.from_numpy(weights["W1"].copy()).requires_grad_()
    np.testing.assert_array_equal(weft.act(g, {**weights, "W1": wanted})["W1"], weft.act(g, weights)["W1"])


def test_types_that_weft_lacks(space, weights):
    with pytest.raises(weft.DtypeError, match="bfloat16"):
        weft.act(weft.Element.random(space, 1), {**weights, "W1": torch.zeros(16, 2, dtype=torch.bfloat16)})


def test_a_state_dict_is_a_network(space):
    net = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1)).double()
    names = {"0.weight": "W1", "0.bias": "b1", "2.weight": "W2", "2.bias": "b2"}
    x = torch.randn(5, 2, dtype=torch.float64)
    before = net(x)
    moved = weft.act(weft.Element.random(space, 3), {names[k]: v for k, v in net.state_dict().items()})
    net.load_state_dict({k: torch.from_dlpack(moved[names[k]]) for k in names})
    assert torch.allclose(net(x), before, atol=1e-12) and not torch.equal(net(x), before)
