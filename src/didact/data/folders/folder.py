"""A folder of images as a data set: facts that a run holds, and images that are decoded when they are taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from didact.data.contract import DataError, Facts
from didact.data.folders.contents import PREFIX, Contents, found_again, last_place
from didact.data.folders.pixels import Pixels
from didact.data.folders.workers import decode
from didact.data.resize import usual_padding
from didact.data.split import Labelled, Split
from didact.spec import SpecError, clean

Holds = tuple[int, int, int, int, int]
"""Classes, training images, test images, height and width of the decoded images."""

NAMED = 5
"""So many files that cannot be decoded are named in a message."""


@dataclass(frozen=True)
class Decoded:
    """Some images of a folder: those at ``rows`` of its file of pixels.

    Attributes:
        labels: int64 classes, (n,). index: int64 positions among the training or the test images, (n,).
        rows: int64, (n,), ascending.
    """

    folder: Folder
    contents: Contents
    pixels: Pixels
    labels: Tensor
    index: Tensor
    rows: Tensor

    def take(self, rows: Tensor) -> Split:
        """The images at ``rows`` (int64, (m,)), in that order. Images that lie one after another are not copied into memory.

        Raises:
            DataError: files that cannot be decoded.
        """
        places = self.rows[rows]
        self.decode(places)
        if len(places) and torch.equal(places, torch.arange(len(places)) + places[0]):
            images = torch.from_numpy(self.pixels.mapped[int(places[0]) : int(places[-1]) + 1])
        else:
            images = torch.from_numpy(self.pixels.mapped[places.numpy()])
        return Split(images.permute(0, 3, 1, 2), self.labels[rows], self.index[rows])

    def decode(self, places: Tensor) -> None:
        """Decode those images at ``places`` of the file of pixels that are not decoded yet.

        Raises:
            DataError: files that cannot be decoded; all of them are counted.
        """
        faults = self.folder.decoded(self.contents, self.pixels, places)
        if faults:
            raise DataError(
                f"{clean(self.contents.tree.root)}: {_named(self.contents, faults, len(places))}; replace or remove them, or "
                "leave them out with data.skip_corrupt=true"
            )


@dataclass(frozen=True)
class Folder:
    """A folder of images at one size.

    Attributes:
        checksum: of what it holds. holds: counts and sizes, as a run has them.
        crop: whether images are cropped to squares of this size; otherwise all have it.
        skip: whether images that cannot be decoded are left out.
    """

    checksum: str
    holds: Holds
    crop: bool
    skip: bool

    @property
    def facts(self) -> Facts:
        """What is known without decoding. Mean and deviation stand for no images; ``load`` takes those of the training images."""
        classes, train, test, height, width = self.holds
        return Facts(
            classes=classes,
            image=(3, height, width),
            train=train,
            test=test,
            augment="crop-flip",
            padding=usual_padding(min(height, width)),
            mean=(0.5,) * 3,
            std=(0.25,) * 3,
            source="your own images",
        )

    @property
    def title(self) -> str:
        """The folder's name where it was seen, with the beginning of its checksum: two may have one name."""
        place = last_place(self.checksum)
        return f"{clean(place.name)} ({self.checksum[:8]})" if place else f"folder {self.checksum[:8]}"

    @property
    def where(self) -> str:
        """The place where the folder was seen last."""
        place = last_place(self.checksum)
        return clean(place) if place else "not seen on this machine"

    def here(self) -> int | None:
        """How many training images there are; None where the folder is gone or has changed."""
        try:
            self.prepare()
        except DataError:
            return None
        return self.holds[1]

    def prepare(self) -> None:
        """Find the folder."""
        found_again(self.checksum)

    def read(self) -> tuple[Labelled, Labelled, tuple[str, ...]]:
        """Training images, test images and names of the classes.

        Raises:
            DataError: the folder is not there any more or has changed; with ``skip``, a class has no image that can be decoded.
        """
        contents = found_again(self.checksum)
        tree, image = contents.tree, (self.holds[3], self.holds[4])
        pixels = Pixels(*contents.place(image), len(contents.paths), image)
        faults = self.decoded(contents, pixels, torch.arange(pixels.count)) if self.skip else {}
        if faults:
            _LEFT_OUT[self.checksum] = _named(contents, faults, pixels.count)
        parts: list[Decoded] = []
        start = 0
        for _, part in contents.parts:
            rows = torch.arange(start, start + len(part.paths))
            kept = torch.tensor([row not in faults for row in rows.tolist()], dtype=torch.bool)
            labels, index = part.labels[kept], (rows - start)[kept]
            parts.append(Decoded(self, contents, pixels, labels, index, rows[kept]))
            start += len(part.paths)
        left = torch.bincount(parts[0].labels, minlength=len(tree.names)).tolist()
        lost = [name for name, count in zip(tree.names, left, strict=True) if not count]
        if lost or not len(parts[1].labels):
            what = f"of the class {clean(lost[0])}" if lost else "for the test"
            raise DataError(f"{clean(tree.root)}: no image {what} can be decoded; {_named(contents, faults, pixels.count)}")
        return parts[0], parts[1], tree.names

    def decoded(self, contents: Contents, pixels: Pixels, rows: Tensor) -> dict[int, str]:
        """Decode those of the images at ``rows`` that are not decoded yet. Returns, by row, why images cannot be decoded."""
        missing = pixels.missing(rows.numpy())
        if not missing:
            return {}
        jobs = [(row, str(contents.tree.root / contents.paths[row])) for row in missing]
        return decode(jobs, pixels, crop=self.crop)

    def notes(self) -> Iterator[str]:
        """What a user should know before the images are read, a sentence each.

        Raises:
            DataError: the folder is not there any more, or has changed.
        """
        contents = found_again(self.checksum)
        name = clean(contents.tree.root.name)
        for note in contents.tree.notes:
            yield f"{name}: {note}"
        path = contents.place((self.holds[3], self.holds[4]))[0]
        if not path.exists():
            yield f"{name}: images are decoded once, into {clean(path)}"

    @property
    def left_out(self) -> str | None:
        """Which images were left out when it was read, as they cannot be decoded; None where there are none."""
        return _LEFT_OUT.get(self.checksum)


_LEFT_OUT: dict[str, str] = {}
"""By checksum, a sentence on the images that this process left out."""


def decode_together(train: Labelled, test: Labelled, shown: Tensor, tested: Tensor) -> None:
    """Decode the training images at ``shown`` and the test images at ``tested``, where they are a folder's.

    Raises:
        DataError: files that cannot be decoded; all of them are counted.
    """
    if isinstance(train, Decoded) and isinstance(test, Decoded):
        train.decode(torch.cat([train.rows[shown], test.rows[tested]]))


def _named(contents: Contents, faults: dict[int, str], asked: int) -> str:
    """What to say of files that cannot be decoded, of so many that were read."""
    named = [f"{clean(contents.paths[row])} {reason}" for row, reason in sorted(faults.items())[:NAMED]]
    more = f"; and {len(faults) - NAMED:,} more" if len(faults) > NAMED else ""
    return f"{len(faults):,} of {asked:,} images cannot be decoded: {'; '.join(named)}{more}"


def chosen(contents: Contents, size: int | None) -> Holds:
    """Counts and image size of a folder of which images of the size ``size`` are wanted; their own size by default.

    Raises:
        SpecError: no size is given, and the images differ in size.
    """
    tree = contents.tree
    image = contents.image if size is None else (size, size)
    if image is None:
        raise SpecError(
            f"size: the images of {clean(tree.root)} differ in size; write how many pixels each side gets, e.g. 64: the shorter "
            "side is brought to it, and the centre is cut out"
        )
    return len(tree.names), len(tree.train.paths), len(tree.test.paths), *image


def resized(holds: Any, size: int | None) -> Any:
    """The same counts, with images of the size ``size`` where one is given. What are no counts is left as it is."""
    if size is None or not isinstance(holds, (tuple, list)) or len(holds) != 5:
        return tuple(holds) if isinstance(holds, list) else holds
    return (*holds[:3], size, size)


def is_folder(name: str) -> bool:
    """Whether ``name`` is that of a folder of images."""
    return name.startswith(PREFIX)


def spelling(checksum: str) -> str:
    """The name ``folder:PATH`` of the folder with this checksum.

    Raises:
        SpecError: it has not been seen on this machine.
    """
    place = last_place(checksum)
    if place is None:
        raise SpecError(f"the folder of images {checksum} has not been seen on this machine")
    return f"{PREFIX}{place}"
