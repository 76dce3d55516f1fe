"""Words of messages."""

from __future__ import annotations

import pytest

from didact.spec import first_of, nearest, plural


@pytest.mark.parametrize(("count", "text"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs")])
def test_a_count_takes_the_plural_unless_it_is_one(count: int, text: str) -> None:
    assert plural(count, "epoch") == text


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("sftn4", "; did you mean 'sftn-4'?"),
        ("SFTN_4", "; did you mean 'sftn-4'?"),
        ("sft-4", "; did you mean 'sftn-4' or 'sftn' or 'sftn-5'?"),
        ("xyz", "; known: gtn, kd, sftn, sftn-4, sftn-5"),
    ],
)
def test_a_name_that_differs_in_signs_only_is_the_only_one_meant(typed: str, said: str) -> None:
    assert nearest(typed, ["sftn", "sftn-4", "sftn-5", "gtn", "kd"]) == said


@pytest.mark.parametrize(
    ("typed", "names", "said"),
    [
        ("LR", ["learning_rate", "betas"], "; did you mean 'learning_rate'?"),
        ("bs", ["batch_size", "bits"], "; did you mean 'batch_size'?"),
        ("tau", ["temperature", "tau_"], "; did you mean 'tau_'?"),
        ("wd", ["betas", "bits"], "; known: betas, bits"),
    ],
)
def test_a_short_form_is_known_where_there_is_such_a_setting(typed: str, names: list[str], said: str) -> None:
    assert nearest(typed, names) == said


def test_of_no_names_none_is_near() -> None:
    assert nearest("study", []) == ""


@pytest.mark.parametrize(
    ("names", "text"),
    [("", ""), ("a", "a"), ("abc", "a, b, c"), ("abcd", "a, b, c, d"), ("abcde", "a, b, c and 2 more")],
)
def test_one_more_takes_the_room_of_the_last_name(names: str, text: str) -> None:
    assert first_of(list(names), 3) == text
    assert first_of(9 * ["x"], 3, "; ") == "x; x; x; and 6 more"
