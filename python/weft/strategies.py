"""Hypothesis strategies for weight spaces, elements of their groups and networks: property tests of what acts on weights.

    from hypothesis import given, strategies as st
    from weft.strategies import elements, networks, spaces

    @given(st.data())
    def test_inverse(data):
        space = data.draw(spaces())
        g, x = data.draw(elements(space)), data.draw(networks(space))
        ...

Examples shrink to few factors, small sizes and few tensors. Needs the package hypothesis.
"""

from __future__ import annotations

import typing

from hypothesis import strategies as st

from . import Element, Space
from .testing import normal_network

__all__ = ["KINDS", "elements", "networks", "spaces"]

#: Of a group's factors, the smallest groups first.
KINDS = ("permutation", "positive_monomial", "sign_monomial", "monomial", "orthogonal", "rotary", "rotary_adjacent", "GL")
_HEADS = "heads"
_SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def spaces(draw: st.DrawFn, kinds: typing.Sequence[str] = KINDS, max_factors: int = 3, max_size: int = 4, max_tensors: int = 4) -> Space:
    """A space of one to max_factors moving factors of these kinds, one fixed factor, and tensors of one to three axes; some
    factors are one a head."""
    declared = [f"in: fixed({draw(st.integers(1, max_size))})"]
    per_head: dict[str, bool] = {"in": False}
    for n in range(draw(st.integers(1, max_factors))):
        kind, size = draw(st.sampled_from(kinds)), draw(st.integers(1, max_size))
        pairs = kind.startswith("rotary")
        if n == 0 and kind == "permutation" and draw(st.booleans()):
            declared.append(f"{_HEADS}: permutation({size})")
            per_head[_HEADS] = False
            continue
        headed = _HEADS in per_head and draw(st.booleans())
        declared.append(f"h{n}: {kind}({2 * size if pairs else size})" + (f" per {_HEADS}" if headed else ""))
        per_head[f"h{n}"] = headed
    shared = [name for name, headed in per_head.items() if not headed and name != _HEADS]
    tensors = []
    for n in range(draw(st.integers(1, max_tensors))):
        axes = [draw(st.sampled_from(shared)) + draw(st.sampled_from(("", "*"))) for _ in range(draw(st.integers(1, 2)))]
        headed_names = [name for name, headed in per_head.items() if headed]
        if len(headed_names) > 0 and draw(st.booleans()):
            axes = [_HEADS, draw(st.sampled_from(headed_names)) + draw(st.sampled_from(("", "*"))), *axes[:1]]
        tensors.append(f"W{n}[{', '.join(axes)}]")
    return Space("; ".join(declared) + "  " + " ".join(tensors))


def elements(space: Space, **ranges: typing.Any) -> st.SearchStrategy[Element]:
    """Random elements of its group; `ranges` are those of Element.random()."""
    return _SEEDS.map(lambda seed: Element.random(space, seed, **ranges))


def networks(space: Space, batch: int | None = None, channels: int = 1) -> st.SearchStrategy[dict[str, typing.Any]]:
    """Random ones, as weft.testing.normal_network() draws them."""
    return _SEEDS.map(lambda seed: normal_network(space, seed, batch, channels))
