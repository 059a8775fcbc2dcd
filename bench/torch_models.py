#!/usr/bin/env python3
"""The benchmark models of `weft bench step` in plain PyTorch, and the time of their training steps (forward, backward, Adam; float32).

    torch_models.py cnn|inr|transformer1|transformer2 [--seconds S] [--threads N] [--compile]
    torch_models.py --check FOLDER       the layers against the golden files of a folder (tests/golden/files), values and gradients

One line a model, as `weft bench step` prints it; peak memory is what the process took beyond what it held before the model was built.
bench/steps.py and bench/torch_device.py set the times beside weft's; case(NAME) gives model, input, target and loss.
"""
import argparse
import json
import pathlib
import resource
import statistics
import struct
import sys
import time

try:
    import torch
except ImportError:
    print("torch_models: skipped, Python has no torch")
    sys.exit(77)
from torch import nn
from torch.nn import functional

from torch_layers import (MagepEquivariant, MagepInvariant, MonomialLinear, NormalisingPool, TransformerEquivariant, TransformerInvariant)

NAMES = ("cnn", "inr", "transformer1", "transformer2")


def mlp(*sizes, norm=False, dropout=0.0):
    """Linear layers; LayerNorm, ReLU and dropout between them."""
    layers = [nn.Linear(*sizes[:2])]
    for a, b in zip(sizes[1:], sizes[2:]):
        layers += [*([nn.LayerNorm(a)] if norm else []), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else []), nn.Linear(a, b)]
    return nn.Sequential(*layers)


def each(function, x):
    return {name: function(value) for name, value in x.items()}


class CnnPredictor(nn.Module):
    """Accuracy of a CNN 1-16-16-16-10 with 3x3 taps (spec 2.6)."""

    widths, taps, d = (1, 16, 16, 16, 10), (9, 9, 9, 1), 20

    def __init__(self):
        super().__init__()
        self.lift = MonomialLinear(self.widths, 1, self.d, self.taps)
        self.layers = nn.ModuleList(MagepEquivariant(self.widths, self.d, self.d, train_psi=False) for _ in range(2))
        self.pool, self.head = MagepInvariant(self.widths, self.d, self.d), mlp(self.d, 500, 500, 1)

    def forward(self, x):
        x = self.lift(x)
        for layer in self.layers:
            x = layer(each(torch.relu, x))
        return self.head(self.pool(each(torch.relu, x)))[:, 0]


class InrClassifier(nn.Module):
    """Class of a SIREN 2-32-32-1 (spec 2.6)."""

    widths, d, frequencies = (2, 32, 32, 1), 128, 128

    def __init__(self):
        super().__init__()
        self.frequency = nn.Parameter(3 * torch.randn(self.frequencies), requires_grad=False)
        self.lift = MonomialLinear(self.widths, 2 * self.frequencies, self.d)
        self.layers = nn.ModuleList(MagepEquivariant(self.widths, self.d, self.d, train_psi=False) for _ in range(3))
        self.pool, self.head = MagepInvariant(self.widths, self.d, self.d), mlp(self.d, 1000, 1000, 10, dropout=0.1)

    def features(self, x):
        phase = 2 * torch.pi * self.frequency.reshape(-1, *[1] * (x.dim() - 2)) * x
        return torch.cat([torch.sin(phase), torch.cos(phase)], 1)

    def activated(self, x):
        """Sine, and dropout of whole channels of the weights."""
        x = each(torch.sin, x)
        return {name: functional.dropout2d(v, 0.1, self.training) if v.dim() == 4 else v for name, v in x.items()}

    def forward(self, x):
        x = self.activated(self.lift(each(self.features, x)))
        for layer in self.layers:
            x = self.activated(layer(x))
        return self.head(self.pool(x))


class TransformerPredictor(nn.Module):
    """Accuracy of a vision transformer of two blocks (spec 3.5): its embedding, its blocks, its classifier 32-32-10."""

    D, A, heads, head, blocks, patch, classifier, c = 32, 64, 2, 16, 2, 16, (32, 32, 10), 10

    def __init__(self, layers):
        super().__init__()
        D, c = self.D, self.c
        self.equivariant = nn.ModuleList(nn.ModuleList(TransformerEquivariant(D, c if i else 1, c) for i in range(layers))
                                         for _ in range(self.blocks))
        self.invariant = nn.ModuleList(TransformerInvariant(D, c, c) for _ in range(self.blocks))
        self.norms = nn.ModuleList(nn.LayerNorm(c) for _ in range(self.blocks))
        self.encoder = nn.Sequential(nn.LayerNorm(c * self.blocks), mlp(c * self.blocks, c, c, c, norm=True))
        self.linear = nn.ModuleList([MonomialLinear(self.classifier, 1, c), MonomialLinear(self.classifier, c, c)])
        self.pool = NormalisingPool(2, c)
        pooled = c * (self.classifier[0] + 1 + 2 * self.classifier[-1])
        self.classify, self.embed, self.last = mlp(pooled, c, c, c, norm=True), mlp((self.patch + 1) * D, c), mlp(3 * c, 1)

    def forward(self, x):
        encoded = []
        for features, layers, pool, norm in zip(x["blocks"], self.equivariant, self.invariant, self.norms):
            for layer in layers:
                features = layer(features)  # what carries GL passes unchanged
                features = {name: torch.relu(v) if name in ("WA", "bA", "WB", "bB") else v for name, v in features.items()}
            encoded.append(norm(pool(features)))
        weights = x["classifier"]
        for layer in self.linear:
            weights = each(torch.relu, layer(weights))
        parts = [self.encoder(torch.cat(encoded, -1)), self.classify(self.pool(weights)), self.embed(x["embedding"])]
        return self.last(torch.cat(parts, -1))[:, 0]


def dense(widths, batch, deviation, taps=None):
    n = range(1, len(widths))
    weights = {f"W{i}": (batch, taps[i - 1] if taps else 1, widths[i], widths[i - 1]) for i in n}
    return {name: deviation * torch.randn(shape) for name, shape in (weights | {f"b{i}": (batch, 1, widths[i]) for i in n}).items()}


def block(batch, deviation):
    m = TransformerPredictor
    shapes = {"WQ": (m.heads, m.D, m.head), "WK": (m.heads, m.D, m.head), "WV": (m.heads, m.D, m.head), "WO": (m.heads, m.head, m.D),
              "WA": (m.D, m.A), "bA": (m.A,), "WB": (m.A, m.D), "bB": (m.D,)}
    return {name: deviation * torch.randn(batch, 1, *shape) for name, shape in shapes.items()}


def case(name):
    """(model, input, target, loss) with the sizes and batches of `weft bench step`."""
    if name == "inr":
        return InrClassifier(), dense(InrClassifier.widths, 32, 1), torch.randint(10, (32,)), functional.cross_entropy
    accuracy = functional.binary_cross_entropy_with_logits
    if name == "cnn":
        return CnnPredictor(), dense(CnnPredictor.widths, 8, 1, CnnPredictor.taps), torch.rand(8), accuracy
    m, batch = TransformerPredictor, 16
    x = {"blocks": [block(batch, 0.1) for _ in range(m.blocks)], "classifier": dense(m.classifier, batch, 0.1),
         "embedding": 0.1 * torch.randn(batch, (m.patch + 1) * m.D)}
    return TransformerPredictor(int(name[-1])), x, torch.rand(batch), accuracy


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(name, seconds, compiled):
    torch.manual_seed(0)
    before = peak_mib()
    model, x, target, loss = case(name)
    run = torch.compile(model) if compiled else model
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-4)

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss(run(x), target).backward()
        optimiser.step()
    for _ in range(5 if compiled else 3):
        step()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or not times:
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    parameters = sum(p.numel() for p in model.parameters())
    return (f"{name} {'compiled' if compiled else 'eager'} parameters={parameters} min_ms={min(times):.2f} "
            f"median_ms={statistics.median(times):.2f} peak_mib={peak_mib() - before:.0f}")


def golden_layer(kind, c):
    if kind == "magep.equivariant":
        return MagepEquivariant(c["widths"], c["d"], c["e"])
    if kind == "magep.invariant":
        return MagepInvariant(c["widths"], c["d"], c["e"])
    if kind == "monomial.linear" and not c["sign"] and all(t == [1, 1] for t in c["taps_out"]):
        return MonomialLinear(c["widths"], c["d"], c["e"], [rows * columns for rows, columns in c["taps_in"]])
    if kind == "transformer.equivariant":
        return TransformerEquivariant(c["D"], c["d"], c["e"])
    if kind == "transformer.invariant":
        return TransformerInvariant(c["D"], c["d"], c["e"])
    return None


def golden_error(path):
    """The largest relative error of outputs and gradients, NaN if one is no number; None for a file of no layer of these."""
    data = bytearray(path.read_bytes())
    end = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:end])
    metadata = header.pop("__metadata__")
    layer = golden_layer(metadata["kind"], json.loads(metadata["config"]))
    if layer is None:
        return None
    tensors = {name: torch.frombuffer(data, dtype=torch.float64, offset=end + t["data_offsets"][0],
                                      count=(t["data_offsets"][1] - t["data_offsets"][0]) // 8).reshape(t["shape"]).clone()
               for name, t in header.items()}
    layer.double()
    for name in [name for name in tensors if name.startswith("param.")]:
        with torch.no_grad():
            layer.phi(name.removeprefix("param.")).copy_(tensors[name])
    x = {name[3:]: t.requires_grad_() for name, t in tensors.items() if name.startswith("in.")}
    y = layer(x)
    y = y if isinstance(y, dict) else {"y": y}
    sum((tensors[f"cot.{name}"] * t).sum() for name, t in y.items()).backward()
    got = ({f"out.{name}": t.detach() for name, t in y.items()} | {f"grad.in.{name}": t.grad for name, t in x.items()}
           | {f"grad.{name}": layer.phi(name[6:]).grad for name in tensors if name.startswith("param.")})
    expected = {name: t for name, t in tensors.items() if name.startswith(("out.", "grad."))}
    if got.keys() != expected.keys() or len(layer.learned) != sum(name.startswith("param.") for name in tensors):
        return float("nan")
    errors = torch.stack([(got[name] - t).abs().max() / t.abs().max().clamp(min=1e-300) for name, t in expected.items()])
    return errors.max().item()  # keeps a NaN


def check(folder):
    found = {path.name: golden_error(path) for path in sorted(folder.glob("*.safetensors"))}
    found = {name: error for name, error in found.items() if error is not None}
    wrong = [name for name, error in found.items() if not error < 1e-10]
    for name in wrong:
        print(f"{name}: off by {found[name]:.3g}")
    print(f"torch_models: {len(found)} golden files of layers, {len(wrong)} wrong")
    return 1 if wrong or not found else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", choices=NAMES)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--check", type=pathlib.Path, metavar="FOLDER")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.check:
        return check(args.check)
    if not args.model:
        parser.error("name a model, or --check FOLDER")
    print(measured(args.model, args.seconds, args.compile))
    return 0


if __name__ == "__main__":
    sys.exit(main())
