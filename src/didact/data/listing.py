"""What is known of a data set without loading or downloading it."""

from __future__ import annotations

from dataclasses import dataclass

from didact.data import folders
from didact.data.catalogue import canonical_name, find
from didact.data.contract import Augment
from didact.data.derived import facts, source
from didact.data.settings import Data


def here(data: Data | str) -> int | None:
    """Number of training images of a data set on this machine; None when it is missing or damaged.

    Args:
        data: settings that name it, or the name of a built-in data set or of ``module:NAME``.

    Raises:
        SpecError: there is no such data set.
    """
    return (find(data) if isinstance(data, str) else source(data)).here()


@dataclass(frozen=True)
class Listing:
    """A line of a list of data sets: numbers of published images, whether they are on this machine
    and where.

    ``image``: None where the images differ in size. ``part``: how many training images are on this
    machine, where some are missing.
    """

    name: str
    classes: int
    image: tuple[int, int, int] | None
    train: int
    test: int
    augment: Augment
    source: str
    present: bool
    part: int | None
    where: str


def describe(name: str) -> Listing:
    """What is known of a data set without loading or downloading it.

    Raises:
        SpecError: there is no such data set.
    """
    if folders.is_hub(name):
        return _describe_folder(f"folder:{folders.exported(name)}")
    if folders.is_folder(name):
        return _describe_folder(name)
    source = find(name)
    about, present = source.facts, source.here()
    return Listing(
        name=canonical_name(name),
        classes=about.classes,
        image=about.image,
        train=about.train,
        test=about.test,
        augment=about.augment,
        source=about.source,
        present=present is not None,
        part=present if present is not None and present < about.train else None,
        where=source.where,
    )


def _describe_folder(name: str) -> Listing:
    contents = folders.contents(name)
    about = Data(name=name, size=None if contents.image else 1)
    whole = facts(about)
    return Listing(
        name=about.title,
        classes=whole.classes,
        image=contents.image and (3, *contents.image),
        train=whole.train,
        test=whole.test,
        augment=whole.augment,
        source="; ".join(contents.tree.notes),
        present=True,
        part=None,
        where=str(contents.tree.root),
    )
