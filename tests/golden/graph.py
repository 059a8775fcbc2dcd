"""The graph network of the golden files (spec 9.5), as its formulas say and nothing cleverer, in numpy.

As in layers.py every tensor has one axis in front, of variants. Behind it nodes are [B, n_l, d] and edges [B, n_l, n_{l-1}, d].
"""
import numpy as np

from layers import transposed


def spread(learned, x, axes):
    """`learned` against all axes of x but its last ones."""
    return np.expand_dims(learned, tuple(range(1, x.ndim - axes)))


def relu(x):
    return np.where(x.real > 0, x, 0)


def norm(x):
    return np.sqrt((x * x).mean(-1, keepdims=True))


class Network:
    def __init__(self, ask, c):
        self.ask, self.d, self.scales = ask, c["d"], c["scales"]

    def matrix(self, name, x, rows=None, columns=None):
        return x @ transposed(spread(self.ask(f"param.{name}", rows or self.d, columns or self.d), x, 2))

    def vector(self, name, x, size=None):
        return x + spread(self.ask(f"param.{name}", size or self.d), x, 1)

    def lift(self, name, *shape):
        """The first map, of the numbers behind the batch."""
        x = np.moveaxis(self.ask(f"in.{name}", *shape), 2, -1)
        y = self.matrix(f"{name}.weight", x, columns=shape[1])
        return y if self.scales else self.vector(f"{name}.shift", y)

    def positions(self, name, n):
        return transposed(self.ask(f"param.{name}.positions", self.d, n))[:, None]

    def canonical(self, x):
        size = norm(x)
        return np.where(size.real > 0, x / np.where(size.real > 0, size, 1), 0) if self.scales else x

    def on_edges(self, part, e, before, behind):
        """A φ of edges and the nodes before and behind, without a last bias."""
        hidden = (self.matrix(f"{part}.edge", self.canonical(e)) + self.matrix(f"{part}.before", self.canonical(before))[..., None, :, :]
                  + self.matrix(f"{part}.behind", self.canonical(behind))[..., :, None, :])
        return self.matrix(f"{part}.out", relu(self.vector(f"{part}.bias", hidden)))

    def forward_message(self, part, e, before, behind):
        m = self.on_edges(part, e, before, behind)
        return (norm(e) * norm(before)[..., None, :, :] * m if self.scales else m).mean(-2)

    def backward_message(self, part, e, before, behind):
        m = self.on_edges(part, e, before, behind)
        if self.scales:
            u = norm(before)[..., None, :, :]
            m = m * norm(e) * u * u / (norm(behind)[..., :, None, :] + (norm(e) * u).mean(-2, keepdims=True))
        return m.mean(-3)

    def node(self, part, h, heard):
        """h and what came to it: {"forward": m, "backward": m'}, one of them or both."""
        size = norm(h) + sum(map(norm, heard.values())) if self.scales else 1
        hidden = self.matrix(f"{part}.own", h / size)
        for side, m in heard.items():
            hidden = hidden + self.matrix(f"{part}.{side}", m / size)
        hidden = relu(self.vector(f"{part}.bias", hidden))
        return h + size * self.vector(f"{part}.shift", self.matrix(f"{part}.out", hidden))

    def edge(self, part, e, before, behind):
        return e + (norm(e) if self.scales else 1) * self.vector(f"{part}.shift", self.on_edges(part, e, before, behind))


def graph_network(ask, c, batch):
    net, n, L = Network(ask, c), c["widths"], len(c["widths"]) - 1
    taps = c.get("taps", [[1, 1]] * L)
    e = [None] + [net.lift(f"W{l}", batch, c["channels"] * taps[l - 1][0] * taps[l - 1][1], n[l], n[l - 1]) for l in range(1, L + 1)]
    h = [net.positions("in", n[0])] + [net.lift(f"b{l}", batch, c["channels"], n[l]) for l in range(1, L + 1)]
    h[L] = h[L] + net.positions("out", n[L])
    for t in range(c["rounds"]):
        part = f"rounds.{t}"
        heard = [{} for _ in n]
        for l in range(1, L + 1):
            heard[l]["forward"] = net.forward_message(f"{part}.forward", e[l], h[l - 1], h[l])
            heard[l - 1]["backward"] = net.backward_message(f"{part}.backward", e[l], h[l - 1], h[l])
        h = [net.node(f"{part}.node", *both) for both in zip(h, heard)]
        if t + 1 < c["rounds"]:
            e[1:] = [net.edge(f"{part}.edge", e[l], h[l - 1], h[l]) for l in range(1, L + 1)]
    # What scales is read as canonical vectors; the ends do not.
    means = [(net.canonical(x) if 0 < l < L else x).mean(-2) for l, x in enumerate(h)]
    y = np.concatenate(np.broadcast_arrays(*means), axis=-1)
    sizes = [c["d"] * (L + 1), c["hidden"], c["hidden"], c["outputs"]]
    for k in range(3):
        y = net.vector(f"readout.{k}.bias", net.matrix(f"readout.{k}.weight", y, sizes[k + 1], sizes[k]), sizes[k + 1])
        y = relu(y) if k < 2 else y
    return {"y": y}


KINDS = {"graph.network": graph_network}
