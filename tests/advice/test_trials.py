"""The trials so far: as the papers and the pages of results have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from didact.advice.trials import KINDS, measured, published, trials
from didact.data.settings import Data

ROOT = Path(__file__).resolve().parents[2]


def test_published_gains_are_the_means_of_the_papers_cells() -> None:
    gains = {(trial.teacher, trial.student): trial.gain for trial in published()}
    assert gains["resnet32x4", "resnet8x4"] == pytest.approx(1.9025)  # Table 1, third pair, twelve methods
    assert gains["resnet50", "vgg8"] == pytest.approx(1.16)  # Table 2
    assert gains["resnet50", "resnet34"] == pytest.approx(0.49)  # Table 3, five methods
    assert gains["unnamed", "s1"] == pytest.approx(1.30)  # the poster: 76.70 - 75.40
    assert len(published()) == 8 + 1 + 4


def test_the_mean_over_the_96_cells_is_the_papers() -> None:
    cells = [trial.gain for trial in published() if trial.source in ("SFTN, Table 1", "SFTN, Table 2")]
    assert sum(cells) / len(cells) == pytest.approx(1.58, abs=0.005)


def test_measured_trials_name_their_page() -> None:
    assert len(measured()) >= 24
    for trial in measured():
        assert (ROOT / trial.source).is_file(), trial.source


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "digits", "per_class": 20},
        {"name": "cifar100", "classes": 20, "per_class": 200},
        {"name": "cifar100", "classes": 20, "per_class": 100},
        {"name": "cifar100", "size": 16},
        {"name": "cifar100", "size": 16, "per_class": 50},
        {"name": "cifar100", "size": 16, "per_class": 20},
        {"name": "cifar100", "size": 16, "per_class": 20, "randaugment": 15, "erase": 0.5},
        {"name": "cifar100"},
    ],
    ids=str,
)
def test_data_have_the_label_that_a_store_gives_them(settings: dict[str, Any]) -> None:
    assert Data(**settings).label in {trial.data for trial in trials()}


def test_no_other_data_were_tried() -> None:
    assert len({trial.data for trial in trials()} - {"imagenet"}) == 8


def test_all_trials_are_of_known_kinds_and_of_sensible_size() -> None:
    for trial in trials():
        assert trial.kind in KINDS
        assert abs(trial.gain) < 20
        assert trial.steps >= trial.epochs >= 1
