"""Implicit networks (spec 9) in the golden files, as their formulas say and nothing cleverer, in numpy.

As in layers.py every tensor has one axis in front, of variants; of kinds without gradients there is one. Weights are drawn as SIRENs
start (spec 9.2).
"""
import numpy as np

from layers import transposed

places = 7


def uniform(reach):
    return lambda rng, shape: rng.uniform(-reach, reach, shape)


def whole(low, high):
    """low … high - 1"""
    return lambda rng, shape: rng.integers(low, high, shape, dtype=np.int32)


def network(ask, widths, omega, *front):
    """[(W1, b1), …]"""
    layers = []
    for l, (fan_in, n) in enumerate(zip(widths, widths[1:]), 1):
        W = ask(f"in.W{l}", *front, n, fan_in, draw=uniform(1 / fan_in if l == 1 else np.sqrt(6 / fan_in) / omega))
        layers.append((W, ask(f"in.b{l}", *front, n, draw=uniform(1 / np.sqrt(fan_in)))))
    return layers


def shown(layers, omega, x):
    """What networks show at places x [n, n_0] of all of them: [B, n, n_L]"""
    x = x[..., None, :, :]
    for l, (W, b) in enumerate(layers, 1):
        x = x @ transposed(W) + b[..., None, :]
        if l < len(layers):
            x = np.sin(omega * x)
    return x


def siren_forward(ask, c, batch):
    layers = network(ask, c["widths"], c["omega"], batch)
    return {"Y": shown(layers, c["omega"], ask("in.X", places, c["widths"][0], draw=uniform(1)))}


def moved(layers, parts, omega):
    """By (order, flip, shift) of each hidden layer, one after the other (spec 9.1)."""
    layers = list(layers)
    for l, (order, flip, shift) in enumerate(parts):
        flip = flip.astype(layers[l][0].dtype)
        sign = flip * np.where(shift % 2, -1, 1).astype(flip.dtype)
        (W, b), (outgoing, b_next) = layers[l:l + 2]
        layers[l] = flip[:, None] * W[..., order, :], flip * b[..., order] + (shift * np.pi / omega).astype(flip.dtype)
        layers[l + 1] = outgoing[..., order] * sign, b_next
    return layers


def siren_element(ask, c, batch):
    widths, omega = c["widths"], c["omega"]
    layers, x = network(ask, widths, omega, batch), ask("in.X", places, widths[0], draw=uniform(1))
    parts = [(ask(f"element.order.{l}", n, draw=lambda rng, shape: rng.permutation(*shape).astype(np.int32))[0],
              ask(f"element.flip.{l}", n, draw=lambda rng, shape: rng.choice([-1, 1], shape).astype(np.int32))[0],
              ask(f"element.shift.{l}", n, draw=whole(-3, 4))[0]) for l, n in enumerate(widths[1:-1], 1)]
    after, y = moved(layers, parts, omega), shown(layers, omega, x)
    off = np.abs(shown(after, omega, x) - y).max() / np.abs(y).max()
    if not off < (1e-12 if y.dtype == np.float64 else 1e-4):
        raise ValueError(f"the moved network shows something else, by {off:.3g}")
    return {f"{name}{l}": x for l, layer in enumerate(after, 1) for name, x in zip("Wb", layer)} | {"Y": y}


def sine_features(ask, c, batch):
    widths, omega, n = c["widths"], c["omega"], c["frequencies"]
    layers = network(ask, widths, omega, batch, 1)
    nu = ask("param.frequencies", 2 * n, draw=lambda rng, shape: 3 * rng.normal(size=shape))
    points = ask("param.points", 2 * n, widths[0], draw=uniform(1))

    def waves(x, count):
        """2π ν x of the first frequencies, [B, count, …]"""
        return 2 * np.pi * nu[..., :count].reshape(-1, *[1] * (x.ndim - 3)) * x
    found = {}
    for l, (W, b) in enumerate(layers, 1):
        cosine, sine = np.cos(omega * b), np.sin(omega * b)
        if l == 1:
            found["W1"] = np.concatenate([np.sin(waves(W, n)) * cosine[..., None], np.cos(waves(W, n)) * sine[..., None]], axis=2)
            found["b1"] = np.sin(omega * (points @ transposed(W) + b[..., None, :]))[:, :, 0]
        elif l < len(layers):
            found[f"W{l}"] = np.sin(waves(W, 2 * n)) * cosine[..., None]
            found[f"b{l}"] = np.sin(waves(sine, 2 * n))
        else:
            found[f"W{l}"] = np.sin(waves(W, 2 * n))
            found[f"b{l}"] = np.concatenate([np.sin(waves(b, n)), np.cos(waves(b, n))], axis=2)
    return found


def bytes_of(ask, c, batch):
    """Images [B, rows, columns, channels] of whole numbers from 0 to 255."""
    images = ask("in.images", batch, c["channels"], c["rows"], c["columns"],
                 draw=lambda rng, shape: rng.integers(0, 256, shape, dtype=np.uint8))
    return np.moveaxis(images, 2, -1).astype(float)


def siren_population(ask, c, batch):
    """A step of fitting (spec 9.2): the mean squared error of some pixels."""
    rows, columns, omega = c["rows"], c["columns"], 30
    layers = network(ask, [2, c["width"], c["width"], c["channels"]], omega, batch)
    images = bytes_of(ask, c, batch)
    pixels = ask("in.pixels", c["pixels"], draw=lambda rng, shape: rng.permutation(rows * columns)[:shape[0]].astype(np.int32))[0]

    def steps(n):
        return np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
    real = layers[0][0].real.dtype
    x = np.stack([steps(rows)[pixels // columns], steps(columns)[pixels % columns]], axis=-1)
    off = shown(layers, omega, x.astype(real)[None]) - (images[:, :, pixels // columns, pixels % columns] / 127.5 - 1).astype(real)
    return {"loss": (off * off).mean((-1, -2))[..., None]}


def edit_targets(ask, c, batch):
    """What edited networks should show (spec 9.4)."""
    images = bytes_of(ask, c, batch) / 255
    padded = np.pad(images, [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)])
    rows, columns = images.shape[2:4]
    mean = images.mean((-3, -2, -1), keepdims=True)
    return {"dilate": np.max([padded[:, :, i:i + rows, j:j + columns] for i in range(3) for j in range(3)], axis=0),
            "contrast": np.clip(mean + 2 * (images - mean), 0, 1)}


KINDS = {"siren.forward": siren_forward, "siren.element": siren_element, "sine.features": sine_features,
         "siren.population": siren_population, "edit.targets": edit_targets}
WITHOUT_GRADIENTS = {"siren.element", "sine.features", "edit.targets"}
