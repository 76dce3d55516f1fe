"""Settings that choose the images of a run, and what follows from them without loading an image."""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from didact.data.catalogue import canonical_name, checksum, find, names
from didact.data.contract import Augment, Facts
from didact.data.resize import usual_padding
from didact.spec import MOST, Count, Seed, Share, spec


@spec
class Data:
    """Everything that decides which images a network sees. Defaults are filled in when it is made, so that a digest holds
    what was used and not what happened to be the default."""

    name: Annotated[str, Field(description=f"The data set: {', '.join(names())}, or module:NAME for your own.")] = "digits"
    fraction: Share = 1.0
    """Share of the training images that is kept, the same in every class."""
    classes: Annotated[int, Field(ge=2, le=MOST)] | None = None
    """Only the first so many classes, of the test set too; all when not given."""
    per_class: Count | None = None
    """At most so many training images of each class, after the fraction."""
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the kept training images that is set aside, the same in every class."""
    augment: Augment | None = None
    """Augmentation of training images; the data set's own when not given (didact list data)."""
    split_seed: Seed = 0
    """Draws which images are kept and which are set aside."""
    size: Count | None = None
    """Images of so many pixels on each side, area-averaged; their own size when not given."""
    content: str | None = None
    """Checksum of your own data set, filled in: with other images it is another run. Built-in data sets have none."""

    later: ClassVar[tuple[str, ...]] = ("size", "content")

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
        name = canonical_name(name)
        find(name)
        return name

    @field_validator("classes")
    @classmethod
    def _there_are(cls, classes: int | None, info: ValidationInfo) -> int | None:
        name = info.data.get("name")  # missing where the name is wrong, which has its own message
        if classes is not None and name is not None and classes > find(name).facts.classes:
            raise ValueError(f"{name} has {find(name).facts.classes} classes")
        return classes

    @field_validator("size")
    @classmethod
    def _is_smaller(cls, size: int | None, info: ValidationInfo) -> int | None:
        name = info.data.get("name")
        if size is None or name is None:
            return size
        _, height, width = find(name).facts.image
        if height != width:
            raise ValueError(f"the images of {name} are {height}x{width}, and only square ones are made smaller")
        if size > height:
            raise ValueError(f"the images of {name} are {height}x{width}, and are not enlarged")
        return size

    @field_validator("content")
    @classmethod
    def _is_of_own(cls, content: str | None, info: ValidationInfo) -> str | None:
        if content is not None and ":" not in info.data.get("name", ":"):
            raise ValueError("only a data set of your own (module:NAME) has one; leave it out")
        return content

    @model_validator(mode="after")
    def _leaves_images(self) -> Data:
        """Refuse shares that round to no image of a class, by the mean number of images of the classes."""
        images = find(self.name).facts.train // find(self.name).facts.classes
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
        whole = find(self.name).facts
        if self.augment is None:
            object.__setattr__(self, "augment", whole.augment)
        if (self.size, self.size) == whole.image[1:]:
            object.__setattr__(self, "size", None)
        if self.content is None:
            object.__setattr__(self, "content", checksum(self.name))


def facts(data: Data) -> Facts:
    """The facts of the data set that ``data`` names, with as many classes as ``data`` keeps, at the size of its images.

    ``mean`` and ``std`` are those of the published images; ``load`` takes those of smaller ones from the images.
    """
    whole = find(data.name).facts
    if data.classes is not None:
        whole = dataclasses.replace(whole, classes=data.classes)
    if data.size is not None:
        image = (whole.image[0], data.size, data.size)
        whole = dataclasses.replace(whole, image=image, padding=usual_padding(data.size))
    return whole


def training_images(data: Data) -> int:
    """How many training images ``data`` leaves. An estimate where the classes of its data set differ in size."""
    whole = find(data.name).facts
    kept = max(1, round(data.fraction * whole.train / whole.classes))
    kept = min(kept, data.per_class or kept)
    return facts(data).classes * (kept - min(round(data.validation * kept), kept - 1))


def apart(taught: Data, shown: Data) -> str | None:
    """How a network's training images and classes differ from those of another setting; None where they agree.

    A data set's name stands for its classes and their order, its channels and, with the size of its images, its normalisation;
    the first classes of a data set keep their order. So two settings agree where name, number of classes and image size are
    the same (and the checksum of a data set of the user's own); fraction, validation split and augmentation may differ.
    """
    first, second = facts(taught), facts(shown)
    same = (taught.name, taught.content) == (shown.name, shown.content)
    if same and (first.classes, first.image) == (second.classes, second.image):
        return None
    parts = [] if first.classes == second.classes else [f"classes: {first.classes} and {second.classes}"]
    if taught.name != shown.name and first.classes == second.classes:
        parts = [f"classes: {first.classes} each, but not the same ones"]
    if taught.name == shown.name and not same:
        parts.append("other images under the same name")
    if first.image[0] != second.image[0]:
        parts.append(f"channels: {first.image[0]} and {second.image[0]}")
    if first.image[1:] != second.image[1:]:
        sizes = (f"{height}x{width}" for _, height, width in (first.image, second.image))
        parts.append(f"image size: {' and '.join(sizes)}")
    if (first.mean, first.std, taught.size) != (second.mean, second.std, shown.size):
        parts.append("another normalisation")
    return "; ".join(parts)
