"""The picture of gain against length."""

from __future__ import annotations

from itertools import product

from didact.advice.law import regimes
from didact.advice.options import of_kind
from didact.advice.picture import LENGTHS, picture
from didact.advice.trials import KINDS, trials


def test_each_kind_has_its_regimes_by_epochs_and_by_steps() -> None:
    known = trials()
    figure = picture(known)
    assert len(figure.axes) == 4
    for axes, (unit, kind) in zip(figure.axes, product(LENGTHS, KINDS), strict=True):
        shown = regimes(of_kind(known, kind))
        assert len(axes.containers) == len(shown)
        assert axes.get_xscale() == "log" and axes.get_xlabel() == unit
        low, high = axes.get_ylim()
        assert all(low <= trial.gain <= high for trial in known)
        assert len(axes.lines) > len(shown), "the line and the axis"
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {one.data for one in regimes(known)} | {"hollow: published"}


def test_without_trials_it_is_empty() -> None:
    assert [len(axes.containers) for axes in picture([]).axes] == [0, 0, 0, 0]
