"""Names of folders of images, and the folders that they stand for."""

from __future__ import annotations

import os

from didact.data.folders.contents import PREFIX, Contents, contents, last_name
from didact.data.folders.wordnet import ALL, divided
from didact.spec import SpecError, clean


def without_labels(path: str) -> Contents:
    """All images below the folder ``path``, without their classes.

    Raises:
        SpecError: there is no such folder, or it holds no image.
    """
    place = os.path.abspath(os.path.expanduser(path.removeprefix(PREFIX)))
    if not path.strip() or not os.path.isdir(place):
        raise SpecError(f"there is no folder {clean(place)}; write the path of a folder of images")
    return contents(f"{PREFIX}{place}#{ALL}")


def is_folder(name: str) -> bool:
    """Whether ``name`` is that of a folder of images."""
    return name.startswith(PREFIX)


def spelling(checksum: str) -> str:
    """The name ``folder:PATH`` of the folder with this checksum.

    Raises:
        SpecError: it has not been seen on this machine.
    """
    name = last_name(checksum)
    if name is None:
        raise SpecError(f"the folder of images {checksum} has not been seen on this machine")
    return name


def folder_path(checksum: str) -> str:
    """The path of the folder with this checksum.

    Raises:
        SpecError: it has not been seen on this machine.
    """
    return divided(spelling(checksum).removeprefix(PREFIX))[0]
