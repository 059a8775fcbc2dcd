"""A state dict, its space, and a verified move: other weights, the same function.

    python state_dict.py
"""

import numpy as np

import weft

# What a program trained: here with the names of torch.nn.Sequential, whose state_dict() would do as it is.
rng = np.random.default_rng(0)
state = {"0.weight": rng.standard_normal((16, 2)), "0.bias": rng.standard_normal(16),
         "2.weight": rng.standard_normal((1, 16)), "2.bias": rng.standard_normal(1)}

space = weft.Space("in: fixed(2); h: positive_monomial(16); out: fixed(1)  W1[h, in*] b1[h] W2[out, h*] b2[out]")
names = dict(zip(("W1", "b1", "W2", "b2"), state))
weights = {ours: state[theirs] for ours, theirs in names.items()}
moved = weft.act(weft.Element.random(space, seed=1), weights)


def function(w: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    return np.maximum(x @ w["W1"].T + w["b1"], 0) @ w["W2"].T + w["b2"]


x = rng.standard_normal((100, 2))
print(f"weights moved by {max(np.abs(moved[n] - weights[n]).max() for n in names):.1f}, "
      f"outputs by {np.abs(function(moved, x) - function(weights, x)).max():.0e}")
print(weft.same(weft.NetworkFile(space, weights), weft.NetworkFile(space, moved)).decision)
