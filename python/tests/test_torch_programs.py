"""weft in programs of PyTorch: workers that load data, long trainings, and layers beside the same formulas on autograd."""

import gc
import re

import numpy as np
import pytest
from conftest import MLP, draw
from test_lifetimes import resident

import weft

torch = pytest.importorskip("torch", reason="no PyTorch in this environment")
from test_torch_modules import layer, tensors  # noqa: E402

import weft.torch  # noqa: E402


class Moved(torch.utils.data.Dataset):
    """Networks moved by elements, as a reader reads them. Elements are values, which a worker is sent; the reader is loaded
    where it is used."""

    def __init__(self, path):
        self.path, self.reader = path, None
        self.space = weft.Space(MLP)
        self.elements = [weft.Element.random(self.space, n) for n in range(12)]

    def __len__(self):
        return len(self.elements)

    def __getitem__(self, n):
        self.reader = self.reader or weft.load_model(self.path)
        moved = weft.act(self.elements[n], draw(self.space, n, np.float32, batch=1))
        return [array[0] for array in self.reader.prepare(moved)]


def moved_again(items):
    """Networks as a batch, moved by one more element."""
    space = weft.Space(MLP)
    return [torch.from_dlpack(a) for a in weft.act(weft.Element.random(space, 99), torch.utils.data.default_collate(items))]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_data_loader(method, tmp_path):
    reader = weft.make_reader("magep", weft.Space(MLP), {"channels": 4})
    reader.standardise(draw(reader.space, 50, np.float32, batch=8))
    reader.save_model(tmp_path / "reader.safetensors")
    data = Moved(tmp_path / "reader.safetensors")
    options = {"batch_size": 4, "collate_fn": moved_again}
    expected = list(torch.utils.data.DataLoader(data, **options))  # weft's threads run before the fork
    data.reader = None  # a model is not sent to a process
    net = weft.torch.Module(reader)
    loader = torch.utils.data.DataLoader(data, num_workers=2, multiprocessing_context=method, **options)
    for batch, wanted in zip(loader, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(batch, wanted, strict=True))
        assert net([a.clone() for a in batch]).shape == (4, 1)


def test_ten_thousand_steps_of_pytorch_take_no_memory():
    net, x = layer(), tensors()
    x["b1"].requires_grad_()
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-6)

    def steps(n):
        for _ in range(n):
            optimiser.zero_grad()
            y = net(x)
            (y["W2"].square().mean() + y["b2"].square().mean()).backward()
            optimiser.step()
        gc.collect()

    steps(1000)
    before = resident()
    steps(10_000)
    assert resident() - before < 2**20, "the steps keep memory"


def product(text, values):
    """'phi2[0,k] WW1.0[j,q]' as what einsum takes: subscripts and tensors. A number among the indices picks."""
    subscripts, operands = [], []
    for name, indices in re.findall(r"([\w.]+)(?:\[([^\]]*)\])?", text):
        leading, value = values[name]
        axes = indices.split(",") if indices else []
        leading = leading[: value.ndim - len(axes)]  # a parameter that stands alone has no channels that it reads
        for place in reversed(range(len(axes))):
            if axes[place].isdigit():
                value = value.select(len(leading) + place, int(axes.pop(place)))
        subscripts.append(leading + "".join(axes))
        operands.append(value)
    return ",".join(subscripts), operands


def by_autograd(terms, x, parameters):
    """What a list of terms says of networks B and channels D -> E, by einsum."""
    every = torch.ones(len(next(iter(x.values()))), dtype=torch.float64)  # networks have what stands alone
    values = {name: ("BD", a) for name, a in x.items()} | {name: ("D", p) for name, p in parameters.items() if name.startswith("psi")}
    outputs = {}
    for line in terms.splitlines():
        target, indices, sign, sums = re.fullmatch(r"([\w.]+)(?:\[([^\]]*)\])? (:=|\+=) (.*)", line).groups()
        phi = {name.removeprefix(f"{target}."): ("ED", p) for name, p in parameters.items() if re.match(rf"({re.escape(target)}\.)?phi", name)}
        result = ("BD" if sign == ":=" else "BE") + (indices or "").replace(",", "")
        for text in sums.split(" + "):
            subscripts, operands = product(text, values | phi)
            y = torch.einsum(f"{subscripts},B->{result}", *operands, every)
            if sign == "+=":
                outputs[target] = outputs.get(target, 0) + y
            else:
                values[target] = ("BD", y if text == sums.split(" + ")[0] else values[target][1] + y)
    return outputs


@pytest.mark.parametrize("kind", [weft.MagepEquivariant, weft.MagepInvariant, weft.LinearLayer], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("seed", range(4))
def test_layers_beside_autograd(kind, seed):
    rng = np.random.default_rng(seed)
    space = weft.mlp_space([int(n) for n in rng.integers(1, 5, size=rng.integers(3, 6))])
    d, e, batch = (int(n) for n in rng.integers(1, 4, size=3))
    model = weft.Module("model")
    given = (space, d, e) if kind is not weft.LinearLayer else (space, space, weft.derive_linear(space, space), d, e)
    own = kind(model, "layer", *given)
    model.init(2, "float64")
    net = weft.torch.Module(model, space, own)
    x = {t.name: torch.from_numpy(rng.standard_normal((batch, d, *t.shape))).requires_grad_() for t in space.tensors}
    again = {name: a.detach().clone().requires_grad_() for name, a in x.items()}
    p = {name.removeprefix("layer."): value.detach().clone().requires_grad_() for name, value in net.named_views(net.flat).items()}
    y, wanted = net(x), by_autograd(own.list.text, again, p)
    y = y if isinstance(y, dict) else {"y": y}
    assert set(y) == set(wanted)
    for outputs in (y, wanted):
        sum((outputs[name].sin() * outputs[name]).sum() for name in y).backward()
    for name in y:
        torch.testing.assert_close(y[name], wanted[name], rtol=1e-10, atol=1e-10)
    slopes = net.named_views(net.flat.grad).values()
    for a, b in [*zip(slopes, p.values(), strict=True), *zip((a.grad for a in x.values()), again.values(), strict=True)]:
        torch.testing.assert_close(a, torch.zeros_like(a) if b.grad is None else b.grad, rtol=1e-10, atol=1e-10)
    assert any(a.grad.any() for a in x.values())
