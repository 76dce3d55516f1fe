"""A pilot: the same request, trained for fewer epochs from a standard and an SFTN teacher.

It becomes one more trial, and the line is fitted again. To carry the pilot's own deviation from the
line to the full length was tried on the trials so far, and was wrong more often
(docs/advice.md): what a setting gains beyond the line in a short training it does not keep.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from didact.advice.options import Option, of_one_length
from didact.advice.records import LEAST_PAIRS, SHORTEST
from didact.request.plan import plan
from didact.request.settings import as_given
from didact.runs.run import Run
from didact.runs.spread import Sample
from didact.spec import SpecError, shown
from didact.store.record import Record


@dataclass(frozen=True)
class Pilot:
    """Short trainings of the request.

    Attributes:
        epochs: their length.
        runs: the students.
    """

    epochs: int
    runs: tuple[Run, ...]

    def gain(self, records: Mapping[str, Record]) -> Sample:
        """The paired differences in accuracy between the students of the SFTN teacher and of the
        standard one.
        """
        halves = len(self.runs) // 2
        standard, friendly = (
            Sample.of([(run, records[run.digest].final()["test_top1"]) for run in half if run.digest in records], half)
            for half in (self.runs[:halves], self.runs[halves:])
        )
        empty = Sample(())
        return (friendly or empty).minus(standard or empty)


def pilot(tree: Mapping[str, Any], option: Option, share: float, device: str) -> Pilot:
    """The pilot that takes ``share`` of the request's epochs, for its first student and method.

    Args:
        tree: the request's settings.
        option: the request with an SFTN teacher.

    Raises:
        SpecError: a share that is not between 0 and 1, or that leaves fewer epochs than a trial has; teachers
            and students of different lengths; a recipe that cannot be shortened.
    """
    whole = option.students[0].epochs
    if not 0 < share < 1:
        raise SpecError(f"pilot: the share of the epochs that the pilot may take, between 0 and 1, found {shown(share)}")
    epochs = math.floor(share * whole)
    if epochs < SHORTEST:
        raise SpecError(
            f"pilot: {share:g} of {whole} epochs are {epochs}, and fewer than {SHORTEST} say nothing; "
            f"write --pilot {math.ceil(100 * SHORTEST / whole) / 100:g} or more"
            if whole > SHORTEST
            else f"pilot: the request itself has {whole} epochs; no shorter training says anything of it"
        )
    if not of_one_length(option):
        raise SpecError(
            "pilot: it trains teachers and students for the same number of epochs, and so says nothing of a request where "
            "these differ; leave it out"
        )
    one = {key: value for key, value in tree.items() if key not in ("seed", "seeds", "epochs")}
    one |= {"net": option.students[0].net, "seeds": LEAST_PAIRS, "method": "kd"}
    one |= {"recipe": _shortened(tree.get("recipe"), epochs, "recipe")}
    teacher = dict(tree["teacher"])
    if teacher.get("recipe") is not None:
        teacher["recipe"] = _shortened(teacher["recipe"], epochs, "teacher.recipe")
    runs = [
        run for method in ("standard", "sftn") for run in plan({**one, "teacher": {**teacher, "method": method}}, device)
    ]
    return Pilot(epochs, tuple(runs))


def _shortened(recipe: Any, epochs: int, at: str) -> dict[str, Any]:
    """The settings of a recipe, or its name, with so many epochs. ``at``: their path."""
    return {**as_given({} if recipe is None else recipe, at), "epochs": epochs}
