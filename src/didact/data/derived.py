"""What follows from settings of images without loading an image: their facts, numbers and shapes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from didact.data import folders
from didact.data.catalogue import find
from didact.data.contract import DataSource, Facts
from didact.data.resize import usual_padding

if TYPE_CHECKING:
    from didact.data.settings import Data

FOLDER = "folder"
"""The name of every folder of images; its contents tell one from another."""


def unlabelled_source(data: Data) -> folders.Folder | None:
    """The images without labels of ``data``, at the size of the others; None where there are none."""
    if data.unlabelled is None or data.unlabelled_images is None:
        return None
    _, height, width = stored(data)
    holds = (1, data.unlabelled_images, 0, height, width)
    always = data.decode == "always" or (data.decode is None and folders.too_large(holds))
    return folders.Folder(data.unlabelled, holds, crop=True, skip=data.skip_corrupt, always=always)


def published(given: Mapping[str, Any]) -> Facts | None:
    """The facts of the data set that fields name which are already checked; None where they are
    wrong.
    """
    if given.get("holds") is not None:
        return folders.Folder("", given["holds"], crop=True, skip=False).facts
    return find(given["name"]).facts if given.get("name", FOLDER) != FOLDER else None


def source(data: Data) -> DataSource:
    """The data set that ``data`` names."""
    if data.holds is None or data.content is None:
        return find(data.name)
    return folders.Folder(
        data.content, data.holds, crop=data.size is not None, skip=data.skip_corrupt, always=data.decode == "always"
    )


def facts(data: Data) -> Facts:
    """The facts of the data set that ``data`` names, with as many classes as ``data`` keeps, at the
    size of its images.

    ``mean`` and ``std`` are those of the published images; ``load`` takes those of smaller ones,
    and of a folder's, from the images.
    """
    whole = _uncropped(data)
    if data.crop is not None:
        whole = dataclasses.replace(whole, image=(whole.image[0], data.crop, data.crop), padding=0)
    return whole


def stored(data: Data) -> tuple[int, int, int]:
    """Shape (c, h, w) of the images of ``data`` before a crop."""
    return _uncropped(data).image


def _uncropped(data: Data) -> Facts:
    whole = source(data).facts
    if data.classes is not None:
        whole = dataclasses.replace(whole, classes=data.classes)
    if data.size is not None:
        image = (whole.image[0], data.size, data.size)
        whole = dataclasses.replace(whole, image=image, padding=usual_padding(data.size))
    return whole


def training_images(data: Data) -> int:
    """How many training images ``data`` leaves. An estimate where the classes of its data set
    differ in size.
    """
    whole = source(data).facts
    kept = max(1, round(data.fraction * whole.train / whole.classes))
    kept = min(kept, data.per_class or kept)
    return facts(data).classes * (kept - min(round(data.validation * kept), kept - 1))


def nothing_to_learn_from(data: Data) -> str | None:
    """Why no training image is shown; None where there are some."""
    if source(data).facts.train or (data.unlabelled is not None and data.unlabelled_share == 1):
        return None
    return (
        f"{data.title} holds images for the test only; write data.unlabelled=FOLDER data.unlabelled_share=1 for images to "
        "learn from without labels, or put images of each class into train/"
    )


def unlabelled_rows(share: float, batch_size: int) -> int:
    """How many images of a batch have no label: the nearest number, but neither 0 nor, with a share
    below 1, all.
    """
    return batch_size if share == 1 else min(max(1, round(share * batch_size)), batch_size - 1)


def epoch_batches(data: Data, batch_size: int) -> int:
    """Batches in an epoch. An estimate where :func:`training_images` is one."""
    images = training_images(data)
    if data.unlabelled_images is not None:
        without = unlabelled_rows(data.unlabelled_share, batch_size)
        images, batch_size = (
            (data.unlabelled_images, batch_size) if without == batch_size else (images, batch_size - without)
        )
    full, rest = divmod(images, batch_size)
    return max(1, full + (rest > 1))  # a single image is left out


def apart(taught: Data, shown: Data) -> str | None:
    """How a network's training images and classes differ from those of another setting; None where
    they agree.

    A data set's name stands for its classes and their order, its channels and, with the size of its
    images, its normalisation; the first classes of a data set keep their order. So two settings
    agree where name, number of classes and image size are the same (and the checksum of a data set
    of the user's own); fraction, validation split and augmentation may differ.
    """
    first, second = facts(taught), facts(shown)
    same = (taught.name, taught.content) == (shown.name, shown.content)
    if same and (first.classes, first.image) == (second.classes, second.image):
        return None
    parts = [] if first.classes == second.classes else [f"classes: {first.classes} and {second.classes}"]
    other = taught.title != shown.title
    if other and first.classes == second.classes:
        parts = [f"classes: {first.classes} each, but not the same ones"]
    if not other and not same:
        parts.append("other images under the same name")
    if first.image[0] != second.image[0]:
        parts.append(f"channels: {first.image[0]} and {second.image[0]}")
    if first.image[1:] != second.image[1:]:
        sizes = (f"{height}x{width}" for _, height, width in (first.image, second.image))
        parts.append(f"image size: {' and '.join(sizes)}")
    if (first.mean, first.std, taught.size) != (second.mean, second.std, shown.size):
        parts.append("another normalisation")
    return "; ".join(parts)
