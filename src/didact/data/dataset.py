"""A data set in memory: uint8 pixels on the device, the part that a
:class:`~didact.data.settings.Data` selects.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from didact.data import folders
from didact.data.catalogue import checksum
from didact.data.contract import DataError
from didact.data.derived import FOLDER, facts, nothing_to_learn_from, source, stored, unlabelled_source
from didact.data.resize import smaller, statistics
from didact.data.settings import Data
from didact.data.split import Labelled, Split
from didact.data.subset import cut
from didact.machine import memory
from didact.spec import SpecError, canonical, check_kind, from_json, to_json


@dataclass(frozen=True)
class Dataset:
    """Images of one data set. All are on one device, unless training images are decoded whenever
    they are shown: then the others stay in memory, and batches go to the device.

    Attributes:
        data: the settings that selected it.
        train, test: training and test images. Where no training image has a label, ``train`` is
            ``unlabelled``.
        validation: images set aside from the training set; None without a validation split.
        classes: number of classes; ``names``: what they are called.
        image: shape (c, h, w) of what networks are shown; stored images are larger where
            ``data.crop`` says so.
        mean, std: of each channel, on the scale 0 to 1.
        padding: black pixels on every side before a crop.
        unlabelled: images without labels that are shown in training as well, with labels of -1;
            None where there are none.
        order: 16 hexadecimal digits of the published training labels in order. Where it differs,
            the same index is another image.
    """

    data: Data
    train: Split | folders.Streamed
    test: Split
    validation: Split | None
    classes: int
    names: tuple[str, ...]
    image: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    padding: int
    order: str
    unlabelled: Split | folders.Streamed | None = None

    @property
    def device(self) -> torch.device:
        """Where batches are."""
        return self.train.device

    def record(self) -> dict[str, Any]:
        """Which images were used, as plain JSON data. "index" is left out for a training set that
        is whole.
        """
        whole = len(self.train) == facts(self.data).train
        train = {"images": len(self.train)} | ({} if whole else {"index": self.train.index.tolist()})
        if self.train is self.unlabelled:
            train = {"images": 0}
        record = {"data": to_json(self.data), "order": self.order, "train": train, "test": {"images": len(self.test)}}
        if self.data.size is not None or self.data.name == FOLDER:
            record |= {"mean": list(self.mean), "std": list(self.std)}
        if self.validation is not None:
            record["validation"] = {"images": len(self.validation), "index": self.validation.index.tolist()}
        if self.unlabelled is not None:
            left = {} if len(self.unlabelled) == self.data.unlabelled_images else {"index": self.unlabelled.index.tolist()}
            record["unlabelled"] = {"images": len(self.unlabelled)} | left
        return record


def load(data: Data | str | Mapping[str, Any], device: torch.device | str = "cpu") -> Dataset:
    """Read a data set, select what ``data`` keeps, and put it on ``device``. What is missing is
    downloaded first. ``data`` may be a name, or settings with a name.

    Raises:
        DataError: the files are missing and cannot be downloaded, differ from what was published,
            or exceed the memory; a data set of the user's own has changed since ``data`` was made.
        SpecError: the validation split or the test set would be empty; or ``data`` is no data set.
    """
    if not isinstance(data, Data):
        check_kind("data", data, (str, Mapping), "a data set, such as Data(name='digits'), or its name")
        data = from_json(Data, {"name": data} if isinstance(data, str) else data, "data")
    about = facts(data)
    _check_content(data)
    train, test, names = source(data).read()
    if not len(train.labels):
        return _only_unlabelled(data, test, names, device)
    order = _order(train.labels)
    train_rows, test_rows, validation_rows = _selected(data, train, test)
    streamed = data.decode == "always"
    if not streamed:
        _check_memory(data, sum(len(rows) for rows in (train_rows, test_rows, validation_rows) if rows is not None))
    folders.decode_together(train, test, train_rows, test_rows, validation_rows)
    mean, std = about.mean, about.std
    if data.size is not None and data.name != FOLDER:
        train, test = smaller(train, data.size), smaller(test, data.size)
    if data.size is not None or data.name == FOLDER:
        mean, std = statistics(train)
    held = torch.device("cpu") if streamed else torch.device(device)
    return Dataset(
        data=data,
        train=_streamed(data, train, train_rows, device) if streamed else _taken(data, train, train_rows).to(device),
        test=_taken(data, test, test_rows).to(held),
        validation=None if validation_rows is None else _taken(data, train, validation_rows).to(held),
        classes=about.classes,
        names=names[: about.classes],
        image=about.image,
        mean=mean,
        std=std,
        padding=about.padding,
        order=order,
        unlabelled=_unlabelled(data, device),
    )


def _selected(data: Data, train: Labelled, test: Labelled) -> tuple[Tensor, Tensor, Tensor | None]:
    """The rows that ``data`` keeps: of training images, of test images, and of training images that
    are set aside; ascending.

    Raises:
        SpecError: the validation split or the test set would be empty.
    """
    classes = facts(data).classes
    in_classes, tested = ((images.labels < classes).nonzero().flatten() for images in (train, test))
    if not len(tested):
        raise SpecError(f"classes: {data.title} has no test image of its first {classes} classes; keep more of them")
    kept, aside = cut(train.labels[in_classes], data)
    return in_classes[kept], tested, None if aside is None else in_classes[aside]


def _only_unlabelled(data: Data, test: Labelled, names: tuple[str, ...], device: torch.device | str) -> Dataset:
    """A data set of which no training image has a label.

    Raises:
        SpecError: ``data`` names no images without labels, or shows others as well.
    """
    about = facts(data)
    if data.unlabelled is None or data.unlabelled_share < 1:
        raise SpecError(nothing_to_learn_from(data))
    rows = (test.labels < about.classes).nonzero().flatten()
    folder = unlabelled_source(data)
    shown = _unlabelled(data, device)
    assert folder is not None and shown is not None, "unlabelled says so"
    mean, std = statistics(folder.read()[0])
    return Dataset(
        data=data,
        train=shown,
        test=_taken(data, test, rows).to("cpu" if isinstance(shown, folders.Streamed) else device),
        validation=None,
        classes=about.classes,
        names=names[: about.classes],
        image=about.image,
        mean=mean,
        std=std,
        padding=about.padding,
        order=_order(test.labels[:0]),
        unlabelled=shown,
    )


def _unlabelled(data: Data, device: torch.device | str) -> Split | folders.Streamed | None:
    """The images without labels, with labels of -1."""
    folder = unlabelled_source(data)
    if folder is None:
        return None
    images, _, _ = folder.read()
    rows = torch.arange(len(images.labels))
    nothing = torch.full_like(rows, -1)
    if not folder.always:
        _check_memory(data, len(rows))
        return replace(images.take(rows), labels=nothing).to(device)
    assert isinstance(images, folders.Decoded)
    images.check(rows, torch.zeros(0, dtype=torch.long))
    there = torch.device(device)
    return folders.Streamed(images, rows, nothing.to(there), images.index.to(there), folder.holds[3], there)


def _streamed(data: Data, images: Labelled, rows: Tensor, device: torch.device | str) -> folders.Streamed:
    assert isinstance(images, folders.Decoded) and data.size is not None, "Data says so of a folder alone"
    labels, index = images.labels[rows].to(device), images.index[rows].to(device)
    return folders.Streamed(images, rows, labels, index, data.size, torch.device(device))


def _taken(data: Data, images: Labelled, rows: Tensor) -> Split:
    """The images at ``rows``, ascending; without a copy where that is all of them.

    Raises:
        DataError: the reader of the data set gives something else than whole levels of 8 bits.
    """
    split = images if isinstance(images, Split) and len(rows) == len(images) else images.take(rows)
    if split.images.dtype != torch.uint8:
        raise DataError(
            f"{data.title}: images of uint8, found {split.images.dtype}; its reader has to scale them to 0 to 255"
        )
    return split


def _order(labels: Tensor) -> str:
    """Labels as bytes; as little-endian words of four bytes where one is above 255."""
    stored = labels.numpy().astype("<i4" if len(labels) and int(labels.max()) > 255 else "u1")
    return hashlib.sha256(stored.tobytes()).hexdigest()[:16]


def _check_content(data: Data) -> None:
    """Refuse a data set of the user's own that has changed since ``data`` was made. A folder is
    compared when it is read.
    """
    if data.name == FOLDER:
        return
    now = checksum(data.name)
    if data.content != now:
        raise DataError(
            f"{data.name} has changed: its checksum is {now}, and these settings belong to {data.content}; "
            "train again with the new images, or bring the old ones back"
        )


def _check_memory(data: Data, images: int) -> None:
    """Refuse images that do not fit into the memory of this machine, as far as its system says how
    much there is.
    """
    shape = stored(data)
    size, there_is = images * math.prod(shape), memory()
    if there_is is not None and size > there_is:
        raise DataError(
            f"{data.label}: {images:,} images of {'x'.join(map(str, shape))} take {size / 1e9:,.1f} GB, this machine has "
            f"{there_is / 1e9:,.1f} GB of memory; use fewer (data.fraction, data.per_class, data.classes) or smaller ones "
            "(data.size)" + ("; data.decode=always decodes them whenever they are shown" if data.name == FOLDER else "")
        )


def available(wanted: Iterable[Data], tell: Callable[[str], None] = lambda line: None) -> None:
    """Make sure that the images of ``wanted`` are on this machine and can be read; download what is
    missing.

    Every data set is read once, so that a damaged image or an empty validation split is reported
    before any training, not when the training on another data set is over.

    Args:
        tell: receives what a user should know of a folder of images, a line each.

    Raises:
        DataError: the files are missing and cannot be downloaded, differ from what was published,
            or exceed the memory.
        SpecError: the validation split or the test set would be empty.
    """
    settings = sorted(set(wanted), key=canonical)
    sources = [source(data) for data in settings]
    for one in {(data.name, data.content): one for data, one in zip(settings, sources, strict=True)}.values():
        one.prepare()  # all that is missing is reported before anything large is read
    extra = [one for one in map(unlabelled_source, settings) if one is not None]
    for one in extra:
        one.prepare()
    told = dict.fromkeys(note for one in (*sources, *extra) if isinstance(one, folders.Folder) for note in one.notes())
    for line in told:
        tell(line)
    for data, one in zip(settings, sources, strict=True):
        load(data)
        if isinstance(one, folders.Folder) and one.skip and one.left_out is not None and one.left_out not in told:
            told[one.left_out] = None
            tell(f"left out: {one.left_out}")
