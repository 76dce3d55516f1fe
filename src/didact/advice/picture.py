"""Gain against the length of the training: every regime, ours and the papers', and the line with
its interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from didact.advice.law import Line, Regime, law, regimes
from didact.advice.options import NAMES, of_kind
from didact.advice.trials import KINDS, Trial
from didact.report.figures.canvas import COLOURS, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 200
"""Lengths at which the line is drawn."""

WORDS: dict[str, Any] = {"textcoords": "offset points", "fontsize": 6}

MARKS = (5, 10, 20, 40, 80, 160, 320, 640)
"""Numbers of epochs below the axis."""


def picture(known: Sequence[Trial]) -> Figure:
    """One panel for each kind of teacher. Filled: measured by didact; hollow: published. Bars: from
    the least to the most gain of a regime's settings.
    """
    from matplotlib.ticker import NullLocator

    figure, grid = canvas(1, len(KINDS), (10.0, 4.5), sharey=True)
    for axes, kind in zip(grid[0], KINDS, strict=True):
        trials = of_kind(known, kind)
        _line(axes, law(trials), regimes(trials))
        for at, regime in enumerate(regimes(trials)):
            _point(axes, regime, above=at % 2 == 0)
        axes.axhline(0.0, color=COLOURS[7], linewidth=0.8)
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(MARKS, [str(mark) for mark in MARKS])
        lengths = [trial.epochs for trial in trials] or [MARKS[0], MARKS[-1]]
        axes.set_xlim(min(lengths) / 1.3, max(lengths) * 2.2)
        axes.set_title(f"students of {NAMES[kind]} teachers", fontsize=10, loc="left")
        axes.set_xlabel("epochs")
    grid[0, 0].set_ylabel("gain over a standard teacher (points)")
    return figure


def _line(axes: Axes, line: Line | None, regimes: Sequence[Regime]) -> None:
    if line is None:
        return
    shortest, longest = regimes[0].epochs, regimes[-1].epochs
    lengths = [shortest * (longest / shortest) ** (at / (POINTS - 1)) for at in range(POINTS)]
    expected = [line.at(1 / epochs) for epochs in lengths]
    axes.fill_between(lengths, [one.low for one in expected], [one.high for one in expected], color=COLOURS[4], alpha=0.3)
    axes.plot(lengths, [one.mean for one in expected], color=COLOURS[0])


def _point(axes: Axes, regime: Regime, *, above: bool) -> None:
    gains = [trial.gain for trial in regime.trials]
    ours = all(trial.source.startswith(("docs/", "this store")) for trial in regime.trials)
    bars = [[regime.gain - min(gains)], [max(gains) - regime.gain]]
    filled = COLOURS[1] if ours else "white"
    axes.errorbar([regime.epochs], [regime.gain], bars, fmt="o", color=COLOURS[1], markerfacecolor=filled, capsize=2)
    words = f"{regime.name.rpartition(',')[0]} ({len(gains)})"
    axes.annotate(words, (regime.epochs, regime.gain), xytext=(5, 5 if above else -10), **WORDS)
