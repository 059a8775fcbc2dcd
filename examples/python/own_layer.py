"""A layer of one's own from formulas: decided from its indices, proved, trained, and refused where it is wrong.

    python own_layer.py
"""

import numpy as np

import weft

space = weft.Space("in: fixed(3); h: positive_monomial(16); out: fixed(2)  W1[h, in*] b1[h] W2[out, h*] b2[out]")

# The product of both weights has no hidden axis left, so that any function of it may be used.
FORMULAS = """
P[p,q] := W2[p,k] W1[k,q]
b2[j]  += phi1[p,q,j] P[p,q]
W1[j,k] += phi1[q,k] W1[j,q]
b1[j]  += phi1[q] W1[j,q]
"""


class Predictor(weft.Module):
    """One number of a network: 2 output biases of 8 channels, and a linear layer."""

    def __init__(self) -> None:
        super().__init__("predictor")
        self.layer = weft.TermLayer(self, "layer", space, space, FORMULAS, 1, 8)
        self.product = weft.MagepInvariant(self, "product", space, 8, 1)

    def __call__(self, x: weft.Features) -> weft.Var:
        return self.product(self.layer(x))


model = Predictor()
model.init(seed=0)
print(model.layer.list.proof(1), end="")

try:
    weft.TermList(space, space, "b1[j] += phi1[q] W2[q,j]")
except weft.TypeError as refused:
    print(refused)

# Learns the trace of what the network would be without its activation.
rng = np.random.default_rng(0)
networks = {name: rng.standard_normal((256, 1, *shape)).astype(np.float32) / 2 for name, shape in space.shapes.items()}
target = np.einsum("npk,nkp->n", networks["W2"][:, 0, :, :], networks["W1"][:, 0, :, :2])[:, None]


def loss(tape: weft.Tape, items: np.ndarray) -> weft.Var:
    x = weft.Features.constant(tape, space, {name: array[items] for name, array in networks.items()})
    return weft.mean_all(weft.squared_error(model(x), target[items]))


trainer = weft.Trainer(model, loss, items=256, batch=32, epochs=30, learning_rate=3e-3)
while not trainer.done:
    trainer.run_epoch()
first, last = trainer.log[0].train_loss, trainer.log[-1].train_loss
print(f"the loss fell to {last / first:.0%} of its start")
assert last < first / 2

# It says the same of a network that was moved.
one = {name: array[:1] for name, array in networks.items()}
tape = weft.Tape()
before, after = (model(weft.Features.constant(tape, space, w)).item()
                 for w in (one, weft.act(weft.Element.random(space, seed=1), one)))
print(f"moved networks: {abs(after - before) / abs(before):.0e} apart")
assert abs(after - before) < 1e-4 * max(1, abs(before))
