"""Search spaces: how many students, their names, who is drawn, and what is no space or no student of one."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from typing import Any

import pytest
import torch

from didact.nets.architecture import cost, parse
from didact.nets.supernet import SPACES, Space, uniform
from didact.spec import SpecError, digest, from_json, to_json
from support.spaces import INVERTED, SMALL

IMAGE = (3, 32, 32)
small = pytest.mark.parametrize("space", [SMALL, INVERTED], ids=["basic", "inverted"])


def everybody(space: Space) -> dict[tuple[int, ...], str]:
    """Every student by its picks."""
    return {picks: space.name(picks) for picks in itertools.product(*(range(len(d.options)) for d in space.decisions))}


@small
def test_a_space_is_the_product_of_its_choices(space: Space) -> None:
    students = everybody(space)
    assert space.size == len(students) == len(set(students.values())) == {SMALL: 64, INVERTED: 16}[space]
    assert all(space.choice_indices(name) == picks for picks, name in students.items())
    assert all(space.canonical_name(name.upper()) == name == parse(name).name for name in students.values())
    sizes = {name: cost(parse(name), 10, IMAGE).parameters for name in students.values()}
    assert space.smallest == min(sizes, key=sizes.__getitem__)
    assert space.largest == max(sizes, key=sizes.__getitem__)
    assert space.networks == (space.largest,)
    assert {parse(name).family for name in students.values()} == {parse(space.largest).family}


def test_the_decisions_in_the_order_of_the_name() -> None:
    names = ["stem", *(f"stage{i}.{what}" for i in (1, 2) for what in ("depth", "width", "kernel", "expansion")), "head"]
    assert [d.name for d in INVERTED.decisions] == names
    assert [d.first for d in INVERTED.decisions] == [-1, 0, 0, 0, 0, 1, 1, 1, 1, 2]
    assert INVERTED.decisions[1].options == (2, 1)
    assert SMALL.name((1, 1, 0, 0, 0, 0, 1, 0, 0, 0)) == "basic-6-2x4e0.5-1x8k5"
    assert (INVERTED.smallest, INVERTED.largest) == ("inverted-4s2-1x4s2-1x6e1-h8", "inverted-4s2-2x8s2-1x6e3-h12")


@pytest.mark.parametrize(("name", "size"), [("tiny", 2304), ("small", 46656), ("large", 62208), ("mobile", 663552)])
def test_the_named_spaces(name: str, size: int) -> None:
    space = SPACES[name]
    assert space.size == size
    assert space.label == name
    chance = random.Random(name)
    for _ in range(50):
        picks = tuple(chance.randrange(len(d.options)) for d in space.decisions)
        assert space.choice_indices(space.name(picks)) == picks
    low, high = (cost(parse(student), 100, IMAGE).parameters for student in (space.smallest, space.largest))
    stated = {"tiny": (14e3, 181e3), "small": (47e3, 3.0e6), "large": (0.67e6, 22.1e6), "mobile": (0.16e6, 5.4e6)}
    assert (low, high) == pytest.approx(stated[name], rel=0.03)  # as the docstring has it


def test_students_are_drawn_by_seed() -> None:
    drawn = SPACES["mobile"].draw(40, 3)
    assert len(set(drawn)) == 40
    assert SPACES["mobile"].draw(40, 3) == drawn == SPACES["mobile"].draw(60, 3)[:40]
    assert not set(drawn) & set(SPACES["mobile"].draw(40, 4))
    assert sorted(SMALL.draw(64, 0)) == sorted(everybody(SMALL).values())
    assert SMALL.draw(64, 0) != SMALL.draw(64, 1)
    random.seed(5)
    assert SPACES["mobile"].draw(40, 3) == drawn  # whatever else has drawn


def chi_square(counts: Counter[Any], options: int) -> float:
    expected = counts.total() / options
    return sum((counts[key] - expected) ** 2 for key in counts) / expected + (options - len(counts)) * expected


def test_all_students_are_equally_likely() -> None:
    bound = 63 + 5 * math.sqrt(2 * 63)  # mean and five deviations of chi-square with 63 degrees of freedom
    assert chi_square(Counter(SMALL.draw(1, seed)[0] for seed in range(1280)), 64) < bound
    stream = torch.Generator().manual_seed(0)
    assert chi_square(Counter(uniform(SMALL, stream) for _ in range(1280)), 64) < bound


@pytest.mark.parametrize("count", [65, 1000])
def test_no_more_students_than_there_are(count: int) -> None:
    with pytest.raises(SpecError, match=f"{count} different students requested from a pool of 64"):
        SMALL.draw(count, 0)


# ------------------------------------------------------------------------------------------------ no student of it


@pytest.mark.parametrize(
    ("name", "said", "near"),
    [
        ("basic-7-2x4e0.5-1x8", r"stem 7 is not among \[4, 6\]", "basic-6-2x4e0.5-1x8"),
        ("basic-4-9x4-1x8", r"stage1.depth 9 is not among \[1, 2\]", "basic-4-2x4-1x8"),
        ("basic-4-1x4-1x128k3", r"stage2.width 128 is not among \[6, 8\]", "basic-4-1x4-1x8"),
        ("basic-4-1x4e0.6-1x8", r"stage1.expansion 0.6 is not among \[0.5, 1.0\]", "basic-4-1x4e0.5-1x8"),
        ("basic-4-1x4-3x8k7", r"stage2.depth 3 is not among \[1\]", "basic-4-1x4-1x8k5"),
    ],
)
def test_the_nearest_student_is_named(name: str, said: str, near: str) -> None:
    for ask in (SMALL.choice_indices, SMALL.canonical_name):
        with pytest.raises(SpecError, match=rf"'{name}' is not in this pool: {said}; the nearest student is {near}$"):
            ask(name)
    assert near in everybody(SMALL).values()


@pytest.mark.parametrize("name", ["inverted-4-1x4-1x8", "basic-4-1x4", "basic-4-1x4-1x8-h8", "basic-4-1x4-1x8s1", "resnet8"])
def test_a_student_of_another_kind_is_told_one_of_these(name: str) -> None:
    with pytest.raises(SpecError, match=rf"'{name}' .*this pool \(64 basic students\).*one of them is {SMALL.smallest}"):
        SMALL.choice_indices(name)
    assert SMALL.smallest in everybody(SMALL).values()


# ------------------------------------------------------------------------------------------------ no space

STAGE = {"depth": [1], "width": [8]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stages": []}, "stages: an empty choice; a space has at least one"),
        ({"stem": []}, "stem: an empty choice"),
        ({"head": []}, "head: an empty choice"),
        ({"head": [0, 64]}, r"head: a last convolution in all students or in none, found \[0, 64\]"),
        ({"stem": [0]}, "stem.0: expected 1 or more"),
        ({"stem": [8, 8]}, r"stem: the same choice twice in \[8, 8\]"),
        ({"head": [8, 8]}, r"head: the same choice twice in \[8, 8\]"),
        ({"kind": "basik"}, "kind: expected 'basic' or 'inverted'"),
        ({"stagse": []}, "stagse: no such setting; did you mean 'stages'"),
        ({"stages": [STAGE | {"depth": []}]}, r"stages.0: depth: an empty choice; give one at least, such as \[1, 2\]"),
        ({"stages": [STAGE | {"width": []}]}, "stages.0: width: an empty choice"),
        ({"stages": [STAGE | {"expansion": []}]}, "stages.0: expansion: an empty choice"),
        ({"stages": [STAGE, STAGE | {"kernel": [3, 4]}]}, "stages.1: kernel: a kernel is odd, found 4; write 3 or 5"),
        ({"stages": [STAGE | {"width": [8, 16, 8]}]}, r"stages.0: width: the same choice twice in \[8, 16, 8\]"),
        ({"stages": [STAGE | {"expansion": [0.0]}]}, "stages.0.expansion.0: expected more than 0"),
        ({"stages": [STAGE | {"stride": 0}]}, "stages.0.stride: expected 1 or more"),
        ({"stages": [{"depth": [1]}]}, "stages.0.width: is missing; it has no default"),
    ],
)
def test_what_is_no_space(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=f"^{said}"):
        from_json(Space, {"kind": "basic", "stages": [STAGE], **changes})


@small
def test_a_space_survives_json(space: Space) -> None:
    back = from_json(Space, to_json(space))
    assert back == space
    assert hash(back) == hash(space)
    assert digest(back) == digest(space)
    assert back.label == f"{space.size} {space.kind} students"
