"""The result of a search: the Pareto front of accuracy against cost, and three students picked from
it.

    s_nas    the cheapest student of the front
    m_nas    its knee: the student between the ends that is farthest above the straight line
             from end to end, with accuracy and the logarithm of the cost scaled to 0..1
    l_nas    the most accurate student of the front

They correspond to the small, medium and large students of the GTN poster, which does not say how it
picked them. A front of one or two students has no m_nas; a single student is both s_nas and l_nas.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from didact.runs.guessing import at_chance
from didact.search.costs import SearchSettings, weights
from didact.spec import to_json


@dataclass(frozen=True)
class Member:
    """A student of the front.

    Attributes:
        name: its full name, which describes the network; usable as ``net`` of any Run.
        accuracy: predicted accuracy on the validation split, in percent.
        cost: the minimised cost, in its own unit.
        parameters: number of parameters.
        macs: multiply-accumulates for one image.
        latency: milliseconds for one image on the searching machine; None if not measured.
    """

    name: str
    accuracy: float
    cost: float
    parameters: int
    macs: int
    latency: float | None = None

    def bytes(self, bits: int) -> int:
        """Bytes of the weights at a bit width."""
        return weights(self.parameters, bits)


@dataclass(frozen=True)
class ParetoFront:
    """The result of a search.

    Attributes:
        of: digest of the generic teacher.
        settings: the settings of the search.
        members: the predicted students that no other one dominates, by rising cost.
        others: the other predicted students.
        size: number of students in the pool.
        images: number of images in the validation split.
        guess: accuracy in percent of always answering the most frequent class of the split.
    """

    of: str
    settings: SearchSettings
    members: tuple[Member, ...]
    others: tuple[Member, ...]
    size: int
    images: int
    guess: float

    @cached_property
    def picks(self) -> dict[str, str]:
        """Names of the students picked as s_nas, m_nas and l_nas; a small front lacks some."""
        names = [member.name for member in self.members]
        middle = {"m_nas": names[_knee(self.members)]} if len(names) > 2 else {}
        return {"s_nas": names[0], **middle, "l_nas": names[-1]}

    @property
    def best(self) -> Member:
        """The most accurate student."""
        return self.members[-1]

    @property
    def error(self) -> float:
        """Standard error of the best student's accuracy in percentage points, from the size of the
        split."""
        share = self.best.accuracy / 100
        return 100 * math.sqrt(share * (1 - share) / self.images)

    @property
    def at_chance(self) -> bool:
        """Whether the best prediction is no better than guessing
        (:func:`didact.runs.guessing.at_chance`)."""
        return at_chance(self.best.accuracy, self.images, self.guess, len(self.members) + len(self.others))

    def labels(self, name: str) -> str:
        """The picks of the student ``name``: "s_nas, l_nas", or an empty text."""
        return ", ".join(label for label, picked in self.picks.items() if picked == name)

    def plain(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return {
            "of": self.of,
            "settings": to_json(self.settings),
            "size": self.size,
            "predicted": len(self.members) + len(self.others),
            "images": self.images,
            "guess": self.guess,
            "at_chance": self.at_chance,
            "picks": self.picks,
            "front": [asdict(member) | {"bytes": {str(b): member.bytes(b) for b in (32, 8)}} for member in self.members],
            "others": [asdict(member) for member in self.others],
        }

    @classmethod
    def read(cls, plain: dict[str, Any], settings: SearchSettings) -> ParetoFront:
        """The front that :meth:`plain` wrote.

        Raises:
            KeyError, TypeError, ValueError: ``plain`` is not a front.
        """
        fields = [{key: value for key, value in member.items() if key != "bytes"} for member in plain["front"]]
        members, others = (tuple(Member(**member) for member in group) for group in (fields, plain["others"]))
        if not members:
            raise ValueError("a front has a student")
        return cls(plain["of"], settings, members, others, plain["size"], plain["images"], plain["guess"])


def front(students: Iterable[Member]) -> tuple[Member, ...]:
    """The students that no other one dominates, by rising cost. Ties are broken alphabetically."""
    best: list[Member] = []
    for student in sorted(students, key=lambda student: (student.cost, -student.accuracy, student.name)):
        if not best or student.accuracy > best[-1].accuracy:
            best.append(student)
    return tuple(best)


def _knee(members: Sequence[Member]) -> int:
    """The index of the student farthest above the line from the first to the last."""
    low, high = members[0], members[-1]

    def height(student: Member) -> float:
        along = math.log(student.cost / low.cost) / math.log(high.cost / low.cost)
        return (student.accuracy - low.accuracy) / (high.accuracy - low.accuracy) - along

    return max(range(1, len(members) - 1), key=lambda index: height(members[index]))
