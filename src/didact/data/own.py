"""Data sets of the user's own: images and labels in memory, or images that are decoded when they
are taken.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from inspect import isfunction
from typing import get_args

import torch

from didact.data.contract import Augment, Facts
from didact.data.given import Images, channel_values, class_names, labelled
from didact.data.resize import CHUNK, sample, statistics, usual_padding
from didact.data.split import Labelled
from didact.spec import SpecError, clean, nearest, shown
from didact.spec.foreign import imported, running


class ImageSet:
    """A data set of the user's own. ``module:NAME`` names one, or a function without arguments that
    returns one.

    What is not given is computed from the images. Means and deviations of images that are decoded
    one by one are those of a sample of the training images.
    """

    def __init__(
        self,
        train: Images,
        test: Images,
        *,
        names: Sequence[str] | None = None,
        augment: Augment = "crop-flip",
        padding: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        source: str = "",
    ) -> None:
        """
        Args:
            train, test: images and labels. Every class has a training image; all images have one
                shape.
            names: of the classes, by label; the numbers 0, 1, ... by default.
            augment: "crop-flip", "crop", "resized-crop-flip" or "none".
            padding: black pixels on every side before a crop; an eighth of the size by default.
            mean, std: of each channel, on the scale 0 to 1.
            source: where the images come from and under which terms.

        Raises:
            SpecError: wrong types, shapes, labels or names; the message says what to write instead.
        """
        self._train, self._test = labelled("train", train), labelled("test", test)
        channels, height, width = _shape(self._train, self._test)
        self._names = class_names(names, self._train.labels, self._test.labels)
        _check(augment, padding, min(height, width))
        self._given = padding, channel_values("mean", mean, channels), channel_values("std", std, channels)
        measured = statistics(self._train) if mean is None or std is None else ((), ())
        self.facts = Facts(
            classes=len(self._names),
            image=(channels, height, width),
            train=len(self._train.labels),
            test=len(self._test.labels),
            augment=augment,
            padding=usual_padding(min(height, width)) if padding is None else padding,
            mean=self._given[1] or measured[0],
            std=self._given[2] or measured[1],
            source=source,
        )

    @property
    def where(self) -> str:
        """For a list: the code that gave them."""
        return "your own code"

    def here(self) -> int:
        """How many training images there are."""
        return len(self._train.labels)

    def prepare(self) -> None:
        """Nothing: the images are here."""

    def read(self) -> tuple[Labelled, Labelled, tuple[str, ...]]:
        """Training images, test images and names of the classes."""
        return self._train, self._test, self._names

    @cached_property
    def checksum(self) -> str:
        """16 hexadecimal digits of the labels, the images (a sample of those that are decoded one
        by one) and what was given.
        """
        content = hashlib.sha256(repr(self._given).encode())
        for images in (self._train, self._test):
            content.update(repr((len(images.labels), self.facts.image)).encode() + images.labels.numpy().tobytes())
            for pixels in sample(images).images.split(CHUNK):
                content.update(pixels.permute(0, 2, 3, 1).contiguous().numpy().data)
        return content.hexdigest()[:16]


def own(name: str) -> ImageSet:
    """The data set ``module:NAME``. A function of that name is called once.

    Raises:
        SpecError: the module or the name does not exist, the function fails, or it is no
            :class:`ImageSet`.
    """
    module, attribute = imported(name, "data set")
    value = getattr(module, attribute, None)
    if value is None:
        known = [key for key, value in vars(module).items() if isinstance(value, ImageSet) or isfunction(value)]
        raise SpecError(f"{module.__name__!r} holds no data set {attribute!r}{nearest(attribute, known)}")
    returned = _returned(name, value) if callable(value) else value
    if not isinstance(returned, ImageSet):
        should = "should return" if callable(value) else "should be"
        raise SpecError(f"{name!r} {should} a didact.data.ImageSet, found {clean(type(returned).__name__)}")
    return returned


@functools.lru_cache(maxsize=16)
def _returned(name: str, function: Callable[[], object]) -> object:
    with running(name, "when it is called without arguments"):
        try:
            return function()
        except SpecError as error:
            raise SpecError(f"{name}: {error}") from error


def _shape(train: Labelled, test: Labelled) -> tuple[int, ...]:
    """(c, h, w) of both; of each the first image is looked at."""
    shapes = [tuple(images.take(torch.tensor([0])).images.shape[1:]) for images in (train, test)]
    if shapes[0] != shapes[1]:
        raise SpecError(f"train, test: images of one shape, found {shapes[0]} and {shapes[1]}; resize or crop them first")
    return shapes[0]


def _check(augment: str, padding: int | None, size: int) -> None:
    """``augment`` and ``padding`` are what images of ``size`` pixels can have."""
    if augment not in get_args(Augment):
        raise SpecError(f"augment: one of {', '.join(get_args(Augment))}, found {shown(augment)}")
    if padding is not None and not (isinstance(padding, int) and 0 <= padding <= size):
        raise SpecError(f"padding: a whole number from 0 to {size}, found {shown(padding)}")
