"""Is a function of weights equivariant? Checks of any Python function of tensors: one's own layer, somebody else's NFN.

    from weft.testing import assert_equivariant, assert_invariant, symmetries

    assert_equivariant(layer, space, library="torch")            # layer(g x) = g layer(x) for random g
    assert_invariant(lambda x: reader(x["W1"], x["b1"]), space, library="torch")
    print(symmetries(layer, space, library="torch"))             # which factors hold, which break, by how much

Everything runs in float64, where an error of rounding is told from one of the formula: `f` has to compute in float64, too
(`module.double()`; JAX is told so for the call). The functions are called with a dict of arrays by the names of the space's
tensors. Equivariance is that of docs/spec, 1.5: out(g) f(x) = f(g x), where a factor of `out` is the one of `space` that has its
name.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import importlib
import typing

import numpy as np

from . import Element, Space, UsageError, act

__all__ = ["Piece", "Symmetries", "assert_equivariant", "assert_invariant", "normal_network", "symmetries"]

Array = np.ndarray[typing.Any, np.dtype[typing.Any]]
Arrays = dict[str, Array]
Function = typing.Callable[[dict[str, typing.Any]], typing.Any]

#: An error counts as rounding below this, and below so many times what one rounding of the inputs does to the outputs.
TOLERANCE, ROUNDINGS = 1e-9, 100.0
#: A control has to be this many times above what is allowed.
TOLD = 1e3


@dataclasses.dataclass(frozen=True)
class Piece:
    """What one part of one factor does to a function: 'order', 'signs', 'scale', 'matrix' or 'rotation'."""

    factor: str
    kind: str
    part: str
    error: float  #: the largest of |f(g x) - g f(x)|, over the largest of |f(x)| in that tensor
    tensor: str  #: the output where it is
    allowed: float

    @property
    def holds(self) -> bool:
        return self.error <= self.allowed

    def __str__(self) -> str:
        found = "holds" if self.holds else f"breaks '{self.tensor}'"
        return f"{self.factor} ({self.kind}), {self.part}: {found}, error {self.error:.1e}"


class Symmetries(tuple[Piece, ...]):
    """The pieces of a group, and which of them a function respects. As a text, a line each."""

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "nothing moves: every factor is fixed"

    @property
    def broken(self) -> tuple[Piece, ...]:
        return tuple(piece for piece in self if not piece.holds)

    def holds(self, factor: str) -> bool:
        """Whether all parts of the factor hold. Raises UsageError for one that does not move or is none."""
        own = [piece.holds for piece in self if piece.factor == factor]
        if not own:
            raise UsageError(f"[testing] no factor '{factor}' moves; allowed: {sorted({p.factor for p in self})}")
        return all(own)


def _pieces(g: Element) -> typing.Iterator[tuple[str, str, str, dict[str, object]]]:
    """The parts of an element one by one: (factor, kind, part, what Element takes of it)."""
    kinds = {f.name: f.kind for f in g.space.factors}
    for name, part in g.parts.items():
        scale = np.asarray(part.get("scale", 1.0), np.float64)
        for key, what in (("order", "order"), ("matrix", "matrix"), ("re", "rotation")):
            if key in part:
                keys = {"matrix": ("matrix", "inverse"), "re": ("re", "im")}.get(key, (key,))
                yield name, kinds[name], what, {k: part[k] for k in keys}
        if (scale < 0).any():
            yield name, kinds[name], "signs", {"scale": np.sign(scale)}
        if not np.allclose(np.abs(scale), 1):
            yield name, kinds[name], "scale", {"scale": np.abs(scale)}


def normal_network(space: Space, seed: int | np.random.Generator, batch: int | None = None, channels: int = 1) -> Arrays:
    """Normal numbers in float64 by the tensors' names: [axes...] ([taps, axes...] of kernels), or with `batch`
    [batch, channels * taps, axes...]. A seed is that of a Philox generator."""
    draws = seed if isinstance(seed, np.random.Generator) else np.random.Generator(np.random.Philox(seed))
    out = {}
    for t in space.tensors:
        taps = t.taps[0] * t.taps[1]
        shape = t.shape if taps == 1 else (taps, *t.shape)
        out[t.name] = draws.normal(size=shape if batch is None else space.feature_shape(t.name, batch, channels))
    return out


class _Check:
    """A function on random networks of a space, as one that maps arrays of float64 to arrays."""

    def __init__(self, f: Function, space: Space, out: Space | None, seed: int, batch: int | None, channels: int,
                 tolerance: float, library: str) -> None:
        if library not in ("numpy", "torch", "jax"):
            raise UsageError(f"[testing] library '{library}'; allowed: numpy, torch, jax")
        factors = {factor.name: repr(factor) for factor in space.factors}
        for factor in out.factors if out else ():
            if factor.kind != "fixed" and factors.get(factor.name) != repr(factor):
                raise UsageError(f"[testing] out has factor '{factor!r}'; allowed: one of the input's, {sorted(factors.values())}")
        self.f, self.space, self.out, self.library = f, space, out, library
        self.batch, self.channels = batch, channels
        self.draws = np.random.Generator(np.random.Philox(seed))
        self.x = self.network()
        self.y = self(self.x)
        for name, a in self.y.items():
            if not np.isfinite(a).all():
                raise UsageError(f"[testing] f gives '{name}' with numbers that are not finite")
        rounded = {name: a * (1 + self.draws.choice([-1, 1], a.shape) * 2.0**-52) for name, a in self.x.items()}
        self.allowed = max(tolerance, ROUNDINGS * _error(self(rounded), self.y)[0])
        self.told = _error(self(self.network()), self.y)[0]

    def network(self) -> Arrays:
        return normal_network(self.space, self.draws, self.batch, self.channels)

    def given(self, x: Arrays) -> dict[str, typing.Any]:
        make = np.array
        if self.library == "torch":
            make = importlib.import_module("torch").tensor
        if self.library == "jax":
            make = importlib.import_module("jax.numpy").array
        return {name: make(a) for name, a in x.items()}

    def __call__(self, x: Arrays) -> Arrays:
        with _doubles(self.library):
            return self.named(self.f(self.given(x)))

    def named(self, result: typing.Any) -> Arrays:
        """What f gives, by names."""
        found: dict[str, typing.Any]
        if isinstance(result, collections.abc.Mapping):
            found = {str(name): a for name, a in result.items()}
        else:
            several = result if isinstance(result, (list, tuple)) else [result]
            names = [t.name for t in self.out.tensors] if self.out else [str(i) for i in range(len(several))]
            if len(names) != len(several):
                raise UsageError(f"[testing] f gives {len(several)} tensors; out has {len(names)}: {', '.join(names)}")
            found = dict(zip(names, several))
        return {name: _array(name, a) for name, a in found.items()}

    def error(self, g: Element, on_outputs: Element | None = None) -> tuple[float, str]:
        """Of f(g x) against g f(x), or against what another element makes of f(x)."""
        expected = self.y
        if self.out:
            own = (on_outputs or g).parts
            there: dict[str, dict[str, object]] = {f.name: dict(own[f.name]) for f in self.out.factors if f.kind != "fixed"}
            expected = act(Element(self.out, there), self.y)
        return _error(self(act(g, self.x)), expected)

    def symmetries(self, seed: int, elements: int) -> Symmetries:
        worst: dict[tuple[str, str], Piece] = {}
        for n in range(elements):
            for name, kind, part, keys in _pieces(Element.random(self.space, seed + n)):
                error, tensor = self.error(Element(self.space, {name: keys}))
                piece = Piece(name, kind, part, error, tensor, self.allowed)
                if (name, part) not in worst or error > worst[name, part].error:
                    worst[name, part] = piece
        return Symmetries(worst.values())


def _doubles(library: str) -> typing.ContextManager[typing.Any]:
    """Where JAX, too, makes arrays of float64, which it does not unless told."""
    if library != "jax":
        return contextlib.nullcontext()
    jax = importlib.import_module("jax")
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental").enable_x64
    return typing.cast(typing.ContextManager[typing.Any], enable(True))


def _array(name: str, a: typing.Any) -> Array:
    if hasattr(a, "detach"):
        a = a.detach().cpu().numpy()
    out = np.asarray(a)
    if out.dtype != np.float64:
        raise UsageError(f"[testing] f gives '{name}' in {out.dtype}; allowed: float64, in which rounding is told from an error; "
                         "a torch module becomes one by .double()")
    return out


def _error(found: Arrays, expected: Arrays) -> tuple[float, str]:
    """The largest difference over the largest number of its tensor, and where."""
    if found.keys() != expected.keys():
        raise UsageError(f"[testing] f gives {sorted(found)} here and {sorted(expected)} there")
    worst, where = 0.0, next(iter(found), "")
    for name, a in found.items():
        b = expected[name]
        if a.shape != b.shape:
            raise UsageError(f"[testing] f gives '{name}' as {a.shape}; allowed: {b.shape}")
        size = float(np.abs(b).max(initial=0))
        off = float(np.abs(a - b).max(initial=0)) / (size or 1.0)
        if not off <= worst:  # a NaN is the worst
            worst, where = (off if np.isfinite(off) else np.inf), name
    return worst, where


def symmetries(f: Function, space: Space, out: Space | None = None, *, invariant: bool = False, seed: int = 0, elements: int = 3,
               batch: int | None = None, channels: int = 1, tolerance: float = TOLERANCE, library: str = "numpy") -> Symmetries:
    """Which factors of the space's group f respects, each part of each alone: orders, signs, scales, matrices, rotations.

    f: called with {name: array} of float64, each [axes...] ([taps, axes...] of kernels), or with `batch`
    [batch, channels * taps, axes...]; arrays of `library`: 'numpy', 'torch' or 'jax'. It gives a mapping, a sequence or one
    array, all of `out`, which is `space` unless said otherwise; with `invariant`, anything. Raises UsageError for outputs that
    are not of `out` or not float64, ShapeError for other shapes.
    """
    check = _Check(f, space, None if invariant else out or space, seed, batch, channels, tolerance, library)
    return check.symmetries(seed, elements)


def assert_equivariant(f: Function, space: Space, out: Space | None = None, *, seed: int = 0, elements: int = 5,
                       batch: int | None = None, channels: int = 1, tolerance: float = TOLERANCE, library: str = "numpy") -> float:
    """Asserts that f(g x) = g f(x) for random elements g, and gives the largest error.

    As symmetries(). An error may be as large as `tolerance`, or a hundred times what rounding the inputs once does to the
    outputs. Raises AssertionError naming the factors and parts that break it; and where the check itself says nothing, for f
    gives the same for two networks, or cannot be told from what another element makes of it.
    """
    return _assert("equivariant", _Check(f, space, out or space, seed, batch, channels, tolerance, library), seed, elements)


def assert_invariant(f: Function, space: Space, *, seed: int = 0, elements: int = 5, batch: int | None = None, channels: int = 1,
                     tolerance: float = TOLERANCE, library: str = "numpy") -> float:
    """Asserts that f(g x) = f(x) for random elements g, and gives the largest error. As assert_equivariant()."""
    return _assert("invariant", _Check(f, space, None, seed, batch, channels, tolerance, library), seed, elements)


def _assert(what: str, check: _Check, seed: int, elements: int) -> float:
    if not check.told > TOLD * check.allowed:
        raise AssertionError(f"[testing] f gives two different networks the same, up to {check.told:.1e}: nothing is tested")
    drawn = [Element.random(check.space, seed + n) for n in range(elements + 1)]
    errors = [check.error(g) for g in drawn[:-1]]
    worst, tensor = max(errors, default=(0.0, ""))
    if not worst <= check.allowed:
        broken = check.symmetries(seed, elements).broken
        pieces = "\n".join(f"  {piece}" for piece in broken) or "  no factor alone: only several together"
        raise AssertionError(f"[testing] f is not {what}: error {worst:.1e} in '{tensor}', allowed {check.allowed:.1e}; what breaks it:\n{pieces}")
    moved = check.out and any(f.kind != "fixed" and f.name in repr(check.out.tensors) for f in check.out.factors)
    if moved and not max(check.error(g, h)[0] for g, h in zip(drawn, drawn[1:])) > TOLD * check.allowed:
        raise AssertionError("[testing] outputs moved by a wrong element look like those moved by the right one: nothing is tested")
    return worst
