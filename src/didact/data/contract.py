"""The contract of a data set: facts that are known before an image is read, and a reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from didact.data.split import Labelled
from didact.files.disk import UnwritableError, refused
from didact.spec import RequestError

Augment = Literal["crop-flip", "crop", "resized-crop-flip", "none"]
"""How training images are shown: as they are, a part of them, a part of random area and shape
(``resized``), mirrored or not.
"""

Decode = Literal["once", "always"]


class DataError(RequestError):
    """The images are missing, or differ from what was published."""


class NoRoomError(DataError, UnwritableError):
    """The images cannot be kept: the disk refuses."""


def unkept(error: BaseException, message: str) -> DataError:
    """The error with this message: a :class:`NoRoomError` where the disk refuses."""
    return NoRoomError(message) if refused(error) else DataError(message)


@dataclass(frozen=True)
class Facts:
    """What is known of a data set without reading its images.

    Attributes:
        classes: number of classes.
        image: shape (c, h, w).
        train, test: number of published images.
        augment: the augmentation of training images, unless :class:`~didact.data.Data` sets
            another.
        padding: black pixels on every side before a crop.
        mean, std: of each channel over the training images as published, on the scale 0 to 1.
        source: where the images come from and under which terms.
    """

    classes: int
    image: tuple[int, int, int]
    train: int
    test: int
    augment: Augment
    padding: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str


class DataSource(Protocol):
    """A data set. Each file of :mod:`didact.data.sets` defines one, as ``DATA_SET``."""

    @property
    def facts(self) -> Facts:
        """What is known of the images without reading them."""
        ...

    @property
    def where(self) -> str:
        """Where its images lie, for a list."""
        ...

    def here(self) -> int | None:
        """Number of training images on this machine; None when they are missing or damaged."""
        ...

    def prepare(self) -> None:
        """Download what is missing.

        Raises:
            DataError: the files cannot be downloaded, or differ from what was published.
        """
        ...

    def read(self) -> tuple[Labelled, Labelled, tuple[str, ...]]:
        """Training images, test images and names of the classes; downloads what is missing.

        Raises:
            DataError: as :meth:`prepare`.
        """
        ...
