"""What data sets there are and what a person may ask of one: plain values, nothing is loaded here."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from didact.spec import MOST, Count, RequestError, Seed, Share, SpecError, nearest, shown, spec

Augment = Literal["crop-flip", "crop", "none"]


class DataError(RequestError):
    """The images are not there, or are not what was published."""


@dataclass(frozen=True)
class Facts:
    """What is known of a data set without opening it.

    Attributes:
        classes: number of classes.
        image: shape (c, h, w).
        train, test: number of published images.
        augment: what is done to training images when nothing else is said.
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


CIFAR = "Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html; no licence stated, the author asks to be cited"

CATALOGUE: dict[str, Facts] = {
    "cifar10": Facts(
        classes=10,
        image=(3, 32, 32),
        train=50_000,
        test=10_000,
        augment="crop-flip",
        padding=4,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        source=CIFAR,
    ),
    "cifar100": Facts(
        classes=100,
        image=(3, 32, 32),
        train=50_000,
        test=10_000,
        augment="crop-flip",
        padding=4,
        mean=(0.5071, 0.4867, 0.4408),
        std=(0.2675, 0.2565, 0.2761),
        source=CIFAR,
    ),
    "digits": Facts(
        classes=10,
        image=(1, 16, 16),
        train=1_000,
        test=797,
        augment="crop",  # a mirrored digit is another sign
        padding=2,
        mean=(0.3049,),
        std=(0.3186,),
        source="Alpaydin and Kaynak 1998, UCI Optical Recognition of Handwritten Digits (CC BY 4.0), as in scikit-learn",
    ),
    "stl10": Facts(
        classes=10,
        image=(3, 96, 96),
        train=5_000,
        test=8_000,
        augment="crop-flip",
        padding=12,  # an eighth of the size, as for CIFAR
        mean=(0.4467, 0.4398, 0.4066),
        std=(0.2603, 0.2566, 0.2713),
        source="Coates, Ng and Lee 2011, https://cs.stanford.edu/~acoates/stl10/; images from ImageNet, no licence stated, "
        "the authors ask to be cited",
    ),
    "tiny-imagenet": Facts(
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
}


def names() -> list[str]:
    """The data sets there are."""
    return sorted(CATALOGUE)


def canonical_name(name: str) -> str:
    """The catalogue's spelling of ``name``: ``CIFAR-100`` is ``cifar100``.

    Raises:
        SpecError: there is no such data set; the nearest ones are named.
    """
    spelt = {_plain(known): known for known in CATALOGUE}
    if _plain(name) not in spelt:
        raise SpecError(f"unknown data set {shown(name)}{nearest(name, CATALOGUE)}")
    return spelt[_plain(name)]


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


@spec
class Data:
    """Everything that decides which images a network sees. Defaults are filled in when it is made, so that a digest holds
    what was used and not what happened to be the default."""

    name: str = "digits"
    """The data set: digits, cifar10, cifar100, stl10 or tiny-imagenet."""
    fraction: Share = 1.0
    """Share of the training images that is kept, the same in every class."""
    classes: Annotated[int, Field(ge=2, le=MOST)] | None = None
    """Only the first so many classes, of the test set too; all when not given."""
    per_class: Count | None = None
    """At most so many training images of each class, after the fraction."""
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the kept training images that is set aside, the same in every class."""
    augment: Augment | None = None
    """What is done to training images; none given means the data set's own: crop for digits, crop-flip for others."""
    split_seed: Seed = 0
    """Draws which images are kept and which are set aside."""
    size: Count | None = None
    """Images of so many pixels on each side, area-averaged; their own size when not given."""

    later: ClassVar[tuple[str, ...]] = ("size",)

    @property
    def label(self) -> str:
        """The name, with how much of it where that is not all."""
        share = f" {100 * self.fraction:g} %" if self.fraction < 1 else ""
        only = f" {self.classes} classes" if self.classes else ""
        at = f" at {self.size}x{self.size}" if self.size else ""
        held = f", {100 * self.validation:g} % for validation" if self.validation else ""
        return self.name + at + only + share + (f" {self.per_class} per class" if self.per_class else "") + held

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        return canonical_name(name)

    @field_validator("classes")
    @classmethod
    def _there_are(cls, classes: int | None, info: ValidationInfo) -> int | None:
        known = CATALOGUE.get(info.data.get("name", ""))  # a wrong name has its own complaint
        if classes is not None and known is not None and classes > known.classes:
            raise ValueError(f"{info.data['name']} has {known.classes} classes")
        return classes

    @field_validator("size")
    @classmethod
    def _is_smaller(cls, size: int | None, info: ValidationInfo) -> int | None:
        known = CATALOGUE.get(info.data.get("name", ""))
        if size is not None and known is not None and size > min(known.image[1:]):
            height, width = known.image[1:]
            raise ValueError(f"the images of {info.data['name']} are {height}x{width}, and are not enlarged")
        return size

    @model_validator(mode="after")
    def _leaves_images(self) -> Data:
        """Refuse shares that round to no image of a class, by the mean number of images of the classes."""
        images = CATALOGUE[self.name].train // CATALOGUE[self.name].classes
        kept = round(self.fraction * images)
        if kept < 1:
            raise ValueError(
                f"fraction: {self.fraction:g} of about {images} training images a class is none; write {1 / images:g} or more"
            )
        kept = min(kept, self.per_class or kept)
        if self.validation and round(self.validation * kept) >= kept:
            raise ValueError(
                f"validation: {self.validation:g} of about {kept} images a class leaves none to train on; "
                + (f"write {(kept - 1) / kept:.3g} or less" if kept > 1 else "keep more images (fraction, per_class)")
            )
        return self

    def __post_init__(self) -> None:
        if self.augment is None:
            object.__setattr__(self, "augment", CATALOGUE[self.name].augment)
        if (self.size, self.size) == CATALOGUE[self.name].image[1:]:
            object.__setattr__(self, "size", None)


def facts(data: Data) -> Facts:
    """What is known of the data set that ``data`` names, with as many classes as ``data`` keeps, at the size of its images.

    ``mean`` and ``std`` are those of the published images; ``load`` takes those of smaller ones from the images.
    """
    about = CATALOGUE[data.name]
    if data.classes is not None:
        about = dataclasses.replace(about, classes=data.classes)
    if data.size is not None:
        image = (about.image[0], data.size, data.size)
        about = dataclasses.replace(about, image=image, padding=(data.size + 4) // 8)
    return about


def training_images(data: Data) -> int:
    """How many images ``data`` leaves to train on, where all classes of its data set have the same number: about so many else."""
    whole = CATALOGUE[data.name]
    kept = max(1, round(data.fraction * whole.train / whole.classes))
    kept = min(kept, data.per_class or kept)
    return facts(data).classes * (kept - min(round(data.validation * kept), kept - 1))


def apart(taught: Data, shown: Data) -> str | None:
    """How the images and classes that a network was trained on differ from those that it is to be shown; None: not at all.

    A data set's name stands for its classes and their order, its channels and, with the size of its images, its normalisation;
    the first classes of a data set keep their order. So two settings go together where name, number of classes and image size
    are the same; which of the images are used, and how they are augmented, may differ.
    """
    first, second = facts(taught), facts(shown)
    if (taught.name, first.classes, first.image) == (shown.name, second.classes, second.image):
        return None
    parts = [] if first.classes == second.classes else [f"classes: {first.classes} and {second.classes}"]
    if taught.name != shown.name and first.classes == second.classes:
        parts = [f"classes: {first.classes} each, but not the same ones"]
    if first.image[0] != second.image[0]:
        parts.append(f"channels: {first.image[0]} and {second.image[0]}")
    if first.image[1:] != second.image[1:]:
        sizes = (f"{height}x{width}" for _, height, width in (first.image, second.image))
        parts.append(f"image size: {' and '.join(sizes)}")
    if (first.mean, first.std, taught.size) != (second.mean, second.std, shown.size):
        parts.append("another normalisation")
    return "; ".join(parts)


def root() -> Path:
    """The folder of the data sets: ``DIDACT_DATA``, or a folder of didact in the user's cache. It need not exist yet.

    Raises:
        DataError: ``DIDACT_DATA`` is empty, or names a file.
    """
    named = os.environ.get("DIDACT_DATA")
    if named is None:
        import pooch

        return Path(pooch.os_cache("didact"))
    if not named.strip():
        raise DataError("DIDACT_DATA is empty; set it to the folder of the data sets, or unset it for the user's cache")
    folder = Path(os.path.expanduser(named))
    if folder.exists() and not folder.is_dir():
        raise DataError(
            f"DIDACT_DATA names {folder}, which is not a folder; set it to the folder of the data sets, or unset it"
        )
    return folder
