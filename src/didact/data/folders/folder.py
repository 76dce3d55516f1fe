"""A folder of images as a data set: facts that a run holds, and images that are decoded when they
are taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from didact.data.contract import DataError, Facts
from didact.data.folders.contents import Contents, found_again, last_place
from didact.data.folders.holds import Holds, volume
from didact.data.folders.pixels import Pixels
from didact.data.folders.workers import decode
from didact.data.resize import usual_padding
from didact.data.split import Labelled, Split
from didact.spec import clean, first_of

NAMED = 5
"""So many files that cannot be decoded are named in a message."""


@dataclass(frozen=True)
class Decoded:
    """Some images of a folder: those at ``rows`` of its file of pixels.

    Attributes:
        labels: int64 classes, (n,).
        index: int64 positions among the training or the test images, (n,).
        rows: int64, (n,), ascending.
    """

    folder: Folder
    contents: Contents
    pixels: Pixels
    labels: Tensor
    index: Tensor
    rows: Tensor

    def take(self, rows: Tensor) -> Split:
        """The images at ``rows`` (int64, (m,)), in that order. Images that lie one after another
        are not copied into memory.

        Raises:
            DataError: files that cannot be decoded.
        """
        places = self.rows[rows]
        self.decode(places)
        images = torch.from_numpy(self.pixels.read(places.numpy()))
        return Split(images.permute(0, 3, 1, 2), self.labels[rows], self.index[rows])

    def decode(self, places: Tensor) -> None:
        """Decode those images at ``places`` of the file of pixels that are not decoded yet.

        Raises:
            DataError: files that cannot be decoded; all of them are counted.
        """
        self.check(torch.zeros(0, dtype=torch.long), places)

    def check(self, shown: Tensor, kept: Tensor) -> None:
        """Refuse images that cannot be decoded: those at ``shown`` (rows), of which nothing is
        kept, and at ``kept``, places of the file of pixels, which are decoded now.

        Raises:
            DataError: there are such files; all of them are counted.
        """
        places = self.rows[shown].tolist()
        unreadable = self.contents.unreadable() if places else {}
        faults = {place: unreadable[place] for place in places if place in unreadable}
        self._refuse(faults | self.folder.decoded(self.contents, self.pixels, kept), len(places) + len(kept))

    def files(self, rows: Tensor) -> list[str]:
        """Where the images at ``rows`` lie."""
        return [os.path.join(self.contents.tree.root, self.contents.paths[place]) for place in self.rows[rows].tolist()]

    def _refuse(self, faults: dict[int, str], asked: int) -> None:
        if faults:
            raise DataError(
                f"{clean(self.contents.tree.root)}: {_named(self.contents, faults, asked)}; replace or remove them, or "
                "leave them out with data.skip_corrupt=true"
            )


@dataclass(frozen=True)
class Folder:
    """A folder of images at one size.

    Attributes:
        checksum: of what it holds. holds: counts and sizes, as a run has them.
        crop: whether images are cropped to squares of this size; otherwise all have it.
        skip: whether images that cannot be decoded are left out.
        always: whether training images are decoded whenever they are shown; otherwise once.
    """

    checksum: str
    holds: Holds
    crop: bool
    skip: bool
    always: bool = False

    @property
    def facts(self) -> Facts:
        """What is known without decoding. Mean and deviation stand for no images; ``load`` takes
        those of the training images.
        """
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
        """The folder's name where it was seen, with the beginning of its checksum: two may have one
        name.
        """
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
            DataError: the folder is not there any more or has changed; with ``skip``, a class has
                no image that can be decoded.
        """
        contents = found_again(self.checksum)
        tree, image = contents.tree, (self.holds[3], self.holds[4])
        pixels = Pixels(*contents.place(image), len(contents.paths), image)
        faults = self._corrupt(contents, pixels) if self.skip else {}
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
        lost = [name for name, count in zip(tree.names, left, strict=True) if not count and tree.train.paths]
        if lost or (contents.tree.test.paths and not len(parts[1].labels)):
            what = (f"of the class {clean(lost[0])}" if lost[0] else "to learn from") if lost else "for the test"
            raise DataError(f"{clean(tree.root)}: no image {what} can be decoded; {_named(contents, faults, pixels.count)}")
        return parts[0], parts[1], tree.names

    def _corrupt(self, contents: Contents, pixels: Pixels) -> dict[int, str]:
        """By row, why images cannot be decoded."""
        shown = len(contents.tree.train.paths) if self.always else 0
        faults = contents.unreadable() if self.always else {}
        return faults | self.decoded(contents, pixels, torch.arange(shown, pixels.count))

    def decoded(self, contents: Contents, pixels: Pixels, rows: Tensor) -> dict[int, str]:
        """Decode those of the images at ``rows`` that are not decoded yet. Returns, by row, why
        images cannot be decoded.
        """
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
        if self.always:
            yield f"{name}: training images are decoded whenever they are shown (all images would take {volume(self.holds)})"
            if not contents.read_through:
                yield f"{name}: all of them are read once before, to find those that cannot be decoded"
        elif not path.exists():
            yield f"{name}: images are decoded once, into {clean(path)} ({volume(self.holds)})"

    @property
    def left_out(self) -> str | None:
        """Which images were left out when it was read, as they cannot be decoded; None where there
        are none.
        """
        return _LEFT_OUT.get(self.checksum)


_LEFT_OUT: dict[str, str] = {}
"""By checksum, a sentence on the images that this process left out."""


def decode_together(train: Labelled, test: Labelled, shown: Tensor, tested: Tensor, aside: Tensor | None) -> None:
    """Decode the training images at ``shown`` and ``aside`` and the test images at ``tested``,
    where they are a folder's.

    Those at ``shown`` are only read through where they are decoded whenever they are shown.

    Raises:
        DataError: files that cannot be decoded; all of them are counted.
    """
    if isinstance(train, Decoded) and isinstance(test, Decoded):
        nothing = torch.zeros(0, dtype=torch.long)
        always = train.folder.always
        kept = [] if always else [train.rows[shown]]
        kept += [] if aside is None else [train.rows[aside]]
        train.check(shown if always else nothing, torch.cat([*kept, test.rows[tested]]))


def _named(contents: Contents, faults: dict[int, str], asked: int) -> str:
    """What to say of files that cannot be decoded, of so many that were read."""
    named = [f"{clean(contents.paths[row])} {reason}" for row, reason in sorted(faults.items())]
    return f"{len(faults):,} of {asked:,} images cannot be decoded: {first_of(named, NAMED, '; ')}"
