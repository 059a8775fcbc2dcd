"""The layers and forward passes of the golden files, as their formulas say and nothing cleverer, in numpy.

Every tensor has one axis in front, of variants of the same numbers: the gradient (see gradients) runs all variants at once.
A formula asks for its tensors by name and shape; whoever runs it draws them or reads them from a file.
"""
import numpy as np


def contract(equation, *tensors):
    """einsum over the letters; the axes of variants stay in front."""
    left, right = equation.split("->")
    return np.einsum(",".join("..." + part for part in left.split(",")) + "->..." + right, *tensors, optimize=len(tensors) > 2)


def total(terms):
    """The sum of the terms of one output; a constant is spread over the others."""
    out = terms[0]
    for term in terms[1:]:
        out = out + term
    return out


def transposed(x):
    return np.swapaxes(x, -1, -2)


class Dense:
    """W1 b1 … of a batch of networks with d channels: `ask(name, *shape)`."""

    def __init__(self, ask, widths, batch, channels):
        self.L, self.n = len(widths) - 1, widths
        self.W = {i: ask(f"in.W{i}", batch, channels(i), widths[i], widths[i - 1]) for i in range(1, self.L + 1)}
        self.b = {i: ask(f"in.b{i}", batch, channels(0), widths[i]) for i in range(1, self.L + 1)}


class Polynomials:
    """The stable terms of MAGEP: [W]^(s,t), [Wb], [WW] and [bW], with the Psi that they need."""

    def __init__(self, ask, c, batch):
        d, self.n = c["d"], c["widths"]
        self.dense = Dense(ask, self.n, batch, lambda i: d)
        self.L, self.W, self.b = self.dense.L, self.dense.W, self.dense.b
        self.psi = lambda s, t: ask(f"param.psi.WW.{s}.{t}", d, self.n[0], self.n[-1])
        self.psi_bias = lambda s, t: ask(f"param.psi.bW.{s}.{t}", d, 1, self.n[-1])

    def chain(self, s, t):
        """W^(s) W^(s-1) … W^(t+1)"""
        out = self.W[s]
        for i in range(s - 1, t, -1):
            out = out @ self.W[i]
        return out

    def Wb(self, s):
        """The sum of [W]^(s,t) b^(t) over t = 1 … s - 1."""
        return total([contract("bdjk,bdk->bdj", self.chain(s, t), self.b[t]) for t in range(1, s)])

    def WW(self, s, t):
        return contract("bdja,dac,bdck->bdjk", self.chain(s, 0), self.psi(s, t), self.chain(self.L, t))

    def bW(self, s, t):
        return contract("bdj,dac,bdck->bdjk", self.b[s], self.psi_bias(s, t), self.chain(self.L, t))

    def traces(self, term):
        """[B, d, s], s = 1 … L - 1"""
        return np.stack(np.broadcast_arrays(*(contract("bdjj->bd", term(s, s)) for s in range(1, self.L))), axis=-1)


def magep_equivariant(ask, c, batch):
    d, e, n = c["d"], c["e"], c["widths"]
    p = Polynomials(ask, c, batch)
    L, first, last = p.L, n[0], n[-1]
    out = {}
    for i in range(1, L + 1):
        def phi(tensor, number, *sizes):
            return ask(f"param.{tensor}{i}.phi{number}", e, d, *sizes)
        terms = [p.W[i], p.WW(i, i - 1), p.bW(i, i - 1)]
        if i == 1:
            out["W1"] = total([contract("edqk,bdjq->bejk", phi("W", m + 1, first, first), x) for m, x in enumerate(terms)]
                              + [contract("edk,bdj->bejk", phi("W", 4, first), p.b[1])])
            out["b1"] = total([contract("edq,bdjq->bej", phi("b", m + 1, first), x) for m, x in enumerate(terms)]
                              + [contract("ed,bdj->bej", phi("b", 4), p.b[1])])
        elif i < L:
            out[f"W{i}"] = total([contract("ed,bdjk->bejk", phi("W", m + 1), x) for m, x in enumerate(terms)])
            ends = [p.chain(i, 0), p.WW(i, 0), p.bW(i, 0)]
            out[f"b{i}"] = total([contract("edq,bdjq->bej", phi("b", m + 1, first), x) for m, x in enumerate(ends)]
                                 + [contract("ed,bdj->bej", phi("b", 4), p.Wb(i)), contract("ed,bdj->bej", phi("b", 5), p.b[i])])
        else:
            out[f"W{L}"] = total([contract("edpj,bdpk->bejk", phi("W", m + 1, last, last), x) for m, x in enumerate(terms)])
            ends = [p.chain(L, 0), p.WW(L, 0), p.bW(L, 0)]
            out[f"b{L}"] = total(
                [contract("edpqj,bdpq->bej", phi("b", m + 1, last, first, last), x) for m, x in enumerate(ends)]
                + [contract("edpj,bdp->bej", phi("b", 4, last, last), p.Wb(L))]
                + [contract("edsj,bds->bej", phi("b", m + 5, L - 1, last), p.traces(x)) for m, x in enumerate((p.WW, p.bW))]
                + [contract("edpj,bdp->bej", phi("b", 7, last, last), p.b[L]), ask(f"param.b{L}.phi8", e, last)[:, None]])
    return out


def magep_invariant(ask, c, batch):
    d, e, n = c["d"], c["e"], c["widths"]
    p = Polynomials(ask, c, batch)
    L = p.L

    def phi(number, *sizes):
        return ask(f"param.phi{number}", e, d, *sizes)
    ends = [p.WW(L, 0), p.chain(L, 0), p.bW(L, 0)]
    return {"y": total([contract("edpq,bdpq->be", phi(m + 1, n[-1], n[0]), x) for m, x in enumerate(ends)]
                       + [contract("edp,bdp->be", phi(4, n[-1]), p.Wb(L))]
                       + [contract("eds,bds->be", phi(m + 5, L - 1), p.traces(x)) for m, x in enumerate((p.WW, p.bW))]
                       + [contract("edp,bdp->be", phi(7, n[-1]), p.b[L]), ask("param.phi8", e)[:, None]])}


def monomial_linear(ask, c, batch):
    n, L = c["widths"], len(c["widths"]) - 1

    def channels(key, of):
        """Of layer i's weight; i = 0 stands for a bias."""
        taps = c.get(key, [[1, 1]] * L)
        return lambda i: of * (taps[i - 1][0] * taps[i - 1][1] if i else 1)
    d, e = channels("taps_in", c["d"]), channels("taps_out", c["e"])
    net = Dense(ask, n, batch, d)

    def phi(target, number, source, *sizes):
        """`target` is W3 or b3; `source` the layer of the weight that is read, 0 for a bias."""
        return ask(f"param.{target}.phi{number}", e(int(target[1:]) if target[0] == "W" else 0), d(source), *sizes)
    out = {}
    for i in range(1, L + 1):
        W, b = f"W{i}", f"b{i}"
        if i == 1:
            out[W] = total([contract("edqk,bdjq->bejk", phi(W, 1, 1, n[0], n[0]), net.W[1]),
                            contract("edk,bdj->bejk", phi(W, 2, 0, n[0]), net.b[1])])
            out[b] = total([contract("edq,bdjq->bej", phi(b, 1, 1, n[0]), net.W[1]), contract("ed,bdj->bej", phi(b, 2, 0), net.b[1])])
        elif i < L:
            out[W] = contract("ed,bdjk->bejk", phi(W, 1, i), net.W[i])
            out[b] = contract("ed,bdj->bej", phi(b, 1, 0), net.b[i])
        else:
            out[W] = contract("edpj,bdpk->bejk", phi(W, 1, L, n[L], n[L]), net.W[L])
            out[b] = contract("edpj,bdp->bej", phi(b, 1, 0, n[L], n[L]), net.b[L]) + ask(f"param.{b}.phi2", e(0), n[L])[:, None]
    if c["sign"]:
        W, b = f"W{L}", f"b{L - 1}"
        out[W] = out[W] + contract("edj,bdk->bejk", phi(W, 2, 0, n[L]), net.b[L - 1])
        out[b] = out[b] + contract("edp,bdpj->bej", phi(b, 3 if L == 2 else 2, L, n[L]), net.W[L])
        if L == 2:
            out["W1"] = out["W1"] + contract("edpk,bdpj->bejk", phi("W1", 3, 2, n[2], n[0]), net.W[2])
            out["W2"] = out["W2"] + contract("edqj,bdkq->bejk", phi("W2", 3, 1, n[0], n[2]), net.W[1])
    return out


def block_shapes(c):
    D, A, h = c["D"], c["D_A"], c["h"]
    return {"WQ": (h, D, c["Dk"]), "WK": (h, D, c["Dk"]), "WV": (h, D, c["Dv"]), "WO": (h, c["Dv"], D), "WA": (D, A), "bA": (A,),
            "WB": (A, D), "bB": (D,)}


class Globals:
    """What a block gives without an axis of its own: [QK], [VO] and sums."""

    def __init__(self, ask, c, batch):
        self.x = {name: ask(f"in.{name}", batch, c["d"], *shape) for name, shape in block_shapes(c).items()}
        self.QK = contract("bdhpk,bdhqk->bdpq", self.x["WQ"], self.x["WK"])
        self.VO = contract("bdhpk,bdhkj->bdpj", self.x["WV"], self.x["WO"])
        self.VO_sum = self.VO.sum(-1)
        self.WA_sum, self.bA_sum = self.x["WA"].sum((-2, -1)), self.x["bA"].sum(-1)
        self.WA_rows, self.WA_columns = self.x["WA"].sum(-1), self.x["WA"].sum(-2)
        self.WB_columns = self.x["WB"].sum(-2)


def transformer_equivariant(ask, c, batch):
    d, e, D = c["d"], c["e"], c["D"]
    g = Globals(ask, c, batch)
    x = g.x

    def terms(tensor, spread, *list_of_terms):
        """Numbered phi1, phi2, …: (equation, sizes of phi, what is read); the last term is a constant of sizes `spread`."""
        out = [contract(equation, ask(f"param.{tensor}.phi{m + 1}", e, d, *sizes), read)
               for m, (equation, sizes, read) in enumerate(list_of_terms)]
        return out + ([] if spread is None else [ask(f"param.{tensor}.phi{len(out) + 1}", e, *spread)])

    def spread_over(axes, constants):
        """Terms [B, e] or [B, e, …] with axes of size 1 at the end or, from the left, before what they have."""
        return [t.reshape(t.shape + (1,) * axes) for t in constants]
    out = {name: terms(name, None, ("edjp,bdhpk->behjk", (D, D), x[name]))[0] for name in ("WQ", "WK", "WV")}
    summed, own = terms("WO", None, ("ed,bdhj->behj", (), x["WO"].sum(-1)), ("ed,bdhjk->behjk", (), x["WO"]))
    out["WO"] = summed[..., None] + own

    t = terms("WA", (), ("edpq,bdpq->be", (D, D), g.QK), ("edp,bdp->be", (D,), g.VO_sum), ("edp,bdpj->bej", (D,), g.VO),
              ("ed,bd->be", (), g.WA_sum), ("ed,bdj->bej", (), g.WA_rows), ("ed,bdk->bek", (), g.WA_columns),
              ("ed,bdjk->bejk", (), x["WA"]), ("edq,bdq->be", (D,), g.WB_columns), ("edq,bdkq->bek", (D,), x["WB"]),
              ("ed,bd->be", (), g.bA_sum), ("ed,bdk->bek", (), x["bA"]), ("edq,bdq->be", (D,), x["bB"]))
    out["WA"] = total(spread_over(2, [t[0], t[1], t[3], t[7], t[9], t[11]]) + spread_over(1, [t[2], t[4]])
                      + [t[m][..., None, :] for m in (5, 8, 10)] + [t[6], t[12][:, None, :, None, None]])

    t = terms("bA", (), ("edpq,bdpq->be", (D, D), g.QK), ("edp,bdp->be", (D,), g.VO_sum), ("ed,bd->be", (), g.WA_sum),
              ("ed,bdk->bek", (), g.WA_columns), ("edq,bdq->be", (D,), g.WB_columns), ("edq,bdkq->bek", (D,), x["WB"]),
              ("ed,bd->be", (), g.bA_sum), ("ed,bdk->bek", (), x["bA"]), ("edq,bdq->be", (D,), x["bB"]))
    out["bA"] = total(spread_over(1, [t[m] for m in (0, 1, 2, 4, 6, 8)]) + [t[3], t[5], t[7], t[9][:, None, :, None]])

    t = terms("WB", (D,), ("edkpq,bdpq->bek", (D, D, D), g.QK), ("edkp,bdp->bek", (D, D), g.VO_sum), ("edk,bd->bek", (D,), g.WA_sum),
              ("edk,bdj->bejk", (D,), g.WA_columns), ("edkq,bdq->bek", (D, D), g.WB_columns), ("edkq,bdjq->bejk", (D, D), x["WB"]),
              ("edk,bd->bek", (D,), g.bA_sum), ("edk,bdj->bejk", (D,), x["bA"]), ("edkq,bdq->bek", (D, D), x["bB"]))
    out["WB"] = total([t[m][..., None, :] for m in (0, 1, 2, 4, 6, 8)] + [t[3], t[5], t[7], t[9][:, None, :, None, :]])

    t = terms("bB", (D,), ("edkpq,bdpq->bek", (D, D, D), g.QK), ("edkp,bdp->bek", (D, D), g.VO_sum), ("edk,bd->bek", (D,), g.WA_sum),
              ("edkq,bdq->bek", (D, D), g.WB_columns), ("edk,bd->bek", (D,), g.bA_sum), ("edkq,bdq->bek", (D, D), x["bB"]))
    out["bB"] = total(t[:6] + [t[6][:, None]])
    return out


def transformer_invariant(ask, c, batch):
    d, e, D = c["d"], c["e"], c["D"]
    g = Globals(ask, c, batch)
    read = [("edpq,bdpq->be", (D, D), g.QK), ("edp,bdp->be", (D,), g.VO_sum), ("ed,bd->be", (), g.WA_sum),
            ("edq,bdq->be", (D,), g.WB_columns), ("ed,bd->be", (), g.bA_sum), ("edq,bdq->be", (D,), g.x["bB"])]
    return {"y": total([contract(equation, ask(f"param.phi{m + 1}", e, d, *sizes), x) for m, (equation, sizes, x) in enumerate(read)]
                       + [ask("param.phi7", e)[:, None]])}


def attention(x, q, k, v, o):
    """MHA of rows x [B, n, D] with weights [B, h, …]."""
    x = x[..., None, :, :]
    scores = (x @ q) @ transposed(x @ k) / np.sqrt(x.real.dtype.type(q.shape[-1]))
    weights = np.exp(scores - scores.real.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True) @ (x @ v) @ o).sum(-3)


def layer_norm(x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + x.real.dtype.type(1e-5))


tokens = 5


def attention_forward(ask, c, batch):
    shapes = block_shapes(dict(c, D_A=1))
    return {"Y": attention(ask("in.X", batch, tokens, c["D"]), *(ask(f"in.{name}", batch, *shapes[name]) for name in ("WQ", "WK", "WV", "WO")))}


def transformer_forward(ask, c, batch):
    x = ask("in.X", batch, tokens, c["D"])
    for block in range(c["blocks"]):
        name = "in.{}" if c["blocks"] == 1 else "in.{}." + str(block)
        q, k, v, o, A, a, B, b = (ask(name.format(weight), batch, *shape) for weight, shape in block_shapes(c).items())
        mixed = attention(layer_norm(x), q, k, v, o)
        x = x + mixed if c["residual"] else mixed
        hidden = layer_norm(x) @ A + a[..., None, :]
        y = np.where(hidden.real > 0, hidden, 0) @ B + b[..., None, :]
        x = x + y if c["residual"] else y
    return {"Y": x}


KINDS = {"magep.equivariant": magep_equivariant, "magep.invariant": magep_invariant, "monomial.linear": monomial_linear,
         "transformer.equivariant": transformer_equivariant, "transformer.invariant": transformer_invariant,
         "attention.forward": attention_forward, "transformer.forward": transformer_forward}


def outputs(formula, config, tensors, batch):
    """Of tensors by their names, each with an axis of variants in front. A shape that the formula does not want is refused, and a tensor
    that it does not ask for."""
    asked = set()

    def ask(name, *shape, draw=None):
        asked.add(name)
        if tensors[name].shape[1:] != shape:
            raise ValueError(f"{name} is {tensors[name].shape[1:]}, the formula wants {shape}")
        return tensors[name]
    found = formula(ask, config, batch)
    if asked != tensors.keys():
        raise ValueError(f"{', '.join(tensors.keys() - asked)}: the formula does not ask for it")
    return found


def gradients(formula, config, tensors, cotangents, batch):
    """Of the sum of cotangent times output, by every number that is no whole one: f(x + i s) / s has the derivative for its imaginary
    part, exact to rounding for s next to nothing, as nothing is subtracted. (Squire and Trapp, SIAM Review 40, 1998.)"""
    found = {}
    varying = {name: x for name, x in tensors.items() if x.dtype.kind == "f"}
    real = next(iter(varying.values())).dtype.type
    step = real(2.0 ** -60)
    plain = {name: x[None] for name, x in tensors.items()}
    plain |= {name: x.astype(np.result_type(real, np.complex64))[None] for name, x in varying.items()}
    for name, x in varying.items():
        varied = np.repeat(plain[name], x.size, axis=0)
        varied.reshape(x.size, x.size)[np.arange(x.size), np.arange(x.size)] += 1j * step
        y = outputs(formula, config, plain | {name: varied}, batch)
        value = sum((cotangents[out] * y[out].imag).reshape(len(y[out]), -1).sum(-1) / step for out in y)
        found[name] = np.broadcast_to(value, (x.size,)).reshape(x.shape)
    return found
