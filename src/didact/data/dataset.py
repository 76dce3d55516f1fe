"""A data set in memory: uint8 pixels on the device, cut as a :class:`~didact.data.source.Data` asks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from didact.data import digits
from didact.data.columns import COLUMNS
from didact.data.cut import cut
from didact.data.folders import FOLDERS
from didact.data.packed import ARCHIVES
from didact.data.published import Published
from didact.data.resize import smaller, statistics
from didact.data.source import CATALOGUE, Data, DataError, canonical_name, facts, root
from didact.data.split import Labelled, Split
from didact.spec import canonical, to_json

PUBLISHED: dict[str, Published] = {**ARCHIVES, **COLUMNS, **FOLDERS}
"""What is downloaded where it is missing, by name; all but digits."""


@dataclass(frozen=True)
class Dataset:
    """Images of one data set, all on one device.

    Attributes:
        data: the settings it was cut by.
        train, test: images to learn from and to be judged by.
        validation: images set aside from the training set; None when none were asked for.
        classes: number of classes; ``names``: what they are called.
        image: shape (c, h, w).
        mean, std: of each channel, on the scale 0 to 1.
        padding: black pixels on every side before a crop.
        order: 16 hexadecimal digits of the published training labels in order. Where it differs, the same index is another
            image.
    """

    data: Data
    train: Split
    test: Split
    validation: Split | None
    classes: int
    names: tuple[str, ...]
    image: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    padding: int
    order: str

    def record(self) -> dict[str, Any]:
        """Which images were used, as plain JSON data. "index" is left out for a training set that is whole."""
        whole = len(self.train) == facts(self.data).train
        train = {"images": len(self.train)} | ({} if whole else {"index": self.train.index.tolist()})
        record = {"data": to_json(self.data), "order": self.order, "train": train, "test": {"images": len(self.test)}}
        if self.data.size is not None:
            record |= {"mean": list(self.mean), "std": list(self.std)}
        if self.validation is not None:
            record["validation"] = {"images": len(self.validation), "index": self.validation.index.tolist()}
        return record


def load(data: Data, device: torch.device | str = "cpu") -> Dataset:
    """Read a data set, cut it as ``data`` asks, and put it on ``device``. What is missing is downloaded first.

    Raises:
        DataError: the files are missing and cannot be downloaded, or are not what was published.
        SpecError: the validation split that ``data`` asks for would be empty.
    """
    about = facts(data)
    published = PUBLISHED.get(data.name)
    train, test, names = digits.read() if published is None else published.read(root())
    order = _order(train.labels)
    asked, shown = ((images.labels < about.classes).nonzero().flatten() for images in (train, test))
    kept, aside = cut(train.labels[asked], data)
    mean, std = about.mean, about.std
    if data.size is not None:
        train, test = smaller(train, data.size), smaller(test, data.size)
        mean, std = statistics(train)
    return Dataset(
        data=data,
        train=_taken(train, asked[kept]).to(device),
        test=_taken(test, shown).to(device),
        validation=None if aside is None else train.take(asked[aside]).to(device),
        classes=about.classes,
        names=names[: about.classes],
        image=about.image,
        mean=mean,
        std=std,
        padding=about.padding,
        order=order,
    )


def _taken(images: Labelled, rows: Tensor) -> Split:
    """The images at ``rows``, ascending; without a copy where that is all of them."""
    return images if isinstance(images, Split) and len(rows) == len(images) else images.take(rows)


def _order(labels: Tensor) -> str:
    return hashlib.sha256(labels.to(torch.uint8).numpy().tobytes()).hexdigest()[:16]


def available(wanted: Iterable[Data]) -> None:
    """Make sure that the images that ``wanted`` asks for are on this machine and can be read; download what is missing.

    Every data set is read once: an image that is damaged, or a validation split that is empty, is said before anything is
    trained, not when the training on another data set is over.

    Raises:
        DataError: the files are missing and cannot be downloaded, or are not what was published.
        SpecError: the validation split that a data set asks for would be empty.
    """
    published = sorted({data for data in wanted if data.name in PUBLISHED}, key=canonical)
    for name in dict.fromkeys(data.name for data in published):
        PUBLISHED[name].prepare(root())  # all that is missing is said before anything large is read
    for data in published:
        load(data)


def here(name: str) -> int | None:
    """How many training images of the data set ``name`` are on this machine; None when it is missing or damaged.

    Raises:
        SpecError: there is no such data set.
    """
    name = canonical_name(name)
    published = PUBLISHED.get(name)
    if published is None:
        return CATALOGUE[name].train
    try:
        return None if published.fault(root()) is not None else published.training(root())
    except DataError:
        return None


@dataclass(frozen=True)
class Listing:
    """A line of a list of data sets: numbers of published images, whether they are on this machine and where.

    ``part``: how many training images, where they are not all here.
    """

    name: str
    classes: int
    image: tuple[int, int, int]
    train: int
    test: int
    source: str
    present: bool
    part: int | None
    where: str


def describe(name: str) -> Listing:
    """What is known of a data set without loading or downloading it.

    Raises:
        SpecError: there is no such data set.
    """
    name = canonical_name(name)
    about = CATALOGUE[name]
    published, found = PUBLISHED.get(name), here(name)
    return Listing(
        name=name,
        classes=about.classes,
        image=about.image,
        train=about.train,
        test=about.test,
        source=about.source,
        present=found is not None,
        part=found if found is not None and found < about.train else None,
        where="part of scikit-learn" if published is None else str(root() / published.folder),
    )
