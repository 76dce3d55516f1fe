"""Checks of images, labels and names that a user gives for a data set of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from didact.data.items import MOST, gathered, is_dataset
from didact.data.split import Labelled, Split
from didact.spec import SpecError, clean, plural, shown
from didact.spec.foreign import running


class Items(Protocol):
    """A torch ``Dataset`` of known length."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


Images: TypeAlias = "tuple[Any, Any] | Labelled | Items"
"""(images, labels) as arrays or tensors: uint8 (n, c, h, w) and whole numbers (n,); or images that
come when they are taken; or a torch ``Dataset`` of (image, label).
"""


class Checked:
    """Images that come when they are taken, by the user's own code. What it returns is checked."""

    def __init__(self, part: str, images: Labelled) -> None:
        self.labels = _labels(part, images.labels)
        self._part = part
        self._images = images
        self._image: tuple[int, ...] | None = None

    def take(self, rows: Tensor) -> Split:
        """The images at ``rows`` (int64, (m,)), in that order.

        Raises:
            SpecError: the user's code fails, or returns something else than these images.
        """
        name = f"{self._part}: {type(self._images).__name__}.take"
        with running(name, "when images are taken"):
            split = self._images.take(rows)
        if not isinstance(split, Split):
            raise SpecError(f"{name} should return a didact.data.Split, found {type(split).__name__}")
        _check_pixels(name, split.images)
        self._image = self._image or tuple(split.images.shape[1:])
        if tuple(split.images.shape) != (len(rows), *self._image):
            raise SpecError(
                f"{name} should return images of the shape {(len(rows), *self._image)}, found {tuple(split.images.shape)}"
            )
        if not torch.equal(split.labels, self.labels[rows]):
            raise SpecError(f"{name} should return the labels at the rows that it is given, found others")
        return Split(split.images.contiguous(memory_format=torch.channels_last), split.labels, split.index)


def labelled(part: str, images: Images) -> Labelled:
    """The images that are given for ``part`` ("train" or "test"), checked.

    Raises:
        SpecError: wrong types or shapes, labels below 0, or no image.
    """
    if hasattr(images, "take") and hasattr(images, "labels"):
        whole: Labelled = Checked(part, images)  # type: ignore[arg-type]
    elif isinstance(images, (tuple, list)) and len(images) == 2:
        pixels, labels = _pixels(part, images[0]), _labels(part, images[1])
        if len(pixels) != len(labels):
            raise SpecError(f"{part}: one label for each image, found {len(pixels)} images and {len(labels)} labels")
        whole = Split.whole(pixels, labels)
    elif is_dataset(images):
        whole = gathered(part, images)
        _labels(part, whole.labels)
    else:
        raise SpecError(f"{part}: a pair (images, labels), found {clean(type(images).__name__)}")
    if not len(whole.labels):
        raise SpecError(f"{part}: at least one image, found none")
    return whole


def _pixels(part: str, images: Any) -> Tensor:
    try:
        pixels = images.cpu() if isinstance(images, Tensor) else np.asarray(images)
        if isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8:
            pixels = torch.from_numpy(np.require(pixels, requirements=("C", "W")))
    except ValueError as error:  # a list of arrays of several shapes
        raise SpecError(f"{part}: images of one shape; resize or crop them first ({error})") from None
    _check_pixels(part, pixels)
    return torch.as_tensor(pixels)


def _check_pixels(part: str, pixels: Tensor | np.ndarray) -> None:
    if pixels.dtype not in (torch.uint8, np.uint8):
        kind = str(pixels.dtype).removeprefix("torch.")
        raise SpecError(f"{part}: images of the type uint8, 0 to 255, found {kind}; for 0 to 1, scale and round them")
    shape = tuple(pixels.shape)
    if len(shape) != 4 or 0 in shape[1:]:
        hint = "; add the channel: images[:, None]" if len(shape) == 3 else ""
        raise SpecError(f"{part}: images of the shape (n, channels, height, width), found {shape}{hint}")
    if shape[3] in (1, 3) and shape[1] > 4:
        raise SpecError(f"{part}: images of the shape (n, channels, height, width), found {shape}; move the channels first")


def _labels(part: str, labels: Any) -> Tensor:
    values = np.asarray(labels.cpu() if isinstance(labels, Tensor) else labels)
    if values.dtype.kind not in "iu" or values.ndim != 1:
        raise SpecError(
            f"{part}: labels are whole numbers of the shape (n,), found {values.dtype} of the shape {values.shape}; "
            "one-hot labels become numbers by argmax(1)"
        )
    if len(values) and values.min() < 0:
        raise SpecError(f"{part}: labels from 0, found {values.min()} at position {int(values.argmin())}")
    if len(values) and values.max() > MOST:
        raise SpecError(f"{part}: labels count classes from 0, found {values.max()} at position {int(values.argmax())}")
    return torch.from_numpy(values.astype(np.int64))


def class_names(given: Sequence[str] | None, train: Tensor, test: Tensor) -> tuple[str, ...]:
    """The names of the classes, by label.

    Raises:
        SpecError: a label has no name or no training image, or there are fewer than two classes.
    """
    seen = int(train.max()) + 1
    classes = seen if given is None else len(given)
    if max(classes, seen) < 2:
        raise SpecError(f"train: at least two classes, found {classes}; labels count from 0")
    for part, labels in (("train", train), ("test", test)):
        if int(labels.max()) >= classes:
            at = int((labels >= classes).nonzero()[0])
            known = f"training has the classes 0 to {classes - 1}"
            named = f"names has {plural(classes, 'name')}, and needs one for each class"
            raise SpecError(f"{part}: label {labels[at]} at position {at}, but {known if given is None else named}")
    present = train.unique()  # ascending
    if len(present) < classes:
        empty = int((present == torch.arange(len(present))).sum())  # the classes before the first gap
        called = "" if given is None else f" ({shown(given[empty])})"
        raise SpecError(f"train: an image of every class, found none of class {empty}{called}")
    names = tuple(map(str, range(classes))) if given is None else tuple(given)
    wrong = [name for name in names if not isinstance(name, str) or not name.strip()]
    if isinstance(given, str) or wrong or len(set(names)) < classes:
        raise SpecError(f"names: a list of texts, one a class, all different, found {shown(given)}")
    return names


def channel_values(what: str, values: Sequence[float] | None, channels: int) -> tuple[float, ...] | None:
    """A mean or a deviation for each channel."""
    if values is None:
        return None
    numbers = tuple(float(value) for value in values)
    low = 0 if what == "mean" else 1e-6
    if len(numbers) != channels or not all(low <= number <= 1 for number in numbers):
        above = "above 0" if what == "std" else "from 0"
        raise SpecError(
            f"{what}: a number for each of {channels} channels, {above} to 1 (images count 0 to 255 as 0 to 1), "
            f"found {shown(numbers)}"
        )
    return numbers
