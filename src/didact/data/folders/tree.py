"""The images of a folder with their classes, for training and for the test.

    train/<class>/...  with  test/<class>/..., val/<class>/... or validation/<class>/...
    train/<class>/...  with  val/... and a list of its images' classes, as ImageNet and Tiny ImageNet are published
    test/<class>/...   alone: no image is for training, until images without labels are named
    <class>/...        of which one image in five of each class, drawn by a fixed seed, is for the test
    labels.csv         with the columns path, label and, if wanted, split

Of a folder of classes only those may be taken that a list names, such as the 200 of Tiny ImageNet
among the 1,000 of ImageNet.

Classes are numbered in the alphabetical order of their folders' names. Folders inside a class
belong to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from didact.data.folders import lists
from didact.data.folders.classes import SHARE, TESTS, first, of_classes, parts, split
from didact.data.folders.walk import NOTES, File, walk
from didact.data.folders.wordnet import ALL, TINY, listed
from didact.spec import SpecError, clean


@dataclass(frozen=True)
class Part:
    """Training or test images, class by class, each in the alphabetical order of its paths.

    Attributes:
        paths: relative to the root, with slashes. files: size and time of last change of each.
        labels: int64, (n,).
    """

    paths: tuple[str, ...]
    files: tuple[File, ...]
    labels: Tensor

    def counts(self, classes: int) -> Tensor:
        """Number of images of each class."""
        return torch.bincount(self.labels, minlength=classes)


@dataclass(frozen=True)
class Tree:
    """What lies below ``root``.

    Attributes:
        names: of the classes, by label.
        notes: what a user should know of it, a sentence each.
        stamps: the times of last change of its folders and lists: where they are the same, no file
            was added or removed.
    """

    root: Path
    names: tuple[str, ...]
    train: Part
    test: Part
    notes: tuple[str, ...]
    stamps: Mapping[Path, int]

    @property
    def changed(self) -> bool:
        """Whether a file was added or removed since."""
        try:
            return any(os.stat(path).st_mtime_ns != time for path, time in self.stamps.items())
        except OSError:
            return True


def look(path: str, chosen: str | None = None) -> Tree:
    """The images below the folder ``path``, or of the CSV file ``path``.

    Args:
        chosen: what names the classes that are taken, as :func:`didact.data.folders.wordnet.listed`
            reads it; all by default. ``ALL`` takes all images, whatever folder they are in, as one
            class.

    Raises:
        SpecError: there is no such folder, or it holds no classes of images; the message says what
            was expected.
    """
    root = Path(os.path.abspath(os.path.expanduser(path)))
    if root.is_file() and chosen is not None:
        raise SpecError(f"{clean(root)} is a CSV file; leave out of it what is not wanted, instead of '#{clean(chosen)}'")
    if root.is_file():
        return _of_csv(root)
    if not root.is_dir():
        raise SpecError(f"there is no folder {clean(root)}; write the path of a folder of images, or of a CSV file")
    return _flat(root) if chosen == ALL else _of_folders(root, chosen)


def _of_folders(root: Path, chosen: str | None) -> Tree:
    """The images in folders of classes."""
    found = walk(root)
    notes = list(found.notes(lists.NAMES)) + _of_writer(root)
    within, names, train, labelled = parts(root, found, notes)
    some = names if chosen is None else listed(chosen)
    train = of_classes(root, train, names, some)
    labelled = labelled and of_classes(root, labelled, names, some)
    if chosen is not None:
        notes.append(f"{len(some):,} of {len(names):,} classes, which {clean(chosen)} names")
    names = tuple(sorted(some))
    loose = sum(path.rpartition("/")[0] in ("", within) for path in found.images)
    notes += [f"left out: images that lie in no class folder ({loose:,})"] if loose else []
    if labelled is None:
        train, labelled = split(root, train, names)
        notes.insert(0, f"one image in {SHARE} of each class, drawn by a fixed seed, is for the test")
    stamps = {root / folder: time for folder, time in found.folders.items()}
    stamps |= {root / path: file.changed for path, file in found.others.items() if path.rpartition("/")[2] in lists.NAMES}
    if chosen is not None and chosen != TINY:
        stamps[Path(chosen)] = os.stat(chosen).st_mtime_ns
    return tree(root, names, _part(train, found.images), _part(labelled, found.images), notes, stamps)


def _of_writer(root: Path) -> list[str]:
    """The notes that stand in a folder that didact has written."""
    try:
        return (root / NOTES).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _flat(root: Path) -> Tree:
    """All images below a folder, as one class without a name."""
    found = walk(root)
    if not found.images:
        raise SpecError(f"{clean(root)} holds no image")
    notes = f"{len(found.images):,} images without labels", *found.notes(())
    stamps = {root / folder: time for folder, time in found.folders.items()}
    shown = _part(dict.fromkeys(found.images, 0), found.images)
    return Tree(root, ("",), shown, Part((), (), torch.zeros(0, dtype=torch.long)), notes, stamps)


def tree(
    root: Path, names: tuple[str, ...], train: Part, test: Part, notes: Iterable[str], stamps: Mapping[Path, int]
) -> Tree:
    """A tree whose classes are checked, with a note on how many images they have."""
    if len(names) < 2:
        raise SpecError(f"{clean(root)} holds one class, {first(names)}; at least two are told apart")
    counts = train.counts(len(names))
    empty = [name for name, count in zip(names, counts.tolist(), strict=True) if not count]
    if empty and train.paths:
        raise SpecError(f"{clean(root)} holds no training image of {first(empty)}")
    untested = [name for name, count in zip(names, test.counts(len(names)).tolist(), strict=True) if not count]
    more = [f"no test image of {first(untested)}"] if untested else []
    said = f"{len(names):,} classes, {len(train.paths):,} training and {len(test.paths):,} test images"
    said += f"; {_balance(names, counts)}" if train.paths else ""
    return Tree(root, names, train, test, (said, *more, *notes), stamps)


def _balance(names: tuple[str, ...], counts: Tensor) -> str:
    few, many = int(counts.argmin()), int(counts.argmax())
    least, most = int(counts[few]), int(counts[many])
    if least == most:
        return f"{least:,} training images a class"
    return f"{least:,} ({clean(names[few])}) to {most:,} ({clean(names[many])}) training images a class"


def _part(labels: Mapping[str, int], files: Mapping[str, File]) -> Part:
    paths = tuple(sorted(labels, key=lambda path: (labels[path], path)))
    return Part(paths, tuple(files[path] for path in paths), torch.tensor([labels[path] for path in paths]).long())


def _of_csv(path: Path) -> Tree:
    rows = lists.table(path)
    names = tuple(sorted({row.label for row in rows}))
    known = {name: label for label, name in enumerate(names)}
    by_split = {
        name: {row.path: known[row.label] for row in rows if row.split == name} for name in {row.split for row in rows}
    }
    notes: list[str] = []
    train = by_split.pop("train", by_split.pop("", {}))
    tests = [name for name in TESTS if name in by_split]
    if tests:
        test = by_split[tests[0]]
        notes += [f"left out: rows of the split {name}, as those of {tests[0]} are for the test" for name in tests[1:]]
    else:
        train, test = split(path, train, names)
        notes.append(f"one image in {SHARE} of each class, drawn by a fixed seed, is for the test")
    files = {row.path: row.file for row in rows}
    stamps = {path: path.stat().st_mtime_ns}
    return tree(path.parent, names, _part(train, files), _part(test, files), notes, stamps)
