"""Settings that choose the images of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import ArgsKwargs

from didact.data import folders
from didact.data.catalogue import canonical_name, checksum, find, names
from didact.data.contract import Augment, Decode
from didact.data.derived import FOLDER, facts, published, source, stored
from didact.data.filled_in import of_folder, without_labels
from didact.data.rand_augment import LARGEST as LARGEST_CHANGE
from didact.spec import MOST, Amount, Count, Flag, Seed, Share, spec

Number = Annotated[int, Field(strict=True, ge=0, le=MOST)]
"""How many there are; maybe none."""

NAMES = (
    f"The data set: {', '.join(names())}; folder:PATH for a folder of images, folder:PATH#LIST for some of its classes; hf:PATH "
    "for a data set of Hugging Face datasets; or module:NAME for your own."
)
"""What :attr:`Data.name` may be, as a setting says it."""


@spec
class Data:
    """Everything that decides which images a network sees. Defaults are filled in when it is made,
    so that a digest holds what was used and not what happened to be the default.
    """

    name: Annotated[str, Field(description=NAMES)] = "digits"
    holds: tuple[Amount, Number, Amount, Amount, Amount] | None = None
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
    erase: Share | None = None
    """Share of the training images that lose a rectangle to the mean colour; none when not given."""
    unlabelled: str | None = None
    """A folder of images without labels that are shown as well: its path. A Run holds its checksum."""
    unlabelled_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of every batch that has no label; with 1 no other image is shown in training."""
    unlabelled_images: Amount | None = None
    """Of the folder without labels, filled in: how many images it holds."""

    later: ClassVar[tuple[str, ...]] = (
        *("size", "content", "holds", "skip_corrupt", "crop", "decode", "randaugment", "randaugment_operations"),
        "erase",
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
        """The title, with how much of it where that is not all, and how it is shown where that is not
        as usual.
        """
        at = f" at {self.size}x{self.size}" if self.size else ""
        at += f" cropped to {self.crop}x{self.crop}" if self.crop else ""
        only = f" {self.classes} classes" if self.classes else ""
        share = f" {100 * self.fraction:g} %" if self.fraction < 1 else ""
        share += f" {self.per_class} per class" if self.per_class else ""
        held = [f"{100 * self.validation:g} % for validation"] if self.validation else []
        held += [f"split seed {self.split_seed}"] if self.split_seed and (share or held) else []
        held += [f"{100 * self.unlabelled_share:g} % without labels"] if self.unlabelled else []
        return ", ".join((self.title + at + only + share, *held, *self._augmented))

    @property
    def _augmented(self) -> list[str]:
        """How training images are shown where that is not as usual, in a few words each."""
        words = [] if self.augment == source(self).facts.augment else [f"augment {self.augment}"]
        if self.randaugment is not None:
            more = self.randaugment_operations != Data.randaugment_operations
            words.append(f"RandAugment {f'{self.randaugment_operations} x ' if more else ''}{self.randaugment}")
        return words + ([f"erase {self.erase:g}"] if self.erase is not None else [])

    @model_validator(mode="before")
    @classmethod
    def _looked_into(cls, given: Any) -> Any:
        """Put what a folder holds in the place of its path: a digest does not depend on where
        images lie.
        """
        values = given.kwargs or {} if isinstance(given, ArgsKwargs) else given
        if not isinstance(values, Mapping):
            return given
        return {**values, **of_folder(values), **without_labels(values)}

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
        whole = published(info.data)  # missing where the name is wrong, which has its own message
        if classes is not None and whole is not None and classes > whole.classes:
            name = info.data["name"]
            raise ValueError(f"{'the folder' if name == FOLDER else name} has {whole.classes} classes")
        return classes

    @field_validator("size")
    @classmethod
    def _is_smaller(cls, size: int | None, info: ValidationInfo) -> int | None:
        name, whole = info.data.get("name"), published(info.data)
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
        whole, size = published(info.data), info.data.get("size")
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
