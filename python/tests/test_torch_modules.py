"""weft.torch: modules of weft in loops of PyTorch, and against PyTorch's own autograd."""

import copy
import gc
import pickle

import numpy as np
import pytest
from conftest import MLP

import weft

torch = pytest.importorskip("torch", reason="no PyTorch in this environment")
import weft.torch  # noqa: E402

SPACE = weft.Space(MLP)
TERMS = "b1[j] += phi1 W1[j,k]\nW2[i,j] += phi2 W2[i,j]\nb2[i] += phi3 b2[i]"


def tensors(batch=3, seed=0, grad=False, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return {t.name: torch.from_numpy(rng.standard_normal((batch, 1, *t.shape)).astype(dtype)).requires_grad_(grad) for t in SPACE.tensors}


def layer():
    model = weft.Module("own")
    own = weft.TermLayer(model, "layer", SPACE, SPACE, TERMS, 1, 2)
    model.init(3, "float64")
    return weft.torch.Module(model, SPACE, own)


def reference(x, p):
    """The same formulas by einsum."""
    return {"b1": torch.einsum("ed,bdjk->bej", p["layer.b1.phi1"], x["W1"]),
            "W2": torch.einsum("ed,bdij->beij", p["layer.W2.phi2"], x["W2"]),
            "b2": torch.einsum("ed,bdi->bei", p["layer.b2.phi3"], x["b2"])}


def invariant(dtype="float32", **given):
    model = weft.Module("magep")
    own = weft.MagepInvariant(model, "readout", SPACE, 1, 4)
    model.init(1, dtype)
    return weft.torch.Module(model, SPACE, own, **given)


def test_values_and_gradients_against_autograd():
    net, x, again = layer(), tensors(grad=True), tensors(grad=True)
    p = {name: value.detach().clone().requires_grad_() for name, value in net.named_views(net.flat).items()}
    y, wanted = net(x), reference(again, p)
    assert y["W1"].abs().max() == 0 and {n: t.shape for n, t in y.items()}["W1"] == (3, 2, 16, 2)
    loss = lambda y: sum((y[n] ** 3).sum() + y[n].sin().sum() for n in wanted)
    loss(y).backward()
    loss(wanted).backward()
    for name in wanted:
        torch.testing.assert_close(y[name], wanted[name], rtol=1e-10, atol=1e-10)
    for name, grad in net.named_views(net.flat.grad).items():
        torch.testing.assert_close(grad, p[name].grad, rtol=1e-10, atol=1e-10)
    for name in ("W1", "W2", "b2"):
        torch.testing.assert_close(x[name].grad, again[name].grad, rtol=1e-10, atol=1e-10)
    assert not x["b1"].grad.any()


def test_a_magep_layer_has_the_slopes_of_differences():
    torch.manual_seed(1)
    net, x = invariant("float64"), tensors(grad=True)
    net(x).square().sum().backward()
    for value in [*net.parameters(), *x.values()]:
        before, step = value.detach().clone(), 1e-6
        direction = torch.randn_like(before)
        moved = []
        for sign in (1, -1):
            with torch.no_grad():
                value.copy_(before + sign * step * direction)
                moved.append(net(x).square().sum())
        with torch.no_grad():
            value.copy_(before)
        slope = ((moved[0] - moved[1]) / (2 * step)).item()
        assert (value.grad * direction).sum().item() == pytest.approx(slope, rel=1e-5, abs=1e-5)


def test_a_loop_of_pytorch_learns():
    torch.manual_seed(0)
    net = torch.nn.Sequential(invariant(), torch.nn.Linear(4, 1))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    x = tensors(32, dtype=np.float32)
    target = x["b2"].mean((1, 2))[:, None]
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = (net(x) - target).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    with torch.no_grad():
        assert (net(x) - target).square().mean().item() < losses[0]


def test_parameters_are_on_the_memory_of_the_model():
    net = layer()
    state = net.state_dict()
    assert sorted(state) == sorted(net.model.parameters)
    with torch.no_grad():
        net.named_views(net.flat)["layer.W2.phi2"].fill_(7)
    assert (net.model.parameters["layer.W2.phi2"] == 7).all()
    other = layer()
    other.load_state_dict(net.state_dict())
    assert (other.model.parameters["layer.W2.phi2"] == 7).all()
    x = tensors()
    assert torch.equal(net(x)["W2"], other(list(x.values()))["W2"])


def test_several_calls_before_one_backward_pass():
    net, x, z = layer(), tensors(seed=1), tensors(seed=2)
    (net(x)["W2"].sum() + net(z)["W2"].sum()).backward()
    wanted = (x["W2"].sum() + z["W2"].sum()).expand(2, 1)
    torch.testing.assert_close(net.named_views(net.flat.grad)["layer.W2.phi2"], wanted)
    y = net(x)["W2"]
    del y
    gc.collect()
    net(z)["W2"].sum().backward()


def test_refusals():
    net = layer()
    with pytest.raises(weft.DtypeError, match="cannot become torch.float32"):
        net.float()
    net.double()
    for moved in (copy.deepcopy, pickle.dumps):
        with pytest.raises(weft.UsageError, match="neither copied nor pickled"):
            moved(net)
    with pytest.raises(weft.UsageError, match="give its space"):
        weft.torch.Module(net.model)
    with pytest.raises(weft.DtypeError):
        net(tensors(dtype=np.float32))
    with pytest.raises(weft.UsageError, match="gradients of what a reader is given"):
        weft.torch.Module(weft.make_reader("magep", SPACE, {"channels": 4}))(tensors(grad=True, dtype=np.float32))
    y = net(tensors())["W2"].sum()
    y.backward(retain_graph=True)
    with pytest.raises(weft.AutogradError, match="a second backward pass"):
        y.backward()
    x = tensors(grad=True)
    (slope,) = torch.autograd.grad(net(x)["W2"].square().sum(), x["W2"], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_a_reader_by_its_name():
    reader = weft.make_reader("magep", SPACE, {"channels": 4})
    net, x = weft.torch.Module(reader), tensors(5, dtype=np.float32)
    torch.testing.assert_close(net(x).double(), torch.from_numpy(reader.predict(x)), rtol=1e-5, atol=1e-6)
    net(x).sum().backward()
    assert any(value.grad.any() for value in net.parameters())


def test_under_torch_compile():
    net, x = layer(), tensors()
    compiled = torch.compile(lambda x: net(x)["W2"].relu() * 2, backend="eager")
    assert torch.equal(compiled(x), net(x)["W2"].relu() * 2)
