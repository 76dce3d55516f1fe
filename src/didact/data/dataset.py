"""A data set in memory: uint8 pixels on the device, cut as a :class:`~didact.data.source.Data` asks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from didact.data import digits, packed
from didact.data.cut import cut
from didact.data.source import CATALOGUE, Data, canonical_name, facts, root
from didact.data.split import Split
from didact.spec import to_json


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
    archive = packed.ARCHIVES.get(data.name)
    train, test, names = digits.read() if archive is None else packed.read(archive, root())
    order = _order(train.labels)
    if data.classes is not None:
        train, test = (split.take((split.labels < data.classes).nonzero().flatten()) for split in (train, test))
    kept, aside = cut(train.labels, data)
    return Dataset(
        data=data,
        train=(train if len(kept) == len(train) else train.take(kept)).to(device),
        test=test.to(device),
        validation=None if aside is None else train.take(aside).to(device),
        classes=about.classes,
        names=names[: about.classes],
        image=about.image,
        mean=about.mean,
        std=about.std,
        padding=about.padding,
        order=order,
    )


def _order(labels: Tensor) -> str:
    return hashlib.sha256(labels.to(torch.uint8).numpy().tobytes()).hexdigest()[:16]


def available(wanted: Iterable[Data]) -> None:
    """Make sure that the data sets named by ``wanted`` are on this machine; download those that are not.

    Raises:
        DataError: the files are missing and cannot be downloaded, or do not have the published sizes.
    """
    for name in sorted({data.name for data in wanted} & set(packed.ARCHIVES)):
        packed.prepare(packed.ARCHIVES[name], root())


@dataclass(frozen=True)
class Listing:
    """A line of a list of data sets: numbers of published images, whether they are on this machine and where."""

    name: str
    classes: int
    image: tuple[int, int, int]
    train: int
    test: int
    source: str
    present: bool
    where: str


def describe(name: str) -> Listing:
    """What is known of a data set without loading or downloading it.

    Raises:
        SpecError: there is no such data set.
    """
    name = canonical_name(name)
    about = CATALOGUE[name]
    archive = packed.ARCHIVES.get(name)
    return Listing(
        name=name,
        classes=about.classes,
        image=about.image,
        train=about.train,
        test=about.test,
        source=about.source,
        present=archive is None or packed.fault(archive, root()) is None,
        where="part of scikit-learn" if archive is None else str(root() / archive.folder),
    )
