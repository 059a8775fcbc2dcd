"""What the tests share."""

import numpy as np
import pytest

import weft

MLP = "in: fixed(2); h: positive_monomial(16); out: fixed(1)  W1[h, in*] b1[h] W2[out, h*] b2[out]"


def draw(space, seed=0, dtype=np.float64, batch=None):
    """Weights of one network, [axes...], or of several, [batch, 1, axes...]."""
    rng = np.random.default_rng(seed)
    lead = () if batch is None else (batch, 1)
    return {name: rng.standard_normal(lead + shape).astype(dtype) for name, shape in space.shapes.items()}


@pytest.fixture
def space():
    return weft.Space(MLP)


@pytest.fixture
def weights(space):
    return draw(space)
