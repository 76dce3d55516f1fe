"""What a search for students finds: the front of accuracy against cost, and three students picked from it.

    s_nas    the cheapest student of the front
    m_nas    its knee: of the students between the ends, the one farthest above the straight line from end to end, the
             accuracy and the logarithm of the cost being scaled to 0..1
    l_nas    the most accurate student of the front

These stand for the small, medium and large students of the GTN poster, which does not say how it picked them. A front of one or
two students has no m_nas; a single one is both the cheapest and the most accurate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from didact.search.costs import SearchSettings, weights
from didact.search.predict import at_chance
from didact.spec import to_json


@dataclass(frozen=True)
class Member:
    """A student of the front.

    Attributes:
        name: spells it out; a network for any Run.
        accuracy: predicted, on the validation split, in percent.
        cost: what was kept small, in its own unit.
        parameters, macs: for one image.
        latency: milliseconds for one image on the machine that searched; None where it was not measured.
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
    """What a search found.

    Attributes:
        of: digest of the generic teacher. wanted: what was asked.
        members: no other student that was predicted has both at least their accuracy and at most their cost; by rising cost.
        others: the other students that were predicted. size: students of the pool.
        images: of the validation split. guess: percent of them that are right where its most frequent class is always answered.
    """

    of: str
    wanted: SearchSettings
    members: tuple[Member, ...]
    others: tuple[Member, ...]
    size: int
    images: int
    guess: float

    @cached_property
    def picks(self) -> dict[str, str]:
        """Names of the students called s_nas, m_nas and l_nas, as far as the front has them."""
        names = [one.name for one in self.members]
        middle = {"m_nas": names[_knee(self.members)]} if len(names) > 2 else {}
        return {"s_nas": names[0], **middle, "l_nas": names[-1]}

    @property
    def best(self) -> Member:
        """The most accurate student."""
        return self.members[-1]

    @property
    def error(self) -> float:
        """Standard error of the best student's accuracy, in points, because the validation split has no more images."""
        share = self.best.accuracy / 100
        return 100 * math.sqrt(share * (1 - share) / self.images)

    @property
    def at_chance(self) -> bool:
        """Whether guessing reaches the best prediction (:func:`didact.search.predict.at_chance`): the order means nothing."""
        return at_chance(self.best.accuracy, self.images, self.guess, len(self.members) + len(self.others))

    def labels(self, name: str) -> str:
        """What the student is picked as: "s_nas, l_nas", or nothing."""
        return ", ".join(label for label, picked in self.picks.items() if picked == name)

    def plain(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return {
            "of": self.of,
            "wanted": to_json(self.wanted),
            "size": self.size,
            "predicted": len(self.members) + len(self.others),
            "images": self.images,
            "guess": self.guess,
            "at_chance": self.at_chance,
            "picks": self.picks,
            "front": [asdict(one) | {"bytes": {str(b): one.bytes(b) for b in (32, 8)}} for one in self.members],
            "others": [asdict(one) for one in self.others],
        }

    @classmethod
    def read(cls, plain: dict[str, Any], wanted: SearchSettings) -> ParetoFront:
        """The front that :meth:`plain` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        fields = [{key: value for key, value in one.items() if key != "bytes"} for one in plain["front"]]
        members, others = (tuple(Member(**one) for one in some) for some in (fields, plain["others"]))
        if not members:
            raise ValueError("a front has a student")
        return cls(plain["of"], wanted, members, others, plain["size"], plain["images"], plain["guess"])


def front(students: Iterable[Member]) -> tuple[Member, ...]:
    """The students that no other one dominates, by rising cost. Of equals the first in the alphabet stays."""
    best: list[Member] = []
    for one in sorted(students, key=lambda one: (one.cost, -one.accuracy, one.name)):
        if not best or one.accuracy > best[-1].accuracy:
            best.append(one)
    return tuple(best)


def _knee(members: Sequence[Member]) -> int:
    """The position of the student farthest above the line from the first to the last."""
    low, high = members[0], members[-1]

    def above(one: Member) -> float:
        along = math.log(one.cost / low.cost) / math.log(high.cost / low.cost)
        return (one.accuracy - low.accuracy) / (high.accuracy - low.accuracy) - along

    return max(range(1, len(members) - 1), key=lambda at: above(members[at]))
