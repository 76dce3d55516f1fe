"""Classes of images from a list: a user's CSV file, and the lists with which ImageNet and Tiny
ImageNet are published.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from didact.data.folders.walk import File, Found, file_of
from didact.spec import SpecError, clean, shown

TRUTH = "ILSVRC2012_validation_ground_truth.txt"
"""ImageNet's own list: the number of the class of each image, in the alphabetical order of the
images.
"""

NAMES = ("val_annotations.txt", "LOC_val_solution.csv", "val.txt", TRUTH)
"""Lists that are looked for in the folder of the images and in the one above it. All but the last
name an image and its class in every line.
"""

SPLITS = ("train", "val", "validation", "test")


@dataclass(frozen=True)
class Row:
    """An image of a CSV file; ``split`` is empty where the file has no such column."""

    path: str
    label: str
    split: str
    file: File


def table(path: Path) -> list[Row]:
    """The rows of a CSV file with the columns path, label and, if wanted, split.

    Raises:
        SpecError: a column is missing, or a line is no image with its class.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file)
            columns = lines.fieldnames or ()
            if not {"path", "label"} <= set(columns):
                raise SpecError(
                    f"{clean(path)}: expected the columns path, label and, if wanted, split, found {shown(columns)}"
                )
            rows = [_row(path, lines.line_num, line, "split" in columns) for line in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SpecError(f"{clean(path)} is no folder, and cannot be read as a CSV file: {error}") from None
    if not rows:
        raise SpecError(f"{clean(path)} lists no image")
    paths: set[str] = set()
    for row in rows:
        if row.path in paths:
            raise SpecError(f"{clean(path)} lists {clean(row.path)} twice")
        paths.add(row.path)
    return rows


def _row(table: Path, line: int, values: dict[str, str | None], splits: bool) -> Row:
    path, label = (values.get("path") or "").strip(), (values.get("label") or "").strip()
    split = (values.get("split") or "").strip() if splits else ""
    at = f"{clean(table)}, line {line}"
    if not path or not label:
        raise SpecError(f"{at}: expected a path and a label, found {shown(values)}")
    if PurePosixPath(path).is_absolute():
        raise SpecError(f"{at}: paths are relative to the folder of the CSV file, found {shown(path)}")
    if splits and split not in SPLITS:
        raise SpecError(f"{at}: the split is one of {', '.join(SPLITS)}, found {shown(split)}")
    return Row(path, label, split, file_of(table.parent / path))


def labels(root: Path, within: str, found: Found, names: tuple[str, ...], notes: list[str]) -> dict[str, int] | None:
    """The images in the folder ``within`` that a list beside them names, with their labels; None
    where there is no list.

    A class is named by its folder's name, or by its number in the alphabetical order of those, from
    0.

    Raises:
        SpecError: the list names an unknown class, or images that are not there.
    """
    places = [root / within, root, root / "ILSVRC2012_devkit_t12" / "data"]
    path = next((place / name for place in places for name in NAMES if (place / name).is_file()), None)
    if path is None:
        return None
    images = sorted(image for image in found.images if image.startswith(f"{within}/"))
    known = {str(label): label for label in range(len(names))} | {name: label for label, name in enumerate(names)}
    by_name = {image.rpartition("/")[2]: image for image in images}
    by_name |= {name.rpartition(".")[0]: image for name, image in list(by_name.items())}
    labelled: dict[str, int] = {}
    absent: list[str] = []
    for line, name, kind in _truth(path, images) if path.name == TRUTH else _pairs(path):
        if kind not in known:
            if line == 1 and name not in by_name:
                continue  # the names of the columns
            raise SpecError(f"{clean(path)}, line {line}: training has no class {shown(kind)}")
        image = by_name.get(name.rpartition("/")[2])
        if image is None:
            absent.append(name)
        else:
            labelled[image] = known[kind]
    if absent or not labelled:
        first = f", such as {clean(absent[0])}" if absent else ""
        raise SpecError(f"{clean(path)} names {len(absent):,} images that are not in {clean(root / within)}{first}")
    if len(labelled) < len(images):
        notes.append(f"left out: images in {within}/ that {path.name} does not name ({len(images) - len(labelled):,})")
    return labelled


def _pairs(path: Path) -> Iterator[tuple[int, str, str]]:
    """Number, image and class of every line."""
    for line, text in enumerate(_text(path).splitlines(), 1):
        words = re.split(r"[\s,]+", text.strip(), maxsplit=2)
        if len(words) < 2:
            raise SpecError(f"{clean(path)}, line {line}: expected an image and its class, found {shown(text)}")
        yield line, words[0], words[1]


def _truth(path: Path, images: list[str]) -> Iterator[tuple[int, str, str]]:
    """The same of ImageNet's own list; which number stands for which folder, ``meta.mat`` of its
    development kit says.
    """
    from scipy.io import loadmat

    numbers = _text(path).split()
    if len(numbers) != len(images):
        raise SpecError(f"{clean(path)} has {len(numbers):,} lines for {len(images):,} images")
    meta = path.parent / "meta.mat"
    try:
        synsets = loadmat(str(meta), squeeze_me=True)["synsets"]
        folders = {str(int(entry["ILSVRC2012_ID"])): str(entry["WNID"]) for entry in synsets}
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise SpecError(
            f"{clean(path)} numbers the classes in an order that meta.mat of the same development kit holds, which cannot be "
            f"read ({error}); put it beside the list, or sort the images into folders of their classes"
        ) from None
    for line, (number, image) in enumerate(zip(numbers, images, strict=True), 1):
        yield line, image, folders.get(number, f"number {number}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{clean(path)} cannot be read: {error}") from None
