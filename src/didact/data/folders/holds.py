"""How much a folder of images holds, as a run has it: counts, and the size of its images."""

from __future__ import annotations

from typing import Any

from didact.data.folders.contents import Contents
from didact.spec import SpecError, clean

Holds = tuple[int, int, int, int, int]
"""Classes, training images, test images, height and width of the decoded images."""

LIMIT = 2**35
"""Images that take more bytes than this once they are decoded are decoded whenever they are shown,
unless a setting decides.
"""


def size(holds: Holds) -> int:
    """Bytes of all images once they are decoded."""
    _, train, test, height, width = holds
    return (train + test) * height * width * 3


def volume(holds: Holds) -> str:
    """The same for people."""
    return f"{size(holds) / 1e9:,.1f} GB" if size(holds) > 1e8 else f"{size(holds) / 1e6:,.1f} MB"


def too_large(holds: Holds) -> bool:
    """Whether images are decoded whenever they are shown, unless a setting decides. The same on
    every machine.
    """
    return size(holds) > LIMIT


def chosen(contents: Contents, size: int | None) -> Holds:
    """Counts and image size of a folder of which images of the size ``size`` are wanted; their own
    size by default.

    Raises:
        SpecError: no size is given, and the images differ in size.
    """
    tree = contents.tree
    if len(tree.names) < 2:
        raise SpecError(
            f"{clean(tree.root)}: images without labels are added to others; write unlabelled={clean(tree.root)}"
        )
    image = contents.image if size is None else (size, size)
    if image is None:
        raise SpecError(
            f"size: the images of {clean(tree.root)} differ in size; write how many pixels each side gets, e.g. 64: the shorter "
            "side is brought to it, and the centre is cut out"
        )
    return len(tree.names), len(tree.train.paths), len(tree.test.paths), *image


def resized(holds: Any, size: int | None) -> Any:
    """The same counts, with images of the size ``size`` where one is given. What are no counts is
    left as it is.
    """
    if size is None or not isinstance(holds, (tuple, list)) or len(holds) != 5:
        return tuple(holds) if isinstance(holds, list) else holds
    return (*holds[:3], size, size)
