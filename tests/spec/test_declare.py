"""Specs in Python: frozen, by name, and refused in words for a person."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from didact.methods.kd import KD
from didact.spec import Count, Share, SpecError, spec
from didact.teaching.gtn import GTN
from didact.teaching.sftn import SFTN


@spec
class Leaf:
    width: Count = 1
    """How wide."""


@spec
class Sea:
    deeper: Count = 1
    """A setting of one's own: the class method of a request has this name, too."""


@spec
class Twig:
    leaf: Leaf = Leaf()
    share: Share = 1.0


def test_specs_are_frozen_and_keyword_only() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Leaf().width = 2  # type: ignore[misc]
    with pytest.raises(SpecError, match=r"^Leaf takes settings by name, such as width=\.\.\., no positional 2$"):
        Leaf(2)  # type: ignore[misc]
    assert dataclasses.replace(Leaf(), width=3) == Leaf(width=3)


@pytest.mark.parametrize(
    ("build", "lines"),
    [
        (lambda: KD(temperature=-1), ["temperature: expected 1e-12 or more (found -1)"]),
        (lambda: KD(temprature=1), ["temprature: no such setting; did you mean 'temperature'?"]),
        (lambda: Sea(deepr=1), ["deepr: no such setting; did you mean 'deeper'?"]),
        (
            lambda: KD(alpha="x", gamma=None),
            ["gamma: expected a number (found null)", "alpha: expected a number (found 'x')"],
        ),
        (lambda: dataclasses.replace(KD(), alpha=-2.0), ["alpha: expected 0 or more (found -2.0)"]),
        (lambda: SFTN(), ["student: is missing; it has no default"]),
        (lambda: SFTN(student="resnet9"), ["student: unknown network 'resnet9'; did you mean 'resnet8'"]),
        (lambda: GTN(), ["pool: say which students the teacher is for, e.g. pool=tiny or pool=resnet8,vgg8"]),
        (
            lambda: Twig(leaf={"width": 0}, share=2),
            ["leaf.width: expected 1 or more (found 0)", "share: expected at most 1"],
        ),
    ],
)
def test_a_value_that_cannot_be_meant_is_explained(build: Callable[[], Any], lines: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        build()
    found = str(caught.value).split("\n")
    assert len(found) == len(lines)
    assert all(line.startswith(start) for line, start in zip(found, lines, strict=True))
