"""Tiny ImageNet: colour images of 64x64 pixels in 200 classes, in the published folders.

    wnids.txt                   the classes, a WordNet number a line          train/<wnid>/images/<wnid>_<number>.JPEG
    words.txt                   what WordNet calls them                       val/images/val_<number>.JPEG
    val/val_annotations.txt     file and class of every validation image      test/: without labels, left out

Classes are numbered in the order of their WordNet numbers, training images class by class in the
order of theirs; the labelled validation images are the test set. A copy may hold a part of the
training images, as many of every class; an image's index is its place among all that were
published, so that it is the same image in every copy. Only what is asked for is decoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from didact.data.archive import Archive
from didact.data.contract import DataError, Facts
from didact.data.split import Split

_NUMBER = re.compile(r"[^.].*_([0-9]+)\.JPEG")
"""The name of an image. Those that begin with a dot belong to the system that copied the folder,
not to the data set.
"""


@dataclass(frozen=True)
class Files:
    """Images that still lie in files.

    Attributes:
        paths: one an image.
        labels: int64 classes, (n,).
        index: int64 positions in the full published set, (n,).
        size: pixels on each side.
    """

    paths: tuple[Path, ...]
    labels: Tensor
    index: Tensor
    size: int

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, rows: Tensor) -> Split:
        """The images at ``rows`` (int64, (m,)), decoded, in that order. Grey ones get three equal
        channels.

        Raises:
            DataError: a file is missing, damaged, or an image of another size.
        """
        pixels = np.empty((len(rows), self.size, self.size, 3), np.uint8)
        for at, row in enumerate(rows.tolist()):
            pixels[at] = self._decoded(self.paths[row])
        return Split(torch.from_numpy(pixels).permute(0, 3, 1, 2), self.labels[rows], self.index[rows])

    def _decoded(self, path: Path) -> np.ndarray:
        from PIL import Image, UnidentifiedImageError

        try:
            with Image.open(path, formats=["JPEG"]) as image:
                if image.size != (self.size, self.size):
                    raise self._wrong(path, "{}x{}".format(*image.size))
                if image.mode not in ("RGB", "L"):
                    raise self._wrong(path, f"one in {image.mode}, not in RGB or grey")
                return np.asarray(image.convert("RGB"))
        except (DataError, MemoryError):
            raise
        except FileNotFoundError:
            raise self._wrong(path, "no such file") from None
        except UnidentifiedImageError:
            raise self._wrong(path, "no JPEG" if path.stat().st_size else "an empty file") from None
        except Exception as error:  # a decoder may fail in any way on what is no image
            raise self._wrong(path, str(error)) from error

    def _wrong(self, path: Path, found: str) -> DataError:
        expected = f"a JPEG of {self.size}x{self.size} pixels"
        return DataError(f"{path}: expected {expected}, found {found}; unpack the data set again")


class TinyImageNet(Archive):
    """The reader: numbers of classes and images, and their size, follow from the facts."""

    @property
    def per_class(self) -> int:
        """Published training images of each class."""
        return self.facts.train // self.facts.classes

    def read(self) -> tuple[Files, Files, tuple[str, ...]]:
        self.prepare()
        wnids = self._wnids()
        words = dict(line.split("\t", 1) for line in self.text("words.txt").splitlines() if "\t" in line)
        unknown = [wnid for wnid in wnids if wnid not in words]
        if unknown:
            raise DataError(self.wrong("words.txt", f"what {unknown[0]} is called", "no such line"))
        return self._train(wnids), self._test(wnids), tuple(words[w].partition(",")[0] for w in wnids)

    def fault(self) -> str | None:
        missing = self.missing(("wnids.txt", "words.txt", "val/val_annotations.txt"))
        if missing is not None:
            return missing
        wnids = self._wnids()
        if len(set(wnids)) != self.facts.classes:
            return self.wrong("wnids.txt", f"{self.facts.classes} classes", str(len(set(wnids))))
        first = 0
        for wnid in wnids:
            found = len(self._images(wnid))
            first = first or found
            if not 0 < found <= self.per_class or found != first:
                like = f"{first} images, as of the other classes" if found and first <= self.per_class else "images"
                return self.wrong(f"train/{wnid}/images", f"{like} ({self.per_class} were published)", str(found))
        annotated = len(self.text("val/val_annotations.txt").splitlines())
        if annotated != self.facts.test:
            return self.wrong("val/val_annotations.txt", f"{self.facts.test} lines", str(annotated))
        return None

    def training(self) -> int:
        return self.facts.classes * len(self._images(self._wnids()[0]))

    def _wnids(self) -> list[str]:
        return sorted(self.text("wnids.txt").split())

    def _images(self, wnid: str) -> dict[int, Path]:
        """The training images of a class by their numbers, ascending.

        Raises:
            DataError: two files have one number, or a number is not a published one.
        """
        folder = self.path / "train" / wnid / "images"
        numbered: dict[int, Path] = {}
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            match = _NUMBER.fullmatch(path.name)
            if match is None:
                continue
            number = int(match[1])
            if number in numbered:
                both = f"{numbered[number].name} and {path.name}"
                raise DataError(self.wrong(f"train/{wnid}/images", f"one image of the number {number}", both))
            if number >= self.per_class:
                raise DataError(self.wrong(f"train/{wnid}/images", f"numbers below {self.per_class}", path.name))
            numbered[number] = path
        return dict(sorted(numbered.items()))

    def _train(self, wnids: list[str]) -> Files:
        paths: list[Path] = []
        labels: list[int] = []
        index: list[int] = []
        for label, wnid in enumerate(wnids):
            found = self._images(wnid)
            paths += found.values()
            labels += [label] * len(found)
            index += [label * self.per_class + number for number in found]
        return Files(tuple(paths), torch.tensor(labels), torch.tensor(index), self.facts.image[1])

    def _test(self, wnids: list[str]) -> Files:
        name = "val/val_annotations.txt"
        known = {wnid: label for label, wnid in enumerate(wnids)}
        found: list[tuple[int, Path, int]] = []
        for at, line in enumerate(self.text(name).splitlines(), 1):
            file, wnid, *_ = [*line.split("\t"), ""]
            number = _NUMBER.fullmatch(file)
            if number is None or wnid not in known:
                raise DataError(
                    self.wrong(name, "a file, a tab and a class of wnids.txt in every line", f"line {at}: {line!r}")
                )
            found.append((int(number[1]), self.path / "val" / "images" / file, known[wnid]))
        numbers, paths, labels = zip(*sorted(found), strict=True)
        twice = next((number for number, after in pairwise(numbers) if number == after), None)
        if twice is not None:
            raise DataError(self.wrong(name, f"one line of the number {twice}", "several"))
        return Files(paths, torch.tensor(labels), torch.tensor(numbers), self.facts.image[1])


DATA_SET = TinyImageNet(
    facts=Facts(
        classes=200,
        image=(3, 64, 64),
        train=100_000,
        test=10_000,  # the published validation images: those of the test set have no labels
        augment="crop-flip",
        padding=8,
        mean=(0.4802, 0.4481, 0.3975),
        std=(0.2770, 0.2691, 0.2821),
        source="Stanford CS231N, http://cs231n.stanford.edu/; images from ImageNet, for non-commercial research and education",
    ),
    url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    md5="90528d7ca1a48142e341f4ef8d21d0de",
    folder="tiny-imagenet-200",
    unwanted=("test/",),
)
