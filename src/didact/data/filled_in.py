"""What is filled in of settings that name a folder of images: what it holds stands in the place of
its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from didact.data import folders
from didact.data.derived import FOLDER
from didact.spec import RequestError, SpecError


def of_folder(given: Mapping[str, Any]) -> dict[str, Any]:
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


def without_labels(given: Mapping[str, Any]) -> dict[str, Any]:
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


def has_labels(given: Mapping[str, Any]) -> bool:
    """Whether training images have labels; yes where settings are wrong, which is told elsewhere."""
    name, holds = given.get("name"), given.get("holds")
    if isinstance(holds, (tuple, list)) and len(holds) > 1:
        return holds[1] != 0
    if not isinstance(name, str) or not folders.is_folder(name):
        return True
    try:
        return bool(folders.contents(name).tree.train.paths)
    except RequestError:
        return True
