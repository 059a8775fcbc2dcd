"""Pairs of attention modules that are, or are not, one function (spec 1.3), with the reason why; and a judge that only evaluates them."""
import numpy as np

from layers import attention

NAMES = ("WQ", "WK", "WV", "WO")


def mixer(rng, n):
    """An invertible matrix of condition number at most 10 and its inverse."""
    left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2))
    sizes = rng.uniform(1, 10, n)
    return left * sizes @ right.T, right / sizes @ left.T


class Module:
    def __init__(self, rng, h, D, Dk, Dv):
        self.rng, self.sizes = rng, (D, Dk, Dv)
        self.WQ, self.WK, self.WV = (rng.normal(size=(h, D, k)) / np.sqrt(D) for k in (Dk, Dk, Dv))
        self.WO = rng.normal(size=(h, Dv, D)) / np.sqrt(Dv)

    def copy(self, **changed):
        other = object.__new__(Module)
        other.__dict__ = self.__dict__ | {name: getattr(self, name).copy() for name in NAMES} | changed
        return other

    def moved(self):
        """By a random element of the group: heads in another order, each in other bases."""
        other, order = self.copy(), self.rng.permutation(len(self.WQ))
        for i, source in enumerate(order):
            M, M_inverse = mixer(self.rng, self.WQ.shape[-1])
            N, N_inverse = mixer(self.rng, self.WV.shape[-1])
            other.WQ[i], other.WK[i] = self.WQ[source] @ M.T, self.WK[source] @ M_inverse
            other.WV[i], other.WO[i] = self.WV[source] @ N, N_inverse @ self.WO[source]
        return other

    def with_heads(self, more, **changed):
        """More heads, of random weights but for those given: a function of the shape, or a number."""
        fresh = Module(self.rng, more, *self.sizes)
        for name, value in changed.items():
            getattr(fresh, name)[...] = value
        return self.copy(**{name: np.concatenate([getattr(self, name), getattr(fresh, name)]) for name in NAMES})


def pairs(rng, h, D, Dk, Dv):
    """(case, same, after_norm, a, b); h >= 2."""
    a = Module(rng, h, D, Dk, Dv)
    yield "moved", True, False, a, a.moved()
    for off in (1e-1, 1e-3, 1e-6):
        for name in NAMES:
            b = a.moved()
            weight = getattr(b, name)
            weight[tuple(rng.integers(n) for n in weight.shape)] += off
            yield f"{name} off by {off:g}", False, False, a, b
    swap = [1, 0, *range(2, h)]
    yield "values swapped between heads", False, False, a, a.copy(WV=a.WV[swap], WO=a.WO[swap]).moved()
    yield "query and key exchanged", False, False, a, a.copy(WQ=a.WK, WK=a.WQ).moved()
    yield "query negated", False, False, a, a.copy(WQ=-a.WQ).moved()
    yield "query and key negated", True, False, a, a.copy(WQ=-a.WQ, WK=-a.WK)

    twins = a.copy()  # two heads with one pattern: only the sum of what they say counts
    twins.WQ[1], twins.WK[1] = twins.WQ[0], twins.WK[0]
    T, T_inverse = mixer(rng, 2 * Dv)
    split = twins.copy()
    V, O = np.concatenate(twins.WV[:2], 1) @ T, T_inverse @ np.concatenate(twins.WO[:2])
    split.WV[0], split.WV[1], split.WO[0], split.WO[1] = V[:, :Dv], V[:, Dv:], O[:Dv], O[Dv:]
    yield "equal QK, VO split another way", True, False, twins, split.moved()
    other = split.copy()
    other.WO[1] *= 1.01
    yield "equal QK, another sum of VO", False, False, twins, other.moved()
    other = twins.copy()
    other.WO[1] *= -1
    yield "equal QK, one VO negated", False, False, twins, other.moved()

    silent = a.copy()
    silent.WO[0] = 0
    other = silent.copy()
    other.WQ[0] = rng.normal(size=(D, Dk))
    yield "silent head, another QK", True, False, silent, other.moved()
    yield "silent head against a speaking one", False, False, silent, a.moved()

    flat = a.copy()  # rank 1 less: what meets the missing direction does not count
    flat.WQ[0][:, 0] = 0
    other = flat.copy()
    other.WK[0][:, 0] += rng.normal(size=D)
    yield "rank-deficient, same products", True, False, flat, other.moved()
    other = flat.copy()
    other.WK[0][:, -1] += 0.1 * rng.normal(size=D)
    yield "rank-deficient, another product", False, False, flat, other.moved()

    yield "one more head that says nothing", True, False, a, a.with_heads(1, WO=0).moved()
    cancelling = a.with_heads(2)
    for name, sign in (("WQ", 1), ("WK", 1), ("WV", 1), ("WO", -1)):
        getattr(cancelling, name)[-1] = sign * getattr(cancelling, name)[-2]
    yield "two more heads that cancel", True, False, a, cancelling.moved()
    yield "one more head that speaks", False, False, a, a.with_heads(1).moved()
    yield "one more head of uniform attention", False, False, a, a.with_heads(1, WQ=0).moved()
    nothing = a.copy(WO=np.zeros_like(a.WO))
    yield "both the zero map", True, False, nothing, Module(rng, h, D, Dk, Dv).copy(WV=np.zeros_like(a.WV))
    shifted = a.moved()
    for name in ("WQ", "WK", "WV"):
        setattr(shifted, name, getattr(shifted, name) + rng.normal(size=(h, 1, getattr(a, name).shape[-1])))
    yield "shifted along the ones, any input", False, False, a, shifted
    yield "shifted along the ones, behind a norm", True, True, a, shifted.copy()


def distance(a, b, after_norm, rng):
    """The largest difference of what two modules ({name: weight}) compute on random rows, over the largest value; 0 where both are 0."""
    worst = 0
    for trial in range(20):
        x = rng.normal(size=(1, 1 + trial % 6, a["WQ"].shape[-2])) * 4.0 ** (trial % 3)
        if after_norm:
            x = x - x.mean(-1, keepdims=True)
        y, z = (attention(x, *(m[name][None] for name in NAMES)) for m in (a, b))
        size = max(np.abs(y).max(), np.abs(z).max())
        worst = np.maximum(worst, np.abs(y - z).max() / size if size else 0)  # keeps a NaN
    return worst
