"""Images of a torch ``Dataset``: items are asked for one by one, once, and kept as uint8."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from didact.data.folders.decode import UnreadableError, eight_bits
from didact.data.split import Split
from didact.spec import SpecError, clean
from didact.spec.foreign import running

MOST = 2**31 - 1
"""The largest label."""


def is_dataset(images: Any) -> bool:
    """Whether ``images`` is a torch ``Dataset``, or anything else with a length and items that is
    none of Python's or NumPy's.
    """
    known = (tuple, list, dict, str, bytes, np.ndarray, Tensor)
    return not isinstance(images, known) and hasattr(images, "__getitem__") and hasattr(images, "__len__")


def gathered(part: str, items: Any) -> Split:
    """All items of a torch ``Dataset``: pairs of an image and its class.

    Args:
        part: "train" or "test", for messages.
        items: images are Pillow's, or uint8 arrays or tensors of the shape (channels, height,
            width) or (height, width).

    Raises:
        SpecError: the user's code fails, or an item is no such pair, or has another shape than the
            first.
    """
    images, labels = [], []
    name = f"{part}: {type(items).__name__}"
    with running(name, "when its items are taken"):
        count = len(items)
    for number in range(count):
        at = f"{name}[{number}]"
        with running(at, "when it is taken"):
            item = items[number]
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise SpecError(f"{at}: a pair (image, label), found {clean(type(item).__name__)}")
        images.append(_pixels(at, item[0]))
        labels.append(_label(at, item[1]))
        if images[-1].shape != images[0].shape:
            raise SpecError(
                f"{at}: images of one shape, found {tuple(images[0].shape)} first and then {tuple(images[-1].shape)}; resize or "
                "crop them to one size in the data set's transform"
            )
    if not images:
        raise SpecError(f"{part}: at least one image, found none")
    return Split.whole(torch.stack(images), torch.tensor(labels))


def _pixels(at: str, image: Any) -> Tensor:
    """uint8 (channels, height, width)."""
    from PIL.Image import Image

    if isinstance(image, Image):
        try:
            grey = image.mode in ("L", "1")
            pixels = np.asarray(image.convert("L") if grey else eight_bits(image))
        except UnreadableError as error:
            raise SpecError(f"{at}: {error}") from None
        return torch.from_numpy(np.array(pixels[None] if grey else pixels.transpose(2, 0, 1)))
    if not isinstance(image, (Tensor, np.ndarray)):
        raise SpecError(f"{at}: an image of Pillow, an array or a tensor, found {clean(type(image).__name__)}")
    values = torch.as_tensor(image).cpu()
    if values.dtype != torch.uint8:
        kind = str(values.dtype).removeprefix("torch.")
        raise SpecError(
            f"{at}: an image of the type uint8, 0 to 255, found {kind}; leave out what makes floats or normalises (didact does "
            "it), such as ToTensor, and use PILToTensor or no transform"
        )
    if values.dim() == 2:
        return values[None]
    if values.dim() != 3 or (values.shape[2] in (1, 3) and values.shape[0] > 4):
        raise SpecError(f"{at}: an image of the shape (channels, height, width), found {tuple(values.shape)}")
    return values


def _label(at: str, label: Any) -> int:
    single = isinstance(label, np.generic) or (isinstance(label, (Tensor, np.ndarray)) and np.prod(label.shape) == 1)
    value = label.item() if single else label
    if isinstance(value, bool) or not isinstance(value, int):
        raise SpecError(f"{at}: its label is a whole number, found {clean(type(value).__name__)}")
    if value > MOST:
        raise SpecError(f"{at}: labels count classes from 0, found {value}")
    return value
