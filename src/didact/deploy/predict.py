"""What a network says of images: an exported file, which is run by ONNX Runtime, and whose own
metadata say how images are shown to it and what its classes are called; or any other that is
described in the same way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from didact.data.folders.decode import UnreadableError, decoded
from didact.deploy.bench import FORMS, NEWER
from didact.deploy.engine import check_installed, runtime, session
from didact.deploy.figures import check_whole, description_of
from didact.deploy.onnx_file import FORMAT, KEY
from didact.deploy.runner import reason
from didact.files.reading import content, is_file
from didact.spec import RequestError, clean

GREY = np.array([299, 587, 114])
"""Thousandths of red, green and blue in a grey level (ITU-R 601)."""


@dataclass(frozen=True)
class Answer:
    """The classes of one image with the highest probabilities, the most probable first."""

    image: Path
    classes: tuple[tuple[str, float], ...]


class Predictor:
    """A network that answers for images.

    Args:
        about: "image", the (c, h, w) that it takes; "resize", the height and width to which images
            are brought before their middle is taken; "classes", their names.
        logits: of images (1, c, h, w), float32 on the scale 0 to 1: (1, classes).
    """

    def __init__(self, about: Mapping[str, Any], logits: Callable[[np.ndarray], np.ndarray]) -> None:
        self.about = about
        self._logits = logits

    def answers(self, images: Iterable[Path], top: int = 5) -> list[Answer]:
        """The ``top`` classes of each image, or all where there are fewer.

        An image is brought to the network's size as images of a folder are in training: its central
        square, area-averaged where it is larger.

        Raises:
            RequestError: an image cannot be decoded; the message names it.
        """
        return [Answer(path, self._answer(self._pixels(path), top)) for path in images]

    def _answer(self, pixels: np.ndarray, top: int) -> tuple[tuple[str, float], ...]:
        logits = self._logits(pixels)[0].astype(np.float64)
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")[:top]
        return tuple((self.about["classes"][at], float(shares[at])) for at in order)

    def _pixels(self, path: Path) -> np.ndarray:
        """The image, (1, c, h, w), float32 on the scale 0 to 1."""
        if not is_file(path):
            folder = f" in that folder, or all of them: {clean(path / '*')}" if path.is_dir() else ""
            raise RequestError(f"{clean(path)} is no file; name an image{folder}")
        (channels, height, width), (tall, wide) = self.about["image"], self.about["resize"]
        try:
            pixels = decoded(path, (tall, wide), crop=tall == wide)
        except UnreadableError as error:
            raise RequestError(f"{clean(path)} {clean(str(error))}; name an image") from None
        if channels == 1:
            pixels = ((pixels.astype(np.int64) @ GREY + 500) // 1000)[..., None]
        top, left = (tall - height) // 2, (wide - width) // 2
        part = pixels[top : top + height, left : left + width]
        return np.ascontiguousarray(part.transpose(2, 0, 1)[None], dtype=np.float32) / np.float32(255)


def of_file(path: Path) -> Predictor:
    """A file from ``didact export``, run by ONNX Runtime.

    Raises:
        SpecError: the extra is not installed.
        RequestError: there is no such file, it is damaged, or not from ``didact export``.
    """
    if not is_file(path):
        raise RequestError(f"{clean(path)} is no file; 'didact export RUN -o FILE.onnx' makes one")
    form = FORMS.get(path.suffix.lower(), "onnx")
    if form != "onnx":
        raise RequestError(
            f"{clean(path)} is a file of {form}, and answers come from ONNX files; "
            "'didact export RUN -o FILE.onnx' makes one of the same run"
        )
    _check_kind(path)
    check_installed("predict")
    try:
        opened = session(content(path, largest=None), torch.get_num_threads())
    except Exception as error:  # of the runtime, which has many kinds
        raise RequestError(f"{clean(path)} cannot be read by ONNX Runtime {runtime()}: {_why(error)}") from None
    check_whole(path)
    about = _about(path, opened.get_modelmeta().custom_metadata_map)
    _check_classes(path, len(about["classes"]), opened.get_outputs()[0].shape)
    return Predictor(about, lambda pixels: opened.run(["logits"], {"images": pixels})[0])


def _check_kind(path: Path) -> None:
    """Refuse a description in the place of the file that it is of."""
    of = [one for one in (path.with_suffix(".onnx"), path.with_suffix("")) if description_of(one) == path and is_file(one)]
    if path.suffix.lower() == ".json" and of:
        raise RequestError(f"{clean(path)} is the description of {clean(of[0].name)}; name that file")


def _why(error: Exception) -> str:
    """Why the runtime refuses a file, and what to do about it."""
    if "INVALID_PROTOBUF" in str(error):
        return "it is no ONNX file, or only a part of one; 'didact export RUN -o FILE.onnx' makes one"
    newer = any(word in str(error).lower() for word in NEWER)
    return f"{clean(reason(error))}; " + ("update onnxruntime, or export it here" if newer else "export it again")


def _check_classes(path: Path, names: int, shape: list[Any]) -> None:
    """Refuse names that are not those of the logits."""
    if len(shape) != 2 or shape[1] != names:
        found = shape[1] if len(shape) == 2 else f"an output of shape {shape}"
        raise RequestError(f"{clean(path)} names {names} classes and has {found} logits; export it again")


def _about(path: Path, entries: dict[str, str]) -> dict[str, Any]:
    """What the file says of itself."""
    about = _read(entries.get(KEY, ""))
    version = about.get("format")
    if isinstance(version, int) and version > FORMAT:
        made = clean(str(about.get("didact", "a later version")))
        raise RequestError(
            f"{clean(path)} is of didact {made}, whose files this didact does not read yet; update didact, or export it with "
            "this one"
        )
    try:
        if version == FORMAT and len(about["image"]) == 3 and len(about["resize"]) == 2 and about["classes"]:
            return about
    except (KeyError, TypeError):
        pass  # as where it is of another version
    raise RequestError(
        f"{clean(path)} has no description of this version of didact; 'didact export RUN -o FILE.onnx' makes a file that has"
    )


def _read(text: str) -> dict[str, Any]:
    """The description as the file has it; nothing where it is none."""
    try:
        about = json.loads(text)
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}
