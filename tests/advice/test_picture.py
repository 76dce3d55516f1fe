"""The picture of gain against length."""

from __future__ import annotations

from didact.advice.law import regimes
from didact.advice.options import of_kind
from didact.advice.picture import picture
from didact.advice.trials import KINDS, trials


def test_each_kind_has_a_panel_with_all_its_regimes() -> None:
    known = trials()
    figure = picture(known)
    for axes, kind in zip(figure.axes, KINDS, strict=True):
        assert len(axes.containers) == len(regimes(of_kind(known, kind)))
        assert axes.get_xscale() == "log"


def test_without_trials_it_is_empty() -> None:
    assert [len(axes.containers) for axes in picture([]).axes] == [0, 0]
