"""RandAugment: every image is changed by some operations, drawn at random, all of one magnitude,
after its crop and flip.

Cubuk, Zoph, Shlens, Le: RandAugment (NeurIPS 2020). As in torchvision's version there are 14
operations, drawn with replacement, of magnitudes m from 0 to 30, and half of the signed ones go the
other way: shear by 0.3 m/30, translation by 150/331 m/30 of the image's side, rotation by 30 m/30
degrees, brightness, colour, contrast and sharpness by the factor 1 +- 0.9 m/30, posterize to 8 - 4
m/30 bits, solarize above 1 - m/30, auto-contrast, equalize, identity. Geometric operations
interpolate bilinearly and leave black borders.

What is done to pixels is kornia's (extra "augment"): it works on whole batches on any device and
needs no torchvision. What is done to which image is drawn here, from the data seed, the epoch and
the image alone. kornia's own RandAugment would do the same to all images of a batch.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from didact.data.split import sent
from didact.seeds import stream
from didact.spec import SpecError, installation
from didact.tensors import Images, Pixels

LIBRARY, EXTRA = "kornia", "augment"
GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
SIGNED = ("brightness", "colour", "contrast", "sharpness")
OTHERS = ("posterize", "solarize", "auto_contrast", "equalize", "identity")
OPERATIONS = (*GEOMETRIC, *SIGNED, *OTHERS)
LARGEST = 30
"""The largest magnitude."""

Signs = Float[Tensor, "b"]


@dataclass(frozen=True)
class Changes:
    """What one epoch does to each image, on the CPU: the batch is sorted by operation without
    waiting for a device.

    Attributes:
        which: places in :data:`OPERATIONS`, one after another, (n, operations).
        signs: 1 or -1 for each, (n, operations).
    """

    which: Tensor
    signs: Tensor

    def of(self, rows: Tensor) -> Changes:
        """The decisions for the images at ``rows``, (b,), on the CPU."""
        return Changes(self.which[rows], self.signs[rows])


def draw_changes(images: int, operations: int, seed: int, epoch: int) -> Changes:
    """So many operations for every image in ``epoch``, all equally likely."""
    random = stream(seed, "randaugment", epoch)
    which = torch.randint(len(OPERATIONS), (images, operations), generator=random)
    return Changes(which, torch.randint(2, (images, operations), generator=random) * 2.0 - 1)


def check_changes(image: tuple[int, int, int], views: Iterable[str]) -> None:
    """Refuse images of the shape (c, h, w) or views that cannot be changed.

    Raises:
        SpecError: kornia is not installed, images are neither grey nor of three colours, or there
            are further views.
    """
    if importlib.util.find_spec(LIBRARY) is None:
        raise SpecError(f"data.randaugment: needs {LIBRARY}, which is not installed: {installation(EXTRA)}")
    if image[0] not in (1, 3):
        raise SpecError(f"data.randaugment: changes images of 1 or 3 channels, and these have {image[0]}; leave it out")
    further = sorted(views)
    if further:
        raise SpecError(
            f"data.randaugment: the view {further[0]!r} shows images that are not changed; "
            "leave data.randaugment out, or choose a method without this view"
        )


@torch.no_grad()
def changed(pixels: Pixels, changes: Changes, magnitude: int) -> Pixels:
    """The images after their operations, (b, c, h, w) in uint8, channels-last.

    Args:
        changes: of these images.
        magnitude: m, from 0 to 30.
    """
    x = pixels.float() / 255
    for which, signs in zip(changes.which.unbind(1), changes.signs.unbind(1), strict=True):
        moved = which < len(GEOMETRIC)
        groups = [(moved, lambda part, sign, kinds: _warped(part, kinds, sign, magnitude))]
        groups += [
            (which == place, lambda part, sign, kinds, name=name: CHANGE[name](part, sign, magnitude))
            for place, name in enumerate(OPERATIONS)
            if name in CHANGE
        ]
        for chosen, change in groups:
            rows = chosen.nonzero().flatten()
            if len(rows):
                there = sent(rows, x.device)
                x[there] = change(x[there], sent(signs[rows], x.device), which[rows])
    return (x * 255).round().clamp(0, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)


def _warped(x: Images, which: Tensor, signs: Signs, magnitude: int) -> Images:
    """Shear, translation or rotation of each image, about its centre."""
    from kornia.geometry.transform import get_affine_matrix2d, warp_affine

    height, width = x.shape[2:]
    kind = sent(which, x.device)
    share = signs * (magnitude / LARGEST)

    def only(name: str, value: Tensor) -> Tensor:
        return torch.where(kind == GEOMETRIC.index(name), value, 0)

    shears = [only(name, torch.atan(0.3 * share)) for name in ("shear_x", "shear_y")]
    moves = [only(name, 150 / 331 * side * share) for name, side in (("translate_x", width), ("translate_y", height))]
    centre = sent(torch.tensor([(width - 1) / 2, (height - 1) / 2]), x.device).expand(len(x), 2)
    matrix = get_affine_matrix2d(
        torch.stack(moves, 1), centre, torch.ones(len(x), 2, device=x.device), only("rotate", 30 * share), *shears
    )
    return warp_affine(x, matrix[:, :2], (height, width))


def _brightness(x: Images, signs: Signs, magnitude: int) -> Images:
    from kornia.enhance import adjust_brightness_accumulative

    return adjust_brightness_accumulative(x, _factors(signs, magnitude))


def _colour(x: Images, signs: Signs, magnitude: int) -> Images:
    from kornia.enhance import adjust_saturation_with_gray_subtraction

    return adjust_saturation_with_gray_subtraction(x, _factors(signs, magnitude)) if x.shape[1] == 3 else x


def _contrast(x: Images, signs: Signs, magnitude: int) -> Images:
    from kornia.enhance import adjust_contrast_with_mean_subtraction

    return adjust_contrast_with_mean_subtraction(x, _factors(signs, magnitude))


def _sharpness(x: Images, signs: Signs, magnitude: int) -> Images:
    from kornia.enhance import sharpness

    return sharpness(x, _factors(signs, magnitude))


def _factors(signs: Signs, magnitude: int) -> Signs:
    return 1 + 0.9 * magnitude / LARGEST * signs


def _posterize(x: Images, signs: Signs, magnitude: int) -> Images:
    from kornia.enhance import posterize

    return posterize(x, 8 - math.floor(4 * magnitude / LARGEST + 0.5))


def _solarize(x: Images, signs: Signs, magnitude: int) -> Images:
    from kornia.enhance import solarize

    return solarize(x, 1 - magnitude / LARGEST)


def _auto_contrast(x: Images, signs: Signs, magnitude: int) -> Images:
    from kornia.enhance import normalize_min_max

    even = x.amax((2, 3), keepdim=True) == x.amin((2, 3), keepdim=True)
    return torch.where(even, x, normalize_min_max(x))


def _equalize(x: Images, signs: Signs, magnitude: int) -> Images:
    from kornia.enhance import equalize

    return equalize(x)


CHANGE: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "brightness": _brightness,
    "colour": _colour,
    "contrast": _contrast,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
}
"""The operations that leave every pixel at its place, by name: of images from 0 to 1, signs and the
magnitude.
"""
