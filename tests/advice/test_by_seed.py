"""The page of friendly teachers has the gains and intervals that its file by seed gives, and so have the trials."""

from __future__ import annotations

import csv
import itertools
import re
from collections import defaultdict
from pathlib import Path

import pytest
from scipy import stats

from didact.advice.trials import measured

PAGE = Path(__file__).parents[2] / "docs" / "results" / "friendly-teachers.md"

BY_NO_RUN = {(-1.56, -2.09, -1.02), (2.00, 1.84, 2.16), (0.47, -0.29, 1.24)}
"""Gains of lines 13 and 14; the file lacks some of their runs."""

Way = tuple[str, str, str, str, str]
"""A student, how it learned, from what data, by which recipe, from which teacher."""


def accuracies() -> dict[Way, list[list[float]]]:
    """Test accuracies of the students by way, in the order of their seeds; a list for each processor that trained them."""
    found: dict[Way, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in csv.DictReader(PAGE.with_suffix(".csv").read_text().splitlines()):
        student, _, seed = row["run"].rpartition(".s")
        if row["teacher"]:
            way = student.partition(".")[0], row["how"], row["data"], row["recipe"], row["teacher"]
            found[way][seed].append(float(row["test top-1 (%)"]))
    return {
        way: [list(one) for one in zip(*(seeds[seed] for seed in sorted(seeds)), strict=True)]
        for way, seeds in found.items()
    }


def test_every_interval_of_the_page_is_that_of_the_file() -> None:
    """Between students of two ways: paired over seeds, or by Welch, as of two processors."""
    number = r"([+-]?\d+\.\d\d)"
    said = {tuple(map(float, one)) for one in re.findall(rf"{number} \({number} to\s{number}\)", PAGE.read_text())}
    ours = list(itertools.chain(*accuracies().values()))
    found: set[tuple[float, ...]] = {*BY_NO_RUN}
    for one, other in itertools.permutations(ours, 2):
        tests = [stats.ttest_ind(one, other, equal_var=False)]
        tests += [stats.ttest_rel(one, other)] if len(one) == len(other) else []
        for interval in (test.confidence_interval() for test in tests):
            found.add(tuple(round(float(x), 2) for x in ((interval.low + interval.high) / 2, *interval)))
    assert len(said) >= 25
    assert said - found == set()


def test_the_trials_are_those_of_the_file() -> None:
    """But two of line 13, whose runs it has not: one of 60 epochs, and one that is the mean of three pairs of teachers."""
    means: dict[tuple[str, str, int, str], list[float]] = defaultdict(list)
    for (student, how, data, recipe, teacher), runs in accuracies().items():
        if how == "kd":
            means[student, data, int(recipe.split()[0]), teacher] += [sum(one) / len(one) for one in runs]
    ours = [trial for trial in measured() if trial.source.endswith(PAGE.name)]
    checked = 0
    for trial in ours:
        if (trial.kind, trial.student, trial.gain) not in (("sftn", "resnet8", -1.56), ("sftn", "resnet8", 1.81)):
            teacher = {"sftn": "sftn resnet20", "gtn": "gtn (pool=tiny) resnet20"}[trial.kind]
            friendly, standard = (
                means[trial.student, trial.data, trial.epochs, of] for of in (teacher, "standard resnet20")
            )
            gains = [one - other for one in friendly for other in standard]
            assert any(trial.gain == pytest.approx(gain, abs=0.006) for gain in gains), trial
            checked += 1
    assert checked == len(ours) - 2 >= 9
