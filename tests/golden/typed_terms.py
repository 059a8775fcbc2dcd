"""Random typed terms over a few spaces (spec 7), judged by numbers alone: does t(g x) equal g t(x) for random elements g of the group?

No rule about indices is used here, so that what the numbers say can be held against the rule.
"""
import re

import numpy as np

SPACES = (
    "h: permutation(2); q: GL(2) per h; v: GL(3) per h; m: fixed(3); s: permutation(3); a: permutation(4) "
    "WQ[h, m, q] WK[h, m, q*] WV[h, m, v] WO[h, v*, s] WA[s*, a] bA[a] WB[a*, m] bB[m]",
    "h: permutation(3); q: GL(2) per h; s: permutation(4); a: positive_monomial(3); c: fixed(2) "
    "WQ[h, s*, q] WK[h, s*, q*] A[a, s*] B[s, a*] n[s] C[c, s*] R[s, s*]",
    "in: fixed(2); out: fixed(3); h1, h2: positive_monomial(3) W1[h1, in*] b1[h1] W2[h2, h1*] b2[h2] W3[out, h2*] b3[out]",
    "in: fixed(1); out: fixed(2); h1: sign_monomial(4); h2: sign_monomial(3) "
    "W1[h1, in*] b1[h1] W2[h2, h1*] b2[h2] W3[out, h2*] b3[out]",
)
BATCH, D, E = 2, 2, 3
DECLARATION = re.compile(r"([\w, ]+?): (\w+)\((\d+)\)(?: per (\w+))?")
REFERENCE = re.compile(r"([A-Za-z][\w.]*)(?:\[([^\]]*)\])?")


class Space:
    """factors: {name: (kind, size, head)}; tensors: {name: [(factor, covector)]}."""

    def __init__(self, text):
        last = list(DECLARATION.finditer(text))[-1].end()
        self.factors = {name.strip(): (kind, int(size), head) for names, kind, size, head in DECLARATION.findall(text[:last])
                        for name in names.split(",")}
        self.tensors = {name: [(axis.strip().rstrip("*"), axis.strip().endswith("*")) for axis in axes.split(",")]
                        for name, axes in REFERENCE.findall(text[last:])}

    def shape(self, tensor):
        return [self.factors[factor][1] for factor, _ in self.tensors[tensor]]

    def element(self, rng):
        """{factor: (matrices for vectors, those for covectors)}, [copies, n, n]. None is one that a wrong rule would not notice: no
        identity, no constant signs, scales and singular values spread."""
        found = {}
        for name, (kind, n, head) in self.factors.items():
            order = np.arange(n)
            while kind in ("permutation", "positive_monomial", "sign_monomial") and n > 1 and (order == np.arange(n)).all():
                order = rng.permutation(n)
            scale = np.ones(n)
            if kind == "positive_monomial":
                scale = rng.uniform(0.4, 2.5, n)
            while kind == "sign_monomial" and n > 1 and np.ptp(scale) == 0:
                scale = rng.choice([-1.0, 1.0], n)
            if kind == "GL":
                copies = self.factors[head][1] if head else 1
                left, right = (np.stack([np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(copies)]) for _ in range(2))
                values = 10.0 ** np.linspace(0, 1, n)
                found[name] = left * values @ right, left / values @ right
            else:
                order = np.eye(n)[order][None]
                found[name] = order * scale, order / scale
        return found

    def moved(self, g, tensor, x):
        """x [B, channels, axes…]"""
        axes = self.tensors[tensor]
        for place, (factor, covector) in enumerate(axes):
            if self.factors[factor][2]:  # one matrix for each head, before the heads are permuted
                head = 2 + [name for name, _ in axes].index(self.factors[factor][2])
                parts = [np.tensordot(part, m, (1 + place, 1)) for part, m in zip(np.moveaxis(x, head, 0), g[factor][covector])]
                x = np.moveaxis(np.stack([np.moveaxis(part, -1, 1 + place) for part in parts]), 0, head)
        for place, (factor, covector) in enumerate(axes):
            if not self.factors[factor][2]:
                x = np.moveaxis(np.tensordot(x, g[factor][covector][0], (2 + place, 1)), -1, 2 + place)
        return x


def references(product):
    return [(name, [i.strip() for i in indices.split(",")] if indices else []) for name, indices in REFERENCE.findall(product)]


class Term:
    """"T[i, j] += phi1[i] X[j, k]": one learned tensor, features, every index over one factor."""

    def __init__(self, space, text):
        self.space = space
        left, right = text.split("+=")
        (self.target, self.left), = references(left)
        self.factors = references(right)
        self.sizes = {}
        for name, indices in [(self.target, self.left), *self.factors]:
            if name in space.tensors:
                self.sizes |= {i: space.factors[factor][1] for i, (factor, _) in zip(indices, space.tensors[name])}

    def learned(self, rng):
        return {name: rng.normal(size=[E, D, *(self.sizes[i] for i in indices)])
                for name, indices in self.factors if name not in self.space.tensors}

    def run(self, x, learned):
        letters = {i: chr(ord("e") + n) for n, i in enumerate(self.sizes)}  # a, b, c: batch, in, out
        named, inputs = [], []
        for name, indices in self.factors:
            feature = name in self.space.tensors
            named.append(("ab" if feature else "cb") + "".join(letters[i] for i in indices))
            inputs.append(x[name] if feature else learned[name])
        once = list(dict.fromkeys(self.left))
        for i in once:  # an index that stands on the left alone is written to all its places
            named.append(letters[i])
            inputs.append(np.ones(self.sizes[i]))
        y = np.einsum(",".join(named) + "->ac" + "".join(letters[i] for i in once), *inputs, optimize=True)
        out = np.zeros([BATCH, E, *self.space.shape(self.target)])
        for at in np.ndindex(*(self.sizes[i] for i in once)):  # twice the same index: the diagonal
            place = dict(zip(once, at))
            out[(slice(None), slice(None), *(place[i] for i in self.left))] = y[(slice(None), slice(None), *at)]
        return out


def equivariance_error(space, text, rng, elements=4):
    """The largest difference of t(g x) and g t(x), over the largest value of t(x), over random elements."""
    term = Term(space, text)
    x = {name: rng.normal(size=[BATCH, D, *space.shape(name)]) for name, _ in term.factors if name in space.tensors}
    learned = term.learned(rng)
    y, worst = term.run(x, learned), 0
    for _ in range(elements):
        g = space.element(rng)
        there = term.run({name: space.moved(g, name, value) for name, value in x.items()}, learned)
        worst = np.maximum(worst, np.abs(there - space.moved(g, term.target, y)).max())  # keeps a NaN
    return worst / np.abs(y).max()


def decided(error):
    """Whether the term is equivariant; None where the numbers do not tell."""
    return True if error < 1e-9 else False if error > 1e-4 else None


def random_term(space, rng):
    def reference(tensor):
        indices = [f"{factor}{rng.integers(rng.integers(1, 4))}" for factor, _ in space.tensors[tensor]]
        return tensor, indices

    def pick(some):
        return some[rng.integers(len(some))]
    names = list(space.tensors)
    target, *features = (reference(pick(names)) for _ in range(rng.integers(2, 5)))
    used = sorted({i for _, indices in (target, *features) for i in indices})
    fixed = [i for i in used if space.factors[i[:-1]][0] == "fixed"]
    learned = fixed if rng.random() < 0.7 else [i for i in used if rng.random() < 0.3]
    refs = [("phi1", learned), *features]
    said = ["{}[{}]".format(name, ",".join(indices)) if indices else name for name, indices in (target, *refs)]
    return f"{said[0]} += {' '.join(said[1:])}"


def random_terms(count, rng):
    """As many equivariant ones as others, spread over the spaces."""
    lines, spaces = [], [(text, Space(text)) for text in SPACES]
    while len(lines) < count:
        text, space = spaces[len(lines) % len(spaces)]
        term, wanted = random_term(space, rng), len(lines) // len(spaces) % 2 == 0
        if decided(equivariance_error(space, term, rng, 1)) is not wanted:
            continue
        error = equivariance_error(space, term, rng)
        if decided(error) is wanted:
            line = {"space": text, "term": term, "equivariant": wanted}
            lines.append(line if wanted else line | {"reason": f"breaks equivariance by {error:.2g}"})
    return lines
