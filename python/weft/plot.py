"""Figures of trainings, zoos and symmetries, with matplotlib.

    import weft.plot

    log = weft.fit(model, train, validation)
    weft.plot.learning_curves(log)
    weft.plot.accuracies(zoo, by_epoch=True).figure.savefig("zoo.png")

Every function draws into the axes that it is given, or into those of a new figure, and returns them. They show what
`weft report` does, in its colours. Without matplotlib they raise UsageError: pip install matplotlib.
"""

from __future__ import annotations

import collections.abc
import typing

import numpy as np

from . import Epoch, UsageError, Zoo, kendall_tau_b
from .testing import Symmetries

if typing.TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["accuracies", "images", "learning_curves", "predictions", "symmetries"]

Log = collections.abc.Sequence[Epoch]
Array = np.ndarray[typing.Any, np.dtype[typing.Any]]

#: Those of apps/plot.cpp, which people with any eyes tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")
_GUIDE, _GRID = "#999999", "#e4e4e4"
#: Where an error of exactly nothing is drawn on a scale of powers of ten.
_NOTHING = 1e-18
_OMEGA = 30.0  # of SIRENs: spec 9.1
_SHOWN = 10  # networks


def _axes(ax: Axes | None, width: float = 5.0, height: float = 3.6) -> Axes:
    """The axes given, or those of a new figure of this size in inches, without what says nothing."""
    if ax is None:
        try:
            import matplotlib.pyplot
        except ImportError as missing:
            raise UsageError("[plot] matplotlib is missing: pip install matplotlib") from missing
        ax = matplotlib.pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color=_GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    return ax


def learning_curves(logs: Log | collections.abc.Mapping[str, Log], *, metric: str | None = None, ax: Axes | None = None) -> Axes:
    """The losses of a training by epoch, or of several trainings by name: {"magep": log, "statnn": another}.

    logs: of fit() or Trainer.log. Training losses are dashed where there are validation losses beside them. metric: one that is
    drawn instead of losses, by its name in Epoch.metrics. Raises UsageError for a log without epochs, or without that metric.

        weft.plot.learning_curves(weft.fit(model, train, validation), metric="validation_tau")
    """
    named = logs if isinstance(logs, collections.abc.Mapping) else {"": logs}
    for name, log in named.items():
        if not log:
            raise UsageError(f"[plot] the log '{name}' has no epochs; train first")
        if metric and metric not in log[0].metrics:
            raise UsageError(f"[plot] the log '{name}' has no '{metric}'; allowed: {', '.join(log[0].metrics) or 'losses alone'}")
    ax = _axes(ax)
    lines = 0

    def line(log: Log, values: list[float], what: str, colour: str, style: str) -> None:
        nonlocal lines
        ax.plot([e.epoch for e in log], values, style, color=colour, label=what, linewidth=1.8, marker="." if len(log) == 1 else "")
        lines += 1

    for i, (name, log) in enumerate(named.items()):
        colour, prefix = COLOURS[i % len(COLOURS)], f"{name}, " if name else ""
        if metric:
            line(log, [e.metrics[metric] for e in log], name, colour, "-")
        elif "validation_loss" in log[0].metrics:
            line(log, [e.train_loss for e in log], f"{prefix}training", colour, "--")
            line(log, [e.metrics["validation_loss"] for e in log], f"{prefix}validation", colour, "-")
        else:
            line(log, [e.train_loss for e in log], name, colour, "-")
    ax.locator_params(axis="x", integer=True)
    ax.set(title="Learning curves", xlabel="epoch", ylabel=metric.replace("_", " ") if metric else "loss")
    if lines > 1:
        ax.legend(frameon=False)
    return ax


def predictions(truth: typing.Any, predicted: typing.Any, *, name: str = "accuracy", ax: Axes | None = None) -> Axes:
    """What a model says of networks against what is true, a dot each, with Kendall's tau in the title.

    truth, predicted: numbers [n] or [n, 1]; name: what they measure. Raises ShapeError for two different lengths. Readers of
    accuracies say logits.

        ids = zoo.ids("test")
        weft.plot.predictions(zoo.column(ids, "accuracy"), 1 / (1 + np.exp(-model.predict(zoo.weights(ids)))))
    """
    x, y = (np.asarray(numbers, np.float64).reshape(-1) for numbers in (truth, predicted))
    tau = kendall_tau_b(x, y)
    ax = _axes(ax, 4.2, 4.2)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    room = 0.03 * (high - low or 1.0)
    ends = (low - room, high + room)
    ax.plot(ends, ends, "--", color=_GUIDE, linewidth=1, zorder=1)
    ax.scatter(x, y, s=16, color=COLOURS[0], alpha=0.55, linewidths=0)
    ax.set(title=f"tau {tau:.3f}, {len(x)} networks", xlabel=f"true {name}", ylabel=f"predicted {name}", xlim=ends, ylim=ends, aspect="equal")
    return ax


def accuracies(zoo: Zoo, *, by_epoch: bool = False, ax: Axes | None = None) -> Axes:
    """How the accuracies of a zoo's networks spread, each at its last checkpoint; of implicit networks, the PSNR.

    by_epoch: how they grow instead, median, middle half and all. Networks that diverged to no number are left out. Raises
    UsageError where none is left.

        weft.plot.accuracies(weft.Zoo("zoo"))
    """
    rows = zoo.rows()
    column, what = ("psnr", "PSNR in dB") if "psnr" in rows else ("accuracy", "accuracy")
    measured: Array = rows[column]
    if not np.isfinite(measured).any():
        raise UsageError(f"[plot] no network of the zoo has a finite {column}")
    ax = _axes(ax)
    if by_epoch:
        _draw_spread(ax, rows["epoch"], measured)
        ax.set(title="Networks of the zoo by epoch", xlabel="epoch", ylabel=what)
        return ax
    last = {rows["network"][row]: row for row in np.argsort(rows["epoch"], kind="stable")}
    numbers = measured[list(last.values())]
    numbers = numbers[np.isfinite(numbers)]
    low, high = (0.0, 1.0) if column == "accuracy" else (float(np.floor(numbers.min())), float(np.floor(numbers.max())) + 1)
    ax.hist(numbers, bins=20, range=(low, high), color=COLOURS[0], edgecolor="white", linewidth=0.8)
    ax.grid(axis="x", visible=False)
    ax.locator_params(axis="y", integer=True)
    ax.set(title=f"{len(numbers)} networks of the zoo", xlabel=what, ylabel="networks", xlim=(low, high))
    return ax


def _draw_spread(ax: Axes, epochs: Array, measured: Array) -> None:
    at = np.unique(epochs[np.isfinite(measured)])
    spread = np.array([np.quantile(measured[(epochs == e) & np.isfinite(measured)], (0, 0.25, 0.5, 0.75, 1)) for e in at])
    ax.fill_between(at, spread[:, 0], spread[:, 4], color=COLOURS[0], alpha=0.12, linewidth=0, label="all")
    ax.fill_between(at, spread[:, 1], spread[:, 3], color=COLOURS[0], alpha=0.3, linewidth=0, label="middle half")
    ax.plot(at, spread[:, 2], color=COLOURS[0], linewidth=1.8, marker="." if len(at) < 30 else "", label="median")
    ax.locator_params(axis="x", integer=True)
    ax.legend(frameon=False)


def images(zoo: Zoo, ids: collections.abc.Sequence[int] | None = None, *, ax: Axes | None = None) -> Axes:
    """What implicit networks store above what they show, with the PSNR of each.

    ids: of their rows, ten test networks unless said otherwise. Raises UsageError for a zoo of classifiers.

        weft.plot.images(weft.Zoo("inr"), [0, 1, 2])
    """
    originals = zoo.images
    some = list(zoo.ids("test")[:_SHOWN] if ids is None else ids)
    if not some:
        raise UsageError("[plot] no networks to show; give their ids")
    stored = originals[zoo.column(some, "image").astype(int)]
    shown = _rendered(zoo.weights(some), *stored.shape[2:])
    pictures = np.stack([stored, np.rint(np.clip(127.5 * (shown + 1), 0, 255)).astype(np.uint8)])
    _, n, channels, rows, columns = pictures.shape
    gap = 2
    sheet = np.full((2, n, rows + gap, columns + gap, channels), 255, np.uint8)  # white between them
    sheet[:, :, :rows, :columns] = pictures.transpose(0, 1, 3, 4, 2)
    sheet = sheet.transpose(0, 2, 1, 3, 4).reshape(2 * (rows + gap), n * (columns + gap), channels)[:-gap, :-gap]
    ax = _axes(ax, max(2.5, 0.9 * n + 0.7), 0.9 * 2 * rows / columns + 0.7)
    ax.grid(visible=False)
    ax.imshow(sheet if channels == 3 else sheet[:, :, 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_yticks([(rows - 1) / 2, rows + gap + (rows - 1) / 2], ["stored", "shown"])
    ax.set_xticks([i * (columns + gap) + (columns - 1) / 2 for i in range(n)], [f"{x:.1f} dB" for x in zoo.column(some, "psnr")])
    return ax


def _rendered(weights: dict[str, Array], rows: int, columns: int) -> Array:
    """What SIRENs show (spec 9.1). weights: W1 [n, 1, axes...], b1, ...  ->  [n, channels, rows, columns], from -1 to 1"""
    layers = len(weights) // 2
    at = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in (rows, columns)]
    x = np.stack(np.meshgrid(*at, indexing="ij"), -1).reshape(1, -1, 2)
    for i in range(1, layers + 1):
        x = x @ weights[f"W{i}"][:, 0].transpose(0, 2, 1) + weights[f"b{i}"]
        x = np.sin(_OMEGA * x) if i < layers else x
    pixels: Array = x.transpose(0, 2, 1).reshape(len(x), -1, rows, columns)
    return pixels


def symmetries(found: Symmetries, *, ax: Axes | None = None) -> Axes:
    """The error of a function under each part of a group, as weft.testing.symmetries() finds it, beside what is allowed.

    Raises UsageError where no factor moves.

        weft.plot.symmetries(weft.testing.symmetries(layer, space))
    """
    if not found:
        raise UsageError("[plot] no factor moves; allowed: symmetries of a space with a group")
    ax = _axes(ax, 5.5, 0.32 * len(found) + 1.3)
    finite = [piece.error for piece in found if np.isfinite(piece.error)]
    top = 10 * max([1.0, *finite])  # where what is infinite ends
    for y, piece in enumerate(found):
        colour = COLOURS[2] if piece.holds else COLOURS[1]
        x = min(max(piece.error, _NOTHING), top)
        ax.plot([_NOTHING, x], [y, y], color=colour, linewidth=1.8, alpha=0.5)
        ax.plot(x, y, "o" if piece.error <= top else ">", color=colour, markersize=7, clip_on=False, zorder=3)
        if not piece.holds:
            ax.annotate(f"breaks '{piece.tensor}'", (x, y), (0, 5), textcoords="offset points", ha="right", fontsize="small", color=colour)
    allowed = max(piece.allowed for piece in found)
    ax.axvline(allowed, color=_GUIDE, linestyle="--", linewidth=1, zorder=1)
    ax.annotate("allowed", (allowed, 1), (3, 2), xycoords=("data", "axes fraction"), textcoords="offset points", fontsize="small", color="#666666")
    ax.set_yticks(range(len(found)), [f"{piece.factor} ({piece.kind}), {piece.part}" for piece in found])
    ax.set(xscale="log", xlim=(_NOTHING, 3 * top), ylim=(len(found) - 0.4, -0.6), xlabel="largest error, relative")
    ax.grid(axis="y", visible=False)
    return ax
