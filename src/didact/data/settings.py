"""Settings that choose the images of a run, and what follows from them without loading an image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import ArgsKwargs

from didact.data import folders
from didact.data.catalogue import canonical_name, checksum, find, names
from didact.data.contract import Augment, DataSource, Decode, Facts
from didact.data.rand_augment import LARGEST as LARGEST_CHANGE
from didact.data.resize import usual_padding
from didact.spec import MOST, Amount, Count, Flag, RequestError, Seed, Share, SpecError, spec

FOLDER = "folder"
"""The name of every folder of images; its contents tell one from another."""


@spec
class Data:
    """Everything that decides which images a network sees. Defaults are filled in when it is made,
    so that a digest holds what was used and not what happened to be the default.
    """

    name: Annotated[
        str,
        Field(
            description=f"The data set: {', '.join(names())}; folder:PATH for a folder of images, folder:PATH#LIST for some of "
            "its classes; hf:PATH for a data set of Hugging Face datasets; or module:NAME for your own."
        ),
    ] = "digits"
    holds: tuple[Amount, Amount, Amount, Amount, Amount] | None = None
    """Of a folder, filled in: classes, training images, test images, height, width."""
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
    """Images of so many pixels on each side, area-averaged; their own size when not given. A
    folder's are cut to squares.
    """
    content: str | None = None
    """Checksum of your own data set, filled in: with other images it is another run. Built-in data
    sets have none.
    """
    skip_corrupt: Flag = False
    """Of a folder: leave out images that cannot be decoded, which are refused otherwise."""

    crop: Count | None = None
    """Show so many pixels on each side of the images, which are larger: in training a random part,
    in a test the centre.
    """
    decode: Decode | None = None
    """When a folder's training images are decoded: once, or always when they are shown; by their
    size in all when not given.
    """
    randaugment: Annotated[int, Field(ge=1, le=LARGEST_CHANGE)] | None = None
    """Magnitude, 1 to 30, of RandAugment, which changes training images after crop and flip; none
    when not given.
    """
    randaugment_operations: Annotated[int, Field(ge=1, le=20)] = 2
    """Of RandAugment: how many changes of every image."""
    unlabelled: str | None = None
    """A folder of images without labels that are shown as well: its path. A Run holds its checksum."""
    unlabelled_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of every batch that has no label; with 1 no other image is shown in training."""
    unlabelled_images: Amount | None = None
    """Of the folder without labels, filled in: how many images it holds."""

    later: ClassVar[tuple[str, ...]] = (
        *("size", "content", "holds", "skip_corrupt", "crop", "decode", "randaugment", "randaugment_operations"),
        *("unlabelled", "unlabelled_share", "unlabelled_images"),
    )

    @property
    def title(self) -> str:
        """What people call the data set: its name, or that of the folder."""
        one = source(self)
        return one.title if isinstance(one, folders.Folder) else self.name

    @property
    def spelling(self) -> str:
        """The name under which a command finds it. A folder's has the place where it was seen last.

        Raises:
            SpecError: the folder has not been seen on this machine.
        """
        return self.name if self.content is None or self.name != FOLDER else folders.spelling(self.content)

    def called(self, name: str) -> bool:
        """Whether ``name`` is this data set's: the same name, or a folder with the same contents."""
        if folders.is_hub(name):
            name = f"folder:{folders.exported(name)}"
        return folders.contents(name).checksum == self.content if folders.is_folder(name) else name == self.name

    @property
    def label(self) -> str:
        """The title, with how much of it where that is not all."""
        share = f" {100 * self.fraction:g} %" if self.fraction < 1 else ""
        only = f" {self.classes} classes" if self.classes else ""
        at = f" at {self.size}x{self.size}" if self.size else ""
        at += f" cropped to {self.crop}x{self.crop}" if self.crop else ""
        held = f", {100 * self.validation:g} % for validation" if self.validation else ""
        held += f", {100 * self.unlabelled_share:g} % without labels" if self.unlabelled else ""
        return self.title + at + only + share + (f" {self.per_class} per class" if self.per_class else "") + held

    @model_validator(mode="before")
    @classmethod
    def _looked_into(cls, given: Any) -> Any:
        """Put what a folder holds in the place of its path: a digest does not depend on where
        images lie.
        """
        values = given.kwargs or {} if isinstance(given, ArgsKwargs) else given
        if not isinstance(values, Mapping):
            return given
        return {**values, **_of_folder(values), **_without_labels(values)}

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name == FOLDER:
            return name
        name = canonical_name(name)
        find(name)
        return name

    @field_validator("classes")
    @classmethod
    def _there_are(cls, classes: int | None, info: ValidationInfo) -> int | None:
        whole = _published(info.data)  # missing where the name is wrong, which has its own message
        if classes is not None and whole is not None and classes > whole.classes:
            name = info.data["name"]
            raise ValueError(f"{'the folder' if name == FOLDER else name} has {whole.classes} classes")
        return classes

    @field_validator("size")
    @classmethod
    def _is_smaller(cls, size: int | None, info: ValidationInfo) -> int | None:
        name, whole = info.data.get("name"), _published(info.data)
        if size is None or whole is None or name == FOLDER:
            return size
        _, height, width = whole.image
        if height != width:
            raise ValueError(f"the images of {name} are {height}x{width}, and only square ones are made smaller")
        if size > height:
            raise ValueError(f"the images of {name} are {height}x{width}, and are not enlarged")
        return size

    @field_validator("content")
    @classmethod
    def _is_of_own(cls, content: str | None, info: ValidationInfo) -> str | None:
        name = info.data.get("name", FOLDER)
        if content is not None and ":" not in name and name != FOLDER:
            raise ValueError("only a data set of your own (module:NAME) has one; leave it out")
        return content

    @field_validator("skip_corrupt")
    @classmethod
    def _is_of_folder(cls, skip: bool, info: ValidationInfo) -> bool:
        if skip and info.data.get("name", FOLDER) != FOLDER:
            raise ValueError("is for a folder of images (folder:PATH); leave it out")
        return skip

    @field_validator("crop")
    @classmethod
    def _fits(cls, crop: int | None, info: ValidationInfo) -> int | None:
        whole, size = _published(info.data), info.data.get("size")
        if crop is None or whole is None:
            return crop
        height, width = (size, size) if size else whole.image[1:]
        if height != width:
            raise ValueError(f"is cut from square images, and these are {height}x{width}; write data.size, too")
        if crop > height:
            raise ValueError(f"is cut from images of {height}x{width}; write {height} or less, or a larger data.size")
        return None if crop == height else crop

    @field_validator("decode")
    @classmethod
    def _fits_in(cls, decode: Decode | None, info: ValidationInfo) -> Decode | None:
        """Only what differs from the usual is kept, so that a digest does not depend on whether the
        usual was written.
        """
        holds = info.data.get("holds")
        if holds is None:
            if decode == "always":
                raise ValueError("is for a folder of images (folder:PATH); leave it out")
            return None
        large = folders.too_large(holds)
        return (decode or "always") if large else decode if decode == "always" else None

    @model_validator(mode="after")
    def _has_room_for_others(self) -> Data:
        """Refuse images without labels that cannot be like the others."""
        if (self.unlabelled is None) != (self.unlabelled_images is None):
            raise ValueError("unlabelled_images: is filled in; write unlabelled=PATH alone")
        if self.unlabelled is None:
            if self.unlabelled_share != 0.5:
                raise ValueError(
                    "unlabelled_share: is the share of images without labels, and there are none; write unlabelled=PATH"
                )
            return self
        channels, height, width = stored(self)
        if channels != 3 or height != width:
            raise ValueError(
                f"unlabelled: its images get the shape of the others, 3 channels and square, and these are "
                f"{channels}x{height}x{width}; "
                + ("write data.size" if channels == 3 else "use a data set of colour images")
            )
        return self

    @model_validator(mode="after")
    def _can_be_shown(self) -> Data:
        """Refuse what the augmentation cannot be for these images."""
        image = facts(self).image
        if self.augment == "resized-crop-flip" and image[1] != image[2]:
            raise ValueError(
                f"augment: resized-crop-flip makes squares, and the images are {image[1]}x{image[2]}; write data.size"
            )
        if self.randaugment is None and self.randaugment_operations != Data.randaugment_operations:
            raise ValueError("randaugment_operations: is for data.randaugment; write a magnitude, e.g. data.randaugment=9")
        if self.decode == "always" and self.size is None:
            raise ValueError("decode: always decodes to squares; write data.size")
        return self

    @model_validator(mode="after")
    def _leaves_images(self) -> Data:
        """Refuse shares that round to no image of a class, by the mean number of images of the
        classes.
        """
        if (self.name == FOLDER) != (self.holds is not None) or (self.holds is not None and self.content is None):
            raise ValueError("holds: belongs to a folder of images, and is filled in; write name=folder:PATH")
        whole = source(self).facts
        images = max(1, whole.train // whole.classes)
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
        whole = source(self).facts
        if self.augment is None:
            object.__setattr__(self, "augment", whole.augment)
        if (self.size, self.size) == whole.image[1:] and self.name != FOLDER:
            object.__setattr__(self, "size", None)
        if self.content is None:
            object.__setattr__(self, "content", checksum(self.name))


def _of_folder(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is filled in of settings for a folder of images; nothing for other data sets.

    Raises:
        ValueError: there is no such folder, it holds no classes of images, or its size must be
            given.
    """
    name, size, content = given.get("name"), given.get("size"), given.get("content")
    size = size if isinstance(size, int) and size > 0 else None  # anything else has its own message
    if name == FOLDER and given.get("holds") is not None and isinstance(content, str):
        counts = folders.resized(given["holds"], size)
    elif name == FOLDER:
        raise ValueError("name: folder needs a path; write folder:PATH")
    elif isinstance(name, str) and (folders.is_folder(name) or folders.is_hub(name)):
        try:
            contents = folders.contents(f"folder:{folders.exported(name)}" if folders.is_hub(name) else name)
            now = contents.checksum
        except RequestError as error:
            raise ValueError(f"name: {error}") from None
        if content not in (None, now):
            raise ValueError(f"content: {name} holds {now} now, and these settings belong to {content}; leave content out")
        counts, content = folders.chosen(contents, size), now
    else:
        return {}
    square = counts[3] if isinstance(counts, tuple) and counts[3] == counts[4] else None
    return {"name": FOLDER, "holds": counts, "content": content} | ({"size": square} if given.get("size") is None else {})


def _without_labels(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is filled in for a folder of images without labels; nothing where there is none, or
    where it is filled in already.

    Raises:
        ValueError: there is no such folder, or it holds no image.
    """
    path = given.get("unlabelled")
    if given.get("unlabelled_share") == 0:
        return {"unlabelled": None, "unlabelled_share": 0.5, "unlabelled_images": None}
    if not isinstance(path, str) or given.get("unlabelled_images") is not None:
        return {}
    try:
        contents = folders.without_labels(path)
        return {"unlabelled": contents.checksum, "unlabelled_images": len(contents.paths)}
    except SpecError as error:
        raise ValueError(f"unlabelled: {error}") from None


def unlabelled_source(data: Data) -> folders.Folder | None:
    """The images without labels of ``data``, at the size of the others; None where there are none."""
    if data.unlabelled is None or data.unlabelled_images is None:
        return None
    _, height, width = stored(data)
    holds = (1, data.unlabelled_images, 0, height, width)
    always = data.decode == "always" or (data.decode is None and folders.too_large(holds))
    return folders.Folder(data.unlabelled, holds, crop=True, skip=data.skip_corrupt, always=always)


def _published(given: Mapping[str, Any]) -> Facts | None:
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
