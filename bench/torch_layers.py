"""The layers of the benchmark models in plain PyTorch, by their formulas, with what many terms share computed once: the rival whose times
bench/steps.py and bench/torch_device.py set beside weft's. Names and shapes of parameters are those of weft's term lists."""
import torch
from torch import nn
from torch.nn import functional


class Layer(nn.Module):
    """Learned tensors by name ("W2.phi1")."""

    def __init__(self, shapes, frozen=""):
        super().__init__()
        self.learned = nn.ParameterDict({name.replace(".", "_"): nn.Parameter(0.02 * torch.randn(shape), not frozen or not name.startswith(frozen))
                                         for name, shape in shapes.items()})

    def phi(self, name):
        return self.learned[name.replace(".", "_")]

    def mixed(self, equation, target, *read, first=1):
        """The sum of the terms phi1, phi2, … (from `first` on) of a target: the same equation of different tensors."""
        return sum(torch.einsum(equation, self.phi(f"{target}phi{first + i}"), x) for i, x in enumerate(read))


class Chains:
    """Prefixes W^(s) … W^(1), suffixes W^(L) … W^(t + 1) and the sums B_s of spec 2.4, and the terms that are made of them."""

    def __init__(self, layer, x, L):
        self.layer, self.L = layer, L
        self.W, self.b = {i: x[f"W{i}"] for i in range(1, L + 1)}, {i: x[f"b{i}"] for i in range(1, L + 1)}
        self.prefix, self.suffix, self.B = {1: self.W[1]}, {L - 1: self.W[L]}, {}
        for i in range(2, L + 1):
            self.prefix[i] = self.W[i] @ self.prefix[i - 1]
            inner = self.b[i - 1] + self.B[i - 1] if i > 2 else self.b[1]
            self.B[i] = (self.W[i] @ inner[..., None])[..., 0]
        for t in range(L - 2, -1, -1):
            self.suffix[t] = self.suffix[t + 1] @ self.W[t + 1]

    def WW(self, s, t):
        return self.prefix[s] @ self.layer.phi(f"psi.WW.{s}.{t}") @ self.suffix[t]

    def bW(self, s, t):
        return self.b[s][..., None] @ (self.layer.phi(f"psi.bW.{s}.{t}") @ self.suffix[t])

    def traces(self):
        """Of [WW] and of [bW], each [B, d, L - 1]."""
        whole = self.prefix[self.L]
        WW = torch.stack([torch.einsum("dqp,bdpq->bd", self.layer.phi(f"psi.WW.{s}.{s}"), whole) for s in range(1, self.L)], -1)
        bW = torch.stack([torch.einsum("dq,bdqj,bdj->bd", self.layer.phi(f"psi.bW.{s}.{s}")[:, 0], self.suffix[s], self.b[s])
                          for s in range(1, self.L)], -1)
        return WW, bW


def psi_shapes(pairs, d, first, last):
    return {f"psi.{kind}.{s}.{t}": (d, first if kind == "WW" else 1, last) for s, t in pairs for kind in ("WW", "bW")}


class MagepEquivariant(Layer):
    """Spec 2.2: {"W1": [B, d, n_1, n_0], "b1": [B, d, n_1], …} to the same with e channels."""

    def __init__(self, widths, d, e, train_psi=True):
        self.L, n0, nL = len(widths) - 1, widths[0], widths[-1]
        L, shapes = self.L, {}
        for i in range(1, L + 1):
            weight = (n0, n0) if i == 1 else (nL, nL) if i == L else ()
            shapes |= {f"W{i}.phi{m}": (e, d, *weight) for m in (1, 2, 3)}
            if i < L:
                shapes |= {f"b{i}.phi{m}": (e, d, n0) for m in (1, 2, 3)} | {f"b{i}.phi4": (e, d)}
            if i == 1:
                shapes["W1.phi4"] = (e, d, n0)
            elif i < L:
                shapes[f"b{i}.phi5"] = (e, d)
            else:
                shapes |= {f"b{L}.phi{m}": (e, d, nL, n0, nL) for m in (1, 2, 3)} | {f"b{L}.phi{m}": (e, d, nL, nL) for m in (4, 7)}
                shapes |= {f"b{L}.phi{m}": (e, d, L - 1, nL) for m in (5, 6)} | {f"b{L}.phi8": (e, nL)}
        pairs = {(i, t) for i in range(1, L + 1) for t in (i - 1, 0)} | {(s, s) for s in range(1, L)}
        super().__init__(shapes | psi_shapes(sorted(pairs), d, n0, nL), "" if train_psi else "psi")

    def forward(self, x):
        L, c, y = self.L, Chains(self, x, self.L), {}
        for i in range(1, L + 1):
            W, b = f"W{i}.", f"b{i}."
            weight = (c.W[i], c.WW(i, i - 1), c.bW(i, i - 1))
            ends = weight if i == 1 else (c.prefix[i], c.WW(i, 0), c.bW(i, 0))
            if i == 1:
                y["W1"] = self.mixed("edqk,bdjq->bejk", W, *weight) + torch.einsum("edk,bdj->bejk", self.phi("W1.phi4"), c.b[1])
                y["b1"] = self.mixed("edq,bdjq->bej", b, *ends) + self.mixed("ed,bdj->bej", b, c.b[1], first=4)
            elif i < L:
                y[f"W{i}"] = self.mixed("ed,bdjk->bejk", W, *weight)
                y[f"b{i}"] = self.mixed("edq,bdjq->bej", b, *ends) + self.mixed("ed,bdj->bej", b, c.B[i], c.b[i], first=4)
            else:
                y[f"W{L}"] = self.mixed("edpj,bdpk->bejk", W, *weight)
                y[f"b{L}"] = (self.mixed("edpqj,bdpq->bej", b, *ends) + self.mixed("edpj,bdp->bej", b, c.B[L], first=4)
                              + self.mixed("edsj,bds->bej", b, *c.traces(), first=5)
                              + self.mixed("edpj,bdp->bej", b, c.b[L], first=7) + self.phi(b + "phi8"))
        return y


class MagepInvariant(Layer):
    """Spec 2.3: the same input to [B, e]."""

    def __init__(self, widths, d, e):
        self.L, n0, nL = len(widths) - 1, widths[0], widths[-1]
        shapes = {f"phi{m}": (e, d, nL, n0) for m in (1, 2, 3)} | {f"phi{m}": (e, d, nL) for m in (4, 7)}
        shapes |= {f"phi{m}": (e, d, self.L - 1) for m in (5, 6)} | {"phi8": (e,)}
        super().__init__(shapes | psi_shapes([(self.L, 0), *((s, s) for s in range(1, self.L))], d, n0, nL))

    def forward(self, x):
        L, c = self.L, Chains(self, x, self.L)
        return (self.mixed("edpq,bdpq->be", "", c.WW(L, 0), c.prefix[L], c.bW(L, 0)) + self.mixed("edp,bdp->be", "", c.B[L], first=4)
                + self.mixed("eds,bds->be", "", *c.traces(), first=5) + self.mixed("edp,bdp->be", "", c.b[L], first=7) + self.phi("phi8"))


class MonomialLinear(Layer):
    """Spec 4.1 without sign terms; `taps` of the input, layer by layer, are folded into its channels."""

    def __init__(self, widths, d, e, taps=None):
        self.L, n0, nL = len(widths) - 1, widths[0], widths[-1]
        channels = [d * t for t in taps or [1] * self.L]
        shapes = {"W1.phi1": (e, channels[0], n0, n0), "W1.phi2": (e, d, n0), "b1.phi1": (e, channels[0], n0), "b1.phi2": (e, d)}
        for i in range(2, self.L):
            shapes |= {f"W{i}.phi1": (e, channels[i - 1]), f"b{i}.phi1": (e, d)}
        super().__init__(shapes | {f"W{self.L}.phi1": (e, channels[-1], nL, nL), f"b{self.L}.phi1": (e, d, nL, nL), f"b{self.L}.phi2": (e, nL)})

    def forward(self, x):
        L = self.L
        y = {"W1": self.mixed("edqk,bdjq->bejk", "W1.", x["W1"]) + self.mixed("edk,bdj->bejk", "W1.", x["b1"], first=2),
             "b1": self.mixed("edq,bdjq->bej", "b1.", x["W1"]) + self.mixed("ed,bdj->bej", "b1.", x["b1"], first=2)}
        for i in range(2, L):
            y |= {f"W{i}": self.mixed("ed,bdjk->bejk", f"W{i}.", x[f"W{i}"]), f"b{i}": self.mixed("ed,bdj->bej", f"b{i}.", x[f"b{i}"])}
        return y | {f"W{L}": self.mixed("edpj,bdpk->bejk", f"W{L}.", x[f"W{L}"]),
                    f"b{L}": self.mixed("edpj,bdp->bej", f"b{L}.", x[f"b{L}"]) + self.phi(f"b{L}.phi2")}


class Globals:
    """Of a block: the quadratic terms and the sums, each once, and those without an axis of their own."""

    def __init__(self, x):
        def rows(t):
            return t.transpose(2, 3).flatten(3)  # [B, d, D, heads k]
        self.x = x
        self.QK = rows(x["WQ"]) @ rows(x["WK"]).transpose(2, 3)
        self.VO = rows(x["WV"]) @ x["WO"].flatten(2, 3)
        self.WA_columns, self.WB_columns = x["WA"].sum(-2), x["WB"].sum(-2)
        self.spread = (self.QK, self.VO.sum(-1), x["WA"].sum((-2, -1)), self.WB_columns, x["bA"].sum(-1), x["bB"])


class TransformerEquivariant(Layer):
    """Spec 3.1, of one block: {"WQ": [B, d, h, D, Dk], …} to the same with e channels."""

    # Of every target, the number of the phi by which each of Globals.spread reaches it.
    SPREAD = {"WA": (1, 2, 4, 8, 10, 12), "bA": (1, 2, 3, 5, 7, 9), "WB": (1, 2, 3, 5, 7, 9), "bB": (1, 2, 3, 4, 5, 6)}

    def __init__(self, D, d, e):
        shapes = {f"{name}.phi1": (e, d, D, D) for name in ("WQ", "WK", "WV")} | {"WO.phi1": (e, d), "WO.phi2": (e, d)}
        sizes = ((D, D), (D,), (), (D,), (), (D,))
        for target, numbers in self.SPREAD.items():
            kept = (D,) if target in ("WB", "bB") else ()
            shapes |= {f"{target}.phi{m}": (e, d, *kept, *read) for m, read in zip(numbers, sizes)}
        shapes |= {"WA.phi3": (e, d, D), "WA.phi5": (e, d), "WA.phi6": (e, d), "WA.phi7": (e, d), "WA.phi9": (e, d, D), "WA.phi11": (e, d),
                   "WA.phi13": (e,), "bA.phi4": (e, d), "bA.phi6": (e, d, D), "bA.phi8": (e, d), "bA.phi10": (e,), "WB.phi4": (e, d, D),
                   "WB.phi6": (e, d, D, D), "WB.phi8": (e, d, D), "WB.phi10": (e, D), "bB.phi7": (e, D)}
        super().__init__(shapes)

    def spread(self, target, g):
        """What the global terms give: [B, e], or [B, e, D] for WB and bB. All of them are one linear map of one vector."""
        weights = [self.phi(f"{target}.phi{m}") for m in self.SPREAD[target]]
        kept = weights[2].dim() - 2
        vector = torch.cat([v.flatten(2) if v.dim() > 2 else v[..., None] for v in g.spread], -1).flatten(1)
        matrix = torch.cat([w.flatten(2 + kept) if w.dim() > 2 + kept else w[..., None] for w in weights], -1)
        return (vector @ matrix.movedim(1, -2).flatten(0, kept).flatten(1).T).unflatten(1, matrix.shape[:1] + matrix.shape[2:2 + kept])

    def forward(self, x):
        g, phi, mix = Globals(x), self.phi, torch.einsum
        y = {name: mix("edjp,bdhpk->behjk", phi(name + ".phi1"), x[name]) for name in ("WQ", "WK", "WV")}
        y["WO"] = mix("ed,bdhj->behj", phi("WO.phi1"), x["WO"].sum(-1))[..., None] + mix("ed,bdhjk->behjk", phi("WO.phi2"), x["WO"])
        columns = (mix("ed,bdk->bek", phi("WA.phi6"), g.WA_columns) + mix("edq,bdkq->bek", phi("WA.phi9"), x["WB"])
                   + mix("ed,bdk->bek", phi("WA.phi11"), x["bA"]) + (self.spread("WA", g) + phi("WA.phi13"))[..., None])
        rows = mix("edp,bdpj->bej", phi("WA.phi3"), g.VO) + mix("ed,bdj->bej", phi("WA.phi5"), x["WA"].sum(-1))
        y["WA"] = mix("ed,bdjk->bejk", phi("WA.phi7"), x["WA"]) + rows[..., None] + columns[..., None, :]
        y["bA"] = (mix("ed,bdk->bek", phi("bA.phi4"), g.WA_columns) + mix("edq,bdkq->bek", phi("bA.phi6"), x["WB"])
                   + mix("ed,bdk->bek", phi("bA.phi8"), x["bA"]) + (self.spread("bA", g) + phi("bA.phi10"))[..., None])
        y["WB"] = (mix("edk,bdj->bejk", phi("WB.phi4"), g.WA_columns) + mix("edkq,bdjq->bejk", phi("WB.phi6"), x["WB"])
                   + mix("edk,bdj->bejk", phi("WB.phi8"), x["bA"]) + (self.spread("WB", g) + phi("WB.phi10"))[..., None, :])
        y["bB"] = self.spread("bB", g) + phi("bB.phi7")
        return y


class TransformerInvariant(Layer):
    """Spec 3.2, before the LayerNorm: [B, e]."""

    def __init__(self, D, d, e):
        sizes = ((D, D), (D,), (), (D,), (), (D,))
        super().__init__({f"phi{m + 1}": (e, d, *read) for m, read in enumerate(sizes)} | {"phi7": (e,)})

    def forward(self, x):
        vectors = [v.flatten(1) for v in Globals(x).spread]
        return torch.cat(vectors, -1) @ torch.cat([self.phi(f"phi{m}").flatten(1) for m in range(1, 7)], -1).T + self.phi("phi7")


class NormalisingPool(nn.Module):
    """Spec 4.3: channel vectors over their norm, times a learned vector, plus one; then means over the axes that move."""

    def __init__(self, L, channels):
        super().__init__()
        self.L = L
        names = [f"{kind}{i}" for i in range(1, L + 1) for kind in "Wb"][:-1]
        self.gain = nn.ParameterDict({name: nn.Parameter(torch.ones(channels)) for name in names})
        self.shift = nn.ParameterDict({name: nn.Parameter(torch.zeros(channels)) for name in names})

    def forward(self, x):
        def spread(vector, rank):
            return vector.reshape(-1, *[1] * (rank - 2))
        parts = []
        for name, value in x.items():
            if name in self.gain:
                value = functional.normalize(value, dim=1) * spread(self.gain[name], value.dim()) + spread(self.shift[name], value.dim())
                first, last = name == "W1", name == f"W{self.L}"
                value = value.mean([a for a in range(2, value.dim()) if not (first and a == 3 or last and a == 2)])
            parts.append(value.flatten(1))
        return torch.cat(parts, -1)
