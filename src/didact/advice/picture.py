"""Gain against the length of the training, in epochs and in optimisation steps: every regime, ours
and the papers', and the line with its interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from didact.advice.law import Regime, law, regimes
from didact.advice.options import NAMES, of_kind
from didact.advice.trials import KINDS, Trial
from didact.report.figures.canvas import COLOURS, canvas
from didact.report.styles import Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 200
"""Lengths at which a line is drawn."""

SPAN = (-16.0, 7.0)
"""Gains that are shown, in points. The interval of a line that fits badly is cut off, no trial is:
the axis grows to hold them."""

MARKS = (5, 10, 20, 40, 80, 160, 320, 640)
"""Numbers of epochs below an axis."""

LENGTHS: dict[str, Callable[[Trial], float]] = {
    "epochs": lambda trial: float(trial.epochs),
    "steps": lambda trial: float(trial.steps),
}


def picture(known: Sequence[Trial]) -> Figure:
    """A row by epochs and one by steps, with a panel for each kind of teacher. Filled: measured by
    didact; hollow: published. Bars: from the least to the most gain of a regime's settings.
    """
    from matplotlib.ticker import NullLocator

    figure, grid = canvas(len(LENGTHS), len(KINDS), (10.0, 8.0), sharey=True)
    styles = {data: Style.of(at) for at, data in enumerate(dict.fromkeys(one.data for one in regimes(known)))}
    for row, unit in zip(grid, LENGTHS, strict=True):
        for axes, kind in zip(row, KINDS, strict=True):
            trials = of_kind(known, kind)
            _line(axes, trials, unit)
            for regime in regimes(trials):
                _point(axes, regime, unit, styles[regime.data])
            axes.axhline(0.0, color=COLOURS[7], linewidth=0.8)
            axes.set_xscale("log")
            axes.set_title(f"students of {NAMES[kind]} teachers, by {unit}", fontsize=10, loc="left")
            axes.set_xlabel(unit)
            if unit == "epochs":
                axes.xaxis.set_minor_locator(NullLocator())
                axes.set_xticks(MARKS, [str(mark) for mark in MARKS])
                lengths = [trial.epochs for trial in trials] or [MARKS[0], MARKS[-1]]
                axes.set_xlim(min(lengths) / 1.2, max(lengths) * 1.2)
        row[0].set_ylabel("gain over a standard teacher (points)")
    gains = [trial.gain for trial in known]
    grid[0, 0].set_ylim(min([SPAN[0], *gains]), max([SPAN[1], *gains]))
    if known:
        _legend(figure, styles)
    return figure


def _line(axes: Axes, trials: Sequence[Trial], unit: str) -> None:
    line = law(trials, f"1 / {unit}")
    if line is None:
        return
    shortest, *_, longest = sorted(map(LENGTHS[unit], trials))
    lengths = [shortest * (longest / shortest) ** (at / (POINTS - 1)) for at in range(POINTS)]
    expected = [line.at(1 / length) for length in lengths]
    axes.fill_between(lengths, [one.low for one in expected], [one.high for one in expected], color=COLOURS[4], alpha=0.3)
    axes.plot(lengths, [one.mean for one in expected], color=COLOURS[0])


def _point(axes: Axes, regime: Regime, unit: str, style: Style) -> None:
    gains = [trial.gain for trial in regime.trials]
    bars = [[regime.gain - min(gains)], [max(gains) - regime.gain]]
    mark = _mark(style, hollow=not all(trial.source.startswith(("docs/", "this store")) for trial in regime.trials))
    axes.errorbar([LENGTHS[unit](regime.trials[0])], [regime.gain], bars, capsize=2, **mark)


def _mark(style: Style, *, hollow: bool) -> dict[str, Any]:
    colour = COLOURS[style.colour]
    return {"fmt": style.marker, "color": colour, "markerfacecolor": "white" if hollow else colour}


def _legend(figure: Figure, styles: dict[str, Style]) -> None:
    from matplotlib.lines import Line2D

    def entry(name: str, style: Style, *, hollow: bool) -> Line2D:
        mark = _mark(style, hollow=hollow)
        return Line2D([], [], linestyle="", marker=mark.pop("fmt"), label=name, **mark)

    entries = [entry(name, style, hollow=False) for name, style in styles.items()]
    published = entry("hollow: published", Style.of(len(COLOURS) - 1), hollow=True)
    figure.legend(handles=[*entries, published], loc="outside lower center", ncols=3, fontsize=8)
