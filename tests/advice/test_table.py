"""The advice as a table and in sentences."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from didact.advice.law import Interval
from didact.advice.options import options
from didact.advice.records import OWN
from didact.advice.table import plain, sentences, tables
from didact.advice.trials import Trial, trials
from didact.tables.table import text

TREE = {"net": "resnet8", "teacher": {"net": "resnet14"}, "epochs": 40}


def test_each_teacher_has_a_row_and_each_regime() -> None:
    known = trials()
    found = options(TREE, "cpu", known)
    advice, sftn, gtn = tables(found, known)
    assert [text(row[0]) for row in advice.rows] == ["standard", "SFTN", "GTN"]
    assert [text(row[3]) for row in advice.rows] == ["-", "-", "-"], "nothing was measured"
    assert len(sftn.rows) >= 8 and len(gtn.rows) >= 6
    assert "40 epochs" in advice.title and "/ epochs" in sftn.note


def test_durations_read_like_durations() -> None:
    found = options(TREE, "cpu", [])
    timed = [replace(one, seconds=seconds) for one, seconds in zip(found, (59.2, 300.0, 7200.0), strict=True)]
    assert [text(row[3]) for row in tables(timed, [])[0].rows] == ["60 s", "5 min", "2.0 h"]


def test_the_decision_follows_the_intervals() -> None:
    standard, sftn, gtn = options(TREE, "cpu", [])
    better, worse, unknown = Interval(1, 0.5, 1.5), Interval(-1, -1.5, -0.5), Interval(0, -1, 1)
    cases = {
        "by SFTN": (better, unknown),
        "by GTN": (worse, better),
        "a standard teacher: --teacher": (worse, worse),
        "SFTN is worse; whether GTN is better than a standard teacher, the trials cannot tell.": (worse, unknown),
        "Whether SFTN or GTN is better than a standard teacher, the trials cannot tell.": (unknown, unknown),
    }
    for words, gains in cases.items():
        found = [standard, replace(sftn, gain=gains[0]), replace(gtn, gain=gains[1])]
        assert words in sentences(found, [])[0]


def test_a_standard_teacher_is_called_cheaper_where_it_is() -> None:
    standard, sftn, gtn = (
        replace(one, seconds=at) for one, at in zip(options(TREE, "cpu", []), (60.0, 90.0, 50.0), strict=True)
    )
    unknown = Interval(0, -1, 1)
    assert "the cheaper one" not in sentences([standard, replace(sftn, gain=unknown), replace(gtn, gain=unknown)], [])[0]
    worse = replace(gtn, gain=Interval(-1, -1.5, -0.5))
    assert "which is the cheaper one" in sentences([standard, replace(sftn, gain=unknown), worse], [])[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"data": {"name": "digits", "erase": 0.5}}, True), ({"recipe": {"mixup": 0.2}}, True), ({}, False)],
    ids=str,
)
def test_augmentation_that_may_take_the_gain_is_spoken_of(settings: dict[str, Any], said: bool) -> None:
    found = sentences(options({**TREE, **settings}, "cpu", trials()), trials())
    assert any("SFTN gained -1.07 points with RandAugment and erasing, and +1.36 without" in line for line in found) is said


def test_what_a_trained_standard_teacher_knows_is_said() -> None:
    found = options(TREE, "cpu", trials())
    assert any("of the store knows 99.9 % of its training" in line for line in sentences(found, trials(), 99.94))
    assert not any("of its training" in line for line in sentences(found, trials()))
    assert plain(found, trials(), 99.94)["standard_knows"] == 99.94 and plain(found, trials())["standard_knows"] is None


def test_it_says_how_far_a_trial_of_the_store_moves_it() -> None:
    own = Trial("sftn", "digits, 12 epochs", 12, 100, "resnet14", "resnet8", -0.5, OWN)
    before = options(TREE, "cpu", trials())[1].gain
    assert before is not None
    known = [*trials(), own]
    (said,) = (line for line in sentences(options(TREE, "cpu", known), known) if line.startswith("Without 1 trial"))
    assert f"of this store SFTN would be expected to gain {before.mean:+.2f} (" in said
    assert not any(line.startswith("Without") for line in sentences(options(TREE, "cpu", trials()), trials()))


def test_a_pilot_is_offered_where_it_may_tell() -> None:
    standard, sftn, gtn = options(TREE, "cpu", [])
    open_question = Interval(0, -1, 1)

    def last_word(sftn_gain: Interval | None, evidence: tuple[Trial, ...] = ()) -> str:
        found = [standard, replace(sftn, gain=sftn_gain, evidence=evidence), replace(gtn, gain=open_question)]
        return sentences(found, [])[0]

    assert "--pilot 0.25 trains 10 epochs" in last_word(open_question)
    assert "--pilot" not in last_word(Interval(-1, -1.5, -0.5)), "it trains an SFTN teacher, and that one is known"
    label = standard.students[0].data.label
    own = Trial("sftn", f"{label}, 20 epochs", 20, 100, "resnet14", "resnet8", -1.0, OWN)
    assert "--pilot" not in last_word(open_question, (own,)), "the store has its figures"
    assert "--pilot" in last_word(open_question, (replace(own, regime="other data, 20 epochs"),))


def test_a_teacher_that_cannot_serve_says_why() -> None:
    standard, sftn, gtn = options(TREE, "cpu", [])
    refused = replace(gtn, students=(), refused="no common resolution", seconds=math.nan)
    assert sentences([standard, sftn, refused], [])[-1] == "GTN cannot serve this request: no common resolution"
    assert plain([standard, sftn, refused], [])["teachers"][2]["refused"] == "no common resolution"


def test_lengths_that_differ_are_said() -> None:
    tree = {**TREE, "teacher": {"net": "resnet14", "recipe": {"epochs": 60}}}
    said = sentences(options(tree, "cpu", trials()), trials())
    assert any("different numbers of epochs" in line and "+1.27" in line for line in said)
    assert said[0].endswith("the trials cannot tell."), "a pilot would be of one length"


def test_a_lighter_kl_goes_by_the_length_of_the_teacher() -> None:
    """It is a setting of the teacher's training."""
    short = {**TREE, "epochs": 60}
    long = {**short, "teacher": {"net": "resnet14", "recipe": {"epochs": 240}}}
    for tree, better in ((short, True), (long, False)):
        said = [
            line for line in sentences(options(tree, "cpu", trials()), trials()) if "--teacher.method.kl_weight 1" in line
        ]
        assert any("was better" in line for line in said) == better


def test_lengths_that_no_trial_had_are_said() -> None:
    for epochs, words in ((4, "No trial was as short"), (2000, "No trial was as long")):
        found = options({**TREE, "epochs": epochs}, "cpu", trials())
        assert any(line.startswith(words) for line in sentences(found, trials()))
        seen = f" of {min(trial.epochs for trial in trials())} epochs" if epochs == 4 else ""
        assert tables(found, trials())[0].columns[1] == f"expected gain{seen}"
    assert not any(line.startswith("No trial") for line in sentences(options(TREE, "cpu", trials()), trials()))
