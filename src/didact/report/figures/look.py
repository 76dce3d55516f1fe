"""Figures that compare two networks: similarity of layers, calibration, and images on which they
disagree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from didact.analysis.layers import Compared
from didact.measure.comparison import Comparison, Side
from didact.report.figures.canvas import COLOURS, canvas
from didact.runs.spread import text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS, MOST = 8, 32
"""Images in a row of the figure, and largest number in total."""


def pictures(look: Comparison) -> dict[str, Figure]:
    """All figures of a comparison by name, without those of :func:`left_out`."""
    figures: dict[str, Figure] = {}
    if look.layers is not None and look.other is not None:
        figures["layers"] = heat_map(look.layers, look.own.title, look.other.title)
    figures["reliability"] = reliability([side for side in (look.own, look.other) if side is not None])
    if "disagreement" not in left_out(look):
        figures["disagreement"] = disagreement(look)
    return figures


def paths(look: Comparison, path: Path) -> dict[str, Path]:
    """The file of each figure of :func:`pictures`, by name."""
    return {name: file for name, file in files(path).items() if name not in left_out(look)}


def files(path: Path) -> dict[str, Path]:
    """The file of each figure that a comparison may have: "who.png" gives "who-layers.png" and so on."""
    names = ("layers", "reliability", "disagreement")
    return {name: path.with_name(f"{path.stem}-{name}{path.suffix}") for name in names}


def left_out(look: Comparison) -> dict[str, str]:
    """The figures that have nothing to show, with the reason."""
    if look.other is None:
        return dict.fromkeys(("layers", "disagreement"), "the teacher's Record is missing")
    layers = {} if look.layers is not None else {"layers": "they were not compared"}
    return layers if look.differ else layers | {"disagreement": "the two networks answer every image alike"}


def heat_map(compared: Compared, own: str, other: str) -> Figure:
    """CKA of every layer of ``own`` (rows, the first at the bottom) and ``other`` (columns). Grey:
    undefined."""
    tall, wide = compared.values.shape
    figure, grid = canvas(1, 1, (2.2 + 0.75 * wide, 1.8 + 0.5 * tall))
    axes = grid[0, 0]
    axes.set_facecolor("#bbbbbb")
    values = compared.values.numpy()
    drawn = axes.imshow(values, cmap="viridis", vmin=0, vmax=1, origin="lower", aspect="auto")
    for (row, column), value in ((at, values[at]) for at in _cells(tall, wide)):
        axes.text(
            column, row, text(float(value)), ha="center", va="center", color="white" if value < 0.6 else "black", fontsize=8
        )
    axes.set_xticks(range(wide), compared.columns, rotation=45, ha="right")
    axes.set_yticks(range(tall), compared.rows)
    axes.set_xlabel(other)
    axes.set_ylabel(own)
    axes.set_title(compared.title, fontsize=10, loc="left")
    figure.colorbar(drawn, ax=axes)
    return figure


def reliability(sides: Sequence[Side]) -> Figure:
    """Accuracy by confidence of each network, with the diagonal of perfect calibration; below:
    images by bin."""
    figure, grid = canvas(2, 1, (5.0, 6.0), sharex=True, height_ratios=(3, 1))
    curve, spread = grid[:, 0]
    curve.plot([0, 100], [0, 100], color="#888888", linestyle=":", linewidth=1)
    for side, colour in zip(sides, COLOURS, strict=False):
        bins = side.reliability
        filled = bins.counts > 0
        points = (100 * bins.confidence[filled]).tolist(), (100 * bins.accuracy[filled]).tolist()
        curve.plot(*points, "o-", color=colour, markersize=4, label=f"{side.title}: ECE {text(bins.ece)} %")
        share = 100 * bins.counts / bins.counts.sum()
        spread.stairs(share.tolist(), (100 * bins.edges).tolist(), color=colour)
    curve.set_ylabel("accuracy (%)")
    figure.legend(fontsize=7, loc="outside upper left")
    spread.set_ylabel("images (%)")
    spread.set_xlabel("confidence (%)")
    return figure


def disagreement(look: Comparison) -> Figure:
    """The images with the largest divergence among those that the two networks answer differently.

    Each shows its position in the published test set, its class, and both answers with their
    probabilities.
    """
    assert look.differ is not None and look.other is not None
    shown = min(MOST, len(look.differ))
    tall = math.ceil(shown / COLUMNS)
    figure, grid = canvas(tall, COLUMNS, (1.7 * COLUMNS, 0.7 + 2.0 * tall))
    names, test, differ = look.dataset.names, look.dataset.test, look.differ
    for axes in grid.flat:
        axes.set_axis_off()
    for at, axes in enumerate(grid.flat[:shown]):
        index = int(differ.index[at])
        pixels = test.images[index].cpu().permute(1, 2, 0).numpy()
        axes.imshow(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels, cmap="gray", vmin=0, vmax=255)
        lines = [f"image {int(test.index[index])}: {names[int(test.labels[index])]}"]
        for side, answers, sure in (
            (look.other, differ.teacher, differ.sure_teacher),
            (look.own, differ.student, differ.sure_student),
        ):
            lines.append(f"{side.role}: {names[int(answers[at])]} ({100 * float(sure[at]):.0f} %)")
        axes.set_title("\n".join(lines), fontsize=7)
    title = f"{shown} of {len(differ)} images on which {look.other.title} and {look.own.title} disagree"
    figure.suptitle(title, fontsize=8, x=0.01, ha="left")
    return figure


def _cells(tall: int, wide: int) -> list[tuple[int, int]]:
    return [(row, column) for row in range(tall) for column in range(wide)]
