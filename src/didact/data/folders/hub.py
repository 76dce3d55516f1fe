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
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from didact.data.archive import root
from didact.data.contract import unkept
from didact.data.folders.splits import PREFIX, Asked, Labelled, choose
from didact.data.folders.walk import NOTES
from didact.files.beside import folder_beside
from didact.spec import SpecError, clean, installation, shown

VERSION = 2
"""Rises when the same data set is written in another way."""


def is_hub(name: str) -> bool:
    """Whether ``name`` is that of such a data set."""
    return name.startswith(PREFIX)


def exported(name: str) -> Path:
    """The folder with the images of ``name``, which is written where it is missing.

    Raises:
        SpecError: ``datasets`` is not installed, there is no such data set, or it has no images
            with classes to learn from and to test on.
        DataError: the folder cannot be written.
    """
    asked = Asked.of(name)
    splits = _opened(asked.source)
    labelled = {
        part: _labelled(split, asked.column, f"{clean(asked.source)}, split {part}") for part, split in splits.items()
    }
    if not any(labelled.values()):
        _refuse_columns(asked, splits)
    chosen = choose(asked, labelled)
    used = {"train": chosen.train} | ({"test": chosen.test} if chosen.test else {})
    parts = {role: split for role, part in used.items() if (split := labelled[part]) is not None}
    for part in parts.values():
        part.check()
    prints = [(role, splits[part].fingerprint) for role, part in used.items()]
    key = hashlib.sha256(repr((VERSION, prints, asked.column, chosen.notes)).encode()).hexdigest()[:16]
    place = root() / "hf" / f"{quote(Path(asked.source).name, safe='')}-{key}"
    if not place.is_dir():
        _write(place, parts, chosen.notes, asked.source)
    return place


def _opened(source: str) -> dict[str, Any]:
    """The splits by name, with encoded images."""
    try:
        import datasets  # type: ignore[import-not-found]
    except ImportError:
        raise SpecError(f"data sets hf:PATH need the library datasets; install it: {installation('hf')}") from None
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


def _labelled(split: _Split, column: str, where: str) -> Labelled | None:
    """The rows of a split; None where it has no column of labels.

    Raises:
        SpecError: it has several that may hold them, or not one column of images.
    """
    import datasets  # type: ignore[import-not-found]

    kinds = split.features
    images = [name for name, kind in kinds.items() if isinstance(kind, datasets.Image)]
    images = images or [name for name, kind in kinds.items() if isinstance(kind, dict) and {"bytes", "path"} <= set(kind)]
    if len(images) != 1:
        raise SpecError(f"{where}: expected one column of images, found {shown(images)} among {shown(list(kinds))}")
    labels = _columns(split, column)
    if len(labels) > 1:
        raise _unclear(where, labels, kinds)
    if not labels or labels[0] not in kinds:
        return None
    rows = split.rows.cast_column(images[0], datasets.Image(decode=False))
    kind = kinds[labels[0]]
    names = list(kind.names) if isinstance(kind, datasets.ClassLabel) else None
    return Labelled(rows, images[0], labels[0], names, where)


def _columns(split: _Split, column: str) -> list[str]:
    """The columns that may hold the labels."""
    import datasets  # type: ignore[import-not-found]

    classes = [name for name, kind in split.features.items() if isinstance(kind, datasets.ClassLabel)]
    return [column] if column else ["label"] if "label" in split.features else classes


def _refuse_columns(asked: Asked, splits: Mapping[str, _Split]) -> None:
    part, split = next(iter(splits.items()))
    raise _unclear(f"{clean(asked.source)}, split {part}", _columns(split, asked.column), split.features)


def _unclear(where: str, labels: list[str], kinds: Mapping[str, Any]) -> SpecError:
    return SpecError(
        f"{where}: expected a column of labels, found {shown(labels)} among {shown(list(kinds))}; write its name after the "
        f"path: {PREFIX}PATH#COLUMN"
    )


def _write(place: Path, parts: Mapping[str, Labelled], notes: tuple[str, ...], source: str) -> None:
    """All images below ``place``, and ``notes``; under another name until all are there."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with folder_beside(place.parent, ".unfinished-") as into:
            for part, split in parts.items():
                for number, row in enumerate(split.rows):
                    _write_one(into / (part if len(parts) > 1 else ""), split, number, row)
            (into / NOTES).write_text("\n".join(notes), encoding="utf-8")
            with contextlib.suppress(FileExistsError):
                os.rename(into, place)
    except OSError as error:
        if place.is_dir():
            return  # another process was first
        raise unkept(
            error, f"the images of {PREFIX}{clean(source)} cannot be written to {clean(place)}: {error.strerror}"
        ) from error


def _write_one(folder: Path, split: Labelled, number: int, row: Mapping[str, Any]) -> None:
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
