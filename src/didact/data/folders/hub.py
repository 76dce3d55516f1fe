"""Image data sets in the format of Hugging Face ``datasets``, named ``hf:PATH``: their files become
a folder of images.

An image column holds encoded files, so they are written as they are, class by class, into the
user's cache folder; from there on they are like any other folder. Nothing is downloaded: a name
that is no path must be in the cache of ``datasets``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from didact.data.archive import root
from didact.data.contract import DataError
from didact.spec import SpecError, clean, shown

PREFIX = "hf:"
"""The name of such a data set is this, then a path; then, if wanted, ``#`` and the column with the
labels.
"""

TESTS = ("test", "validation", "val")
"""Splits that may be the test set; the first with labels is taken."""

VERSION = 1
"""Rises when the same data set is written in another way."""


def is_hub(name: str) -> bool:
    """Whether ``name`` is that of such a data set."""
    return name.startswith(PREFIX)


def exported(name: str) -> Path:
    """The folder with the images of ``name``, which is written where it is missing.

    Raises:
        SpecError: ``datasets`` is not installed, there is no such data set, or it has no images
            with classes.
        DataError: the folder cannot be written.
    """
    source, _, column = name.removeprefix(PREFIX).partition("#")
    splits = _opened(source)
    chosen = {part: _labelled(split, column, f"{clean(source)}, split {part}") for part, split in splits.items()}
    train = next((part for part in ("train", *splits) if part in chosen), "")
    tests = [part for part in TESTS if part in chosen and part != train and _has_labels(chosen[part])]
    parts = {"train": chosen[train]} | ({"test": chosen[tests[0]]} if tests else {})
    for part in parts.values():
        part.check()
    prints = [split.fingerprint for part, split in splits.items() if part in (train, *tests[:1])]
    key = hashlib.sha256(repr((VERSION, prints, column)).encode()).hexdigest()[:16]
    place = root() / "hf" / f"{quote(Path(source).name, safe='')}-{key}"
    if not place.is_dir():
        _write(place, parts, source)
    return place


def _opened(source: str) -> dict[str, Any]:
    """The splits by name, with encoded images."""
    try:
        import datasets  # type: ignore[import-not-found]
    except ImportError:
        raise SpecError(
            "data sets hf:PATH need the library datasets; install it: pip install 'didact-distill[hf]'"
        ) from None
    path = Path(os.path.abspath(os.path.expanduser(source)))
    try:
        with warnings.catch_warnings(), _offline(datasets):
            warnings.simplefilter("ignore")
            if not source.strip():
                raise FileNotFoundError("no path is given")
            if any((path / name).is_file() for name in ("dataset_dict.json", "dataset_info.json", "state.json")):
                found = datasets.load_from_disk(str(path))
            elif path.is_file():
                found = datasets.load_dataset("parquet", data_files=str(path))
            elif path.is_dir():
                found = datasets.load_dataset("parquet", data_dir=str(path))
            else:
                found = datasets.load_dataset(source)
    except Exception as error:  # the library fails in many ways on what is no data set
        reason = clean(str(error).strip().partition("\n")[0] or type(error).__name__)
        raise SpecError(
            f"{PREFIX}{clean(source)} cannot be read ({reason}); expected a folder that save_to_disk wrote, a parquet file, a "
            "folder of them, or a name in the cache of datasets; nothing is downloaded"
        ) from None
    return _plain(found)


def _plain(found: Any) -> dict[str, Any]:
    splits = dict(found) if isinstance(found, Mapping) else {"train": found}
    return {str(name): _Split(split) for name, split in splits.items()}


@contextlib.contextmanager
def _offline(datasets: Any) -> Iterator[None]:
    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


class _Split:
    """One split: its columns, its rows and what tells it from others."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.features: dict[str, Any] = dict(rows.features)
        self.fingerprint: str = rows._fingerprint


class _Labelled:
    """Encoded images and names of their classes."""

    def __init__(self, rows: Any, image: str, label: str, names: list[str] | None, where: str) -> None:
        self.rows, self.image, self.label, self.names, self.where = rows, image, label, names, where

    def check(self) -> None:
        """Refuse labels beyond the classes that the column names.

        Raises:
            SpecError: there is one.
        """
        classes = len(self.names or ())
        for at, value in enumerate(self.rows[self.label] if self.names else ()):
            if isinstance(value, int) and value >= classes:
                raise SpecError(
                    f"{self.where}: label {value} at row {at}, but the column {clean(self.label)} has the classes 0 to "
                    f"{classes - 1}"
                )

    def name_of(self, value: Any) -> str | None:
        """The class that a label names; None for one that stands for none."""
        if value is None or (isinstance(value, int) and value < 0):
            return None
        return self.names[value] if self.names and isinstance(value, int) else str(value)


def _labelled(split: _Split, column: str, where: str) -> _Labelled:
    import datasets  # type: ignore[import-not-found]

    kinds = split.features
    images = [name for name, kind in kinds.items() if isinstance(kind, datasets.Image)]
    images = images or [name for name, kind in kinds.items() if isinstance(kind, dict) and {"bytes", "path"} <= set(kind)]
    classes = [name for name, kind in kinds.items() if isinstance(kind, datasets.ClassLabel)]
    labels = [column] if column else ["label"] if "label" in kinds else classes
    if len(images) != 1:
        raise SpecError(f"{where}: expected one column of images, found {shown(images)} among {shown(list(kinds))}")
    if len(labels) != 1 or labels[0] not in kinds:
        raise SpecError(
            f"{where}: expected a column of labels, found {shown(labels)} among {shown(list(kinds))}; write its name after the "
            f"path: {PREFIX}PATH#COLUMN"
        )
    rows = split.rows.cast_column(images[0], datasets.Image(decode=False))
    kind = kinds[labels[0]]
    names = list(kind.names) if isinstance(kind, datasets.ClassLabel) else None
    return _Labelled(rows, images[0], labels[0], names, where)


def _has_labels(split: _Labelled) -> bool:
    return any(split.name_of(value) is not None for value in split.rows[split.label])


def _write(place: Path, parts: Mapping[str, _Labelled], source: str) -> None:
    """All images below ``place``; under another name until all are there."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        into = Path(tempfile.mkdtemp(dir=place.parent, prefix=".unfinished-"))
        try:
            for part, split in parts.items():
                for number, row in enumerate(split.rows):
                    _write_one(into / (part if len(parts) > 1 else ""), split, number, row)
            with contextlib.suppress(FileExistsError):
                os.rename(into, place)
        finally:
            shutil.rmtree(into, ignore_errors=True)
    except OSError as error:
        if place.is_dir():
            return  # another process was first
        raise DataError(
            f"the images of {PREFIX}{clean(source)} cannot be written to {clean(place)}: {error.strerror}"
        ) from error


def _write_one(folder: Path, split: _Labelled, number: int, row: Mapping[str, Any]) -> None:
    name, image = split.name_of(row[split.label]), row[split.image]
    if name is None:
        return
    data = image["bytes"] if image["bytes"] is not None else Path(image["path"]).read_bytes()
    safe = quote(name, safe=" ()',+-") or "_"
    place = folder / (f"%2E{safe[1:]}" if safe[0] == "." else safe)  # neither hidden nor another folder
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{number:08}{_suffix(data)}").write_bytes(data)


def _suffix(data: bytes) -> str:
    from PIL import Image

    with contextlib.suppress(Exception), Image.open(io.BytesIO(data)) as image:
        return {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "TIFF": ".tif"}.get(str(image.format), ".bmp")
    return ".jpg"  # it cannot be read, and is told so when it is decoded
