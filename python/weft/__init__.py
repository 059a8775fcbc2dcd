"""Weight-space functional tensors: tensors and layers whose types know the symmetries of networks' weights.

    import weft
    space = weft.Space("in: fixed(2); h: positive_monomial(16); out: fixed(1)  W1[h, in*] b1[h] W2[out, h*] b2[out]")
    g = weft.Element.random(space, seed=0)
    moved = weft.act(g, weights)                 # {"W1": array, …}: other weights, the same function

Names are those of the C++ library. Arrays of NumPy, PyTorch and JAX are read where they lie; results are NumPy arrays.
Everything that weft raises is a `weft.Error`. docs/python.md has the rest.
"""

import os

from ._core import *  # what of it is public says __all__
from ._core import TypeError_ as TypeError
from ._core import __version__

__all__ = [
    "AlongFixed", "AutogradError", "DerivedQuadratic", "DeviceError", "DiskError", "DtypeError", "Element", "Epoch",
    "Equivalence", "EquivariantLayer", "Error", "Examples", "Factor", "Features", "FoldedNetwork", "FormatError",
    "Init", "InvariantLayer", "LayerNormLayer", "LearnedScale", "Linear", "LinearLayer", "ListLayer",
    "MagepEquivariant", "MagepInvariant", "Mlp", "Module", "NetworkFile", "NormalisingPool", "NumericError",
    "Optimiser", "ParseError", "RandomKey", "ReadError", "Reader", "ShapeError", "Space", "SpaceTensor", "Tape",
    "TermLayer", "TermList", "TermParameter", "Trainer", "TransformerEquivariant", "TransformerInvariant",
    "TypeError", "UpdateRule", "UsageError", "Var", "Zoo", "ZooLoader", "__version__", "abs", "act", "add", "add_scalar",
    "at_least", "at_most", "attention_space", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "cmake_dir", "cnn_space", "cos", "cross_entropy", "derive_linear", "derive_quadratic", "div", "exp", "fit",
    "fold", "gelu", "inspect", "kendall_tau_b", "leaky_relu", "load", "load_model", "log", "make_reader",
    "make_zoo", "maximum", "mean_all", "mean_pool", "minimum", "mlp_space", "mul", "pooled_size", "random_element",
    "relu", "rsqrt", "same", "save", "scale", "set_threads", "sigmoid", "silu", "sin", "softplus", "sqrt", "square",
    "squared_error", "sub", "tanh", "targets_of", "threads",
]


def cmake_dir() -> str:
    """The folder of weft's CMake package, for find_package(weft): `cmake -Dweft_DIR=$(weft --cmake-dir)`."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib", "cmake", "weft")


# What people read in messages names the package.
for _class in [value for value in globals().values() if isinstance(value, type) and value.__module__ == "weft._core"]:
    _class.__module__ = "weft"
TypeError.__name__ = TypeError.__qualname__ = "TypeError"
del _class, TypeError_
