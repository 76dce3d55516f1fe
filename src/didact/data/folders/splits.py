"""Which splits of a Hugging Face data set are learned from and tested on, and which of their rows
have a label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from didact.spec import SpecError, clean, nearest, shown

PREFIX = "hf:"
"""The name of such a data set is this, then a path; then, if wanted, ``#`` and the column with the
labels, ``#train=SPLIT`` and ``#test=SPLIT``.
"""

TESTS = ("test", "validation", "val")
"""Splits that may be the test set; the first with labels is taken."""


@dataclass(frozen=True)
class Asked:
    """What a name ``hf:PATH#...`` says: the path, the column with the labels, and the splits; empty
    where it does not say.
    """

    source: str
    column: str = ""
    train: str = ""
    test: str = ""

    @classmethod
    def of(cls, name: str) -> Asked:
        """The parts of ``name``.

        Raises:
            SpecError: one of them is said twice.
        """
        source, *rest = name.removeprefix(PREFIX).split("#")
        said: dict[str, str] = {}
        for piece in filter(None, rest):
            key, equals, value = piece.partition("=")
            key, value = (key, value) if equals and key in ("train", "test") else ("column", piece)
            if key in said:
                raise SpecError(f"{clean(name)} names two {'columns' if key == 'column' else f'{key} splits'}; write one")
            said[key] = value
        return cls(source, **said)


class Labelled:
    """Rows of one split: encoded images and names of their classes.

    Args:
        image, label: the columns.
        names: of the classes, by label; None where the labels are the names.
        where: the data set and the split, for messages.
    """

    def __init__(self, rows: Any, image: str, label: str, names: list[str] | None, where: str) -> None:
        self.rows, self.image, self.label, self.names, self.where = rows, image, label, names, where

    def check(self) -> None:
        """Refuse labels beyond the classes that the column names.

        Raises:
            SpecError: there is one.
        """
        classes = len(self.names or ())
        for at, value in enumerate(self.rows[self.label] if self.names else ()):
            if isinstance(value, int) and value >= classes:
                raise SpecError(
                    f"{self.where}: label {value} at row {at}, but the column {clean(self.label)} has the classes 0 to "
                    f"{classes - 1}"
                )

    def name_of(self, value: Any) -> str | None:
        """The class that a label names; None for one that stands for none."""
        if value is None or (isinstance(value, int) and value < 0):
            return None
        return self.names[value] if self.names and isinstance(value, int) else str(value)

    @cached_property
    def unlabelled(self) -> int:
        """How many rows have no label."""
        return sum(self.name_of(value) is None for value in self.rows[self.label])

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.rows[self.label])


@dataclass(frozen=True)
class Chosen:
    """The splits that are used, by name: ``train``, and ``test`` where it is another one.

    Attributes:
        notes: what a user should know of the others, and of rows that are left out.
    """

    train: str
    test: str | None
    notes: tuple[str, ...]


def choose(asked: Asked, splits: Mapping[str, Labelled | None]) -> Chosen:
    """The splits that are learned from and tested on.

    Args:
        splits: None for one without a column of labels.

    Raises:
        SpecError: a split that is asked for is not there or has no labels; or all that may be the
            test set have none, and the name does not say what is tested on instead.
    """
    for role, name in (("train", asked.train), ("test", asked.test)):
        if name and name not in splits:
            raise SpecError(
                f"{PREFIX}{clean(asked.source)} has no split {shown(name)} for {role}; it has {shown(list(splits))}"
                f"{nearest(name, splits)}"
            )
    train = asked.train or ("train" if "train" in splits else next(iter(splits)))
    if _bare(splits[train]):
        raise SpecError(f"{_without(asked, train, splits[train])}; {_remedy(asked, 'learn from', 'train', splits)}")
    candidates = [asked.test] if asked.test else [name for name in TESTS if name in splits and name != train]
    tests = [name for name in candidates if not _bare(splits[name])]
    if candidates and not tests:
        name = candidates[0]
        raise SpecError(
            f"{_without(asked, name, splits[name])}; {_remedy(asked, 'test on', 'test', splits)}"
            f"; with {PREFIX}{clean(asked.source)}#test={clean(train)} one image in five of {clean(train)} is for the test"
        )
    test = next((name for name in tests if name != train), None)
    return Chosen(train, test, tuple(_notes(train, test, splits)))


def _bare(split: Labelled | None) -> bool:
    return split is None or split.unlabelled == split.count


def _without(asked: Asked, name: str, split: Labelled | None) -> str:
    why = "it has no column of labels" if split is None else f"all {split.count:,} of its rows have -1 or none"
    return f"{PREFIX}{clean(asked.source)}: the split {clean(name)} has no labels ({why})"


def _remedy(asked: Asked, purpose: str, role: str, splits: Mapping[str, Labelled | None]) -> str:
    known = [name for name, split in splits.items() if not _bare(split)]
    if not known:
        return "no split has any; write the column that holds them after the path: hf:PATH#COLUMN"
    return f"name one to {purpose}: {PREFIX}{clean(asked.source)}#{role}=SPLIT; with labels are {shown(known)}"


def _notes(train: str, test: str | None, splits: Mapping[str, Labelled | None]) -> list[str]:
    notes = []
    for name, split in splits.items():
        if name not in (train, test):
            why = ", which has no labels" if _bare(split) else f"; #test={clean(name)} after the path would test on it"
            notes.append(f"left out: the split {clean(name)}{why}")
        elif split is not None and split.unlabelled:
            notes.append(
                f"left out: {split.unlabelled:,} of {split.count:,} rows of the split {clean(name)}, without a label"
            )
    return notes
