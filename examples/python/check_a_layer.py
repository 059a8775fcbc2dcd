"""A layer of somebody else's, in PyTorch: is it equivariant, and if not, which symmetry breaks?

The layer mixes the weights of neighbouring layers of an MLP, as NP layers do (Zhou et al. 2023: Permutation Equivariant Neural
Functionals). One of its two versions takes a mean over the wrong axis of W2. Both axes have 8 places, so nothing complains.
"""

import torch
import weft
from weft.testing import assert_equivariant, symmetries

space = weft.Space("in: fixed(3); h1, h2: permutation(8); out: fixed(2)  W1[h1, in*] b1[h1] W2[h2, h1*] b2[h2] W3[out, h2*] b3[out]")


class Mixing(torch.nn.Module):
    def __init__(self, flawed: bool) -> None:
        super().__init__()
        self.a = torch.nn.Parameter(torch.randn(4, 3))
        self.over = 1 if flawed else 0

    def forward(self, x: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        a, outgoing, incoming = self.a, x["W2"].mean(self.over), x["W2"].mean(1)
        return x | {
            "W1": a[0, 0] * x["W1"] + a[0, 1] * outgoing[:, None] + a[0, 2] * x["b1"][:, None],
            "b1": a[1, 0] * x["b1"] + a[1, 1] * x["W1"].mean(1) + a[1, 2] * outgoing,
            "W2": a[2, 0] * x["W2"] + a[2, 1] * x["b1"] + a[2, 2] * x["b2"][:, None],
            "b2": a[3, 0] * x["b2"] + a[3, 1] * incoming + a[3, 2] * x["W3"].mean(0),
        }


torch.manual_seed(0)
print("as it should be:", assert_equivariant(Mixing(flawed=False).double(), space, library="torch"))
print("with a mean over the wrong axis:")
print(symmetries(Mixing(flawed=True).double(), space, library="torch"))
