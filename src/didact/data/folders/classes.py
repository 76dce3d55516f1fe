"""Which class each image of a folder has, by its class folder or by a list, and which images are for
the test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from didact.data.folders import lists
from didact.data.folders.walk import Found
from didact.seeds import stream
from didact.spec import SpecError, clean, first_of

TESTS = ("test", "val", "validation")
"""Folders that may hold the test images; the first with labels is taken."""

SHARE = 5
"""One image in so many of each class is for the test, where the folder has none set apart."""


def parts(root: Path, found: Found, notes: list[str]) -> tuple[str, tuple[str, ...], dict[str, int], dict[str, int] | None]:
    """The folder of the classes, their names, and training and test images by path with their
    labels; None where no images are set apart for the test.
    """
    top = found.below("")
    if "train" in top and (top == ["train"] or set(top) & set(TESTS)):
        train, names = _classes(root, found, "train")
        return "train", names, train, _test(root, found, names, top, notes)
    if len(top) == 1 and top[0] in TESTS:
        test, names = _classes(root, found, top[0])
        notes.append("no image for training: data.unlabelled names those to learn from, with data.unlabelled_share=1")
        return top[0], names, {}, test
    if not found.images:
        raise SpecError(f"{clean(root)} holds no image; expected train/<class>/ and test/<class>/, or <class>/")
    train, names = _classes(root, found, "")
    return "", names, train, None


def of_classes(root: Path, labels: Mapping[str, int], names: tuple[str, ...], some: tuple[str, ...]) -> dict[str, int]:
    """The images of the classes ``some``, with their labels among those in alphabetical order."""
    absent = sorted(set(some) - set(names))
    if absent:
        raise SpecError(
            f"{clean(root)} has no class {first(absent)}, which the list of classes names; it has {first(names)}"
        )
    places = {names.index(name): place for place, name in enumerate(sorted(some))}
    return {path: places[label] for path, label in labels.items() if label in places}


def _classes(root: Path, found: Found, within: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Images by path with their labels, and the names of the class folders in ``within``."""
    names = tuple(found.below(within))
    where = clean(root / within)
    if not names:
        raise SpecError(f"{where} holds no class folder; put the images of each class into a folder of their own")
    labels = _by_folder(found, within, names)
    filled = set(labels.values())
    empty = [name for label, name in enumerate(names) if label not in filled]
    if empty:
        raise SpecError(f"{where}: the class folder {first(empty)} holds no image; remove it, or put images into it")
    return labels, names


def _by_folder(found: Found, within: str, names: tuple[str, ...]) -> dict[str, int]:
    known = {f"{within}/{name}" if within else name: label for label, name in enumerate(names)}
    depth = 2 if within else 1
    labels: dict[str, int] = {}
    for path in found.images:
        parts = path.split("/")
        label = known.get("/".join(parts[:depth])) if len(parts) > depth else None
        if label is not None:
            labels[path] = label
    return labels


def _test(root: Path, found: Found, names: tuple[str, ...], top: list[str], notes: list[str]) -> dict[str, int] | None:
    """Test images by path with their labels; None where no folder is set apart for them."""
    there = [name for name in TESTS if name in top]
    chosen: dict[str, int] | None = None
    for name in there:
        if chosen is not None:
            notes.append(f"left out: {name}/, as other images are for the test")
        elif set(found.below(name)) & set(names):
            chosen = _folders_of_test(root, found, name, names)
        else:
            chosen = lists.labels(root, name, found, names, notes)
    if there and chosen is None:
        folder = there[0]
        raise SpecError(
            f"{clean(root / folder)}: expected a folder of each class of train ({first(names)}), or a list of classes "
            f"({', '.join(lists.NAMES)}), found the folders {first(found.below(folder)) or 'none'}"
        )
    return chosen


def _folders_of_test(root: Path, found: Found, within: str, names: tuple[str, ...]) -> dict[str, int]:
    folders = found.below(within)
    strange = [name for name in folders if name not in names]
    if strange:
        raise SpecError(f"{clean(root / within)}: training has no class {first(strange)}; it has {first(names)}")
    labels = _by_folder(found, within, names)
    filled = {path.split("/")[1] for path in labels}
    empty = [name for name in folders if name not in filled]
    if empty:
        raise SpecError(f"{clean(root / within)}: the class folder {first(empty)} holds no image; remove it, or fill it")
    return labels


def split(root: Path, labels: Mapping[str, int], names: tuple[str, ...]) -> tuple[dict[str, int], dict[str, int]]:
    """Training and test images: one in :data:`SHARE` of each class is for the test, at least one.

    Raises:
        SpecError: a class has one image only.
    """
    train: dict[str, int] = {}
    test: dict[str, int] = {}
    members: list[list[str]] = [[] for _ in names]
    for path, label in labels.items():
        members[label].append(path)
    for label, paths in enumerate(members):
        if len(paths) < 2:
            raise SpecError(f"{clean(root)}: the class {clean(names[label])} has one image; it needs one for the test, too")
        paths.sort()
        order = torch.randperm(len(paths), generator=stream(0, "folder", names[label])).tolist()
        for place, at in enumerate(order):
            (test if place < max(1, round(len(paths) / SHARE)) else train)[paths[at]] = label
    return train, test


def first(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    return first_of(list(map(clean, names)), 5)
