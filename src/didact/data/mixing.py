"""Mixed images and smoothed labels: what is done to whole batches after augmentation, on the
device.

    mixup (Zhang, Cisse, Dauphin, Lopez-Paz: mixup, ICLR 2018):   x = s x_i + (1 - s) x_j,   s from Beta(alpha, alpha)
    cutmix (Yun et al.: CutMix, ICCV 2019):   x is x_i with a rectangle of x_j in it, which covers the share 1 - s
    in both:   y = s y_i + (1 - s) y_j
    label smoothing (Szegedy et al., CVPR 2016):   y = (1 - epsilon) y + epsilon / k

As in the authors' code one s is drawn for a batch, and j is a permutation of it; cutmix's rectangle
is cut at the border, and s is then the share that is left. Where both are asked for, each batch
takes one of them by an even chance (as in timm and torchvision). Everything is drawn from the data
seed, the epoch and the batch: all networks of a cohort, and their teacher, are shown the same
mixture, with which a teacher is patient and consistent (Beyer et al., CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from didact.data.loader import Loader
from didact.data.split import sent
from didact.seeds import derive, stream
from didact.tensors import Batch, Images, Labels

Order = Int[Tensor, "b"]
Probabilities = Float[Tensor, "b k"]
Box = tuple[int, int, int, int]
"""Top, bottom, left, right, in pixels; bottom and right are outside."""


@dataclass(frozen=True)
class Mixing:
    """What is mixed, and how much labels are smoothed; nothing by default.

    Attributes:
        mixup, cutmix: alpha of each one's Beta distribution; 0: not at all.
        smoothing: epsilon, the share of every label that is spread evenly over all classes.
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    smoothing: float = 0.0

    @property
    def mixes(self) -> bool:
        """Whether images are mixed."""
        return bool(self.mixup or self.cutmix)


NOTHING = Mixing()
"""Batches are left as they are."""


@dataclass(frozen=True)
class Draw:
    """What is done to one batch.

    Attributes:
        order: the partner of every image, (b,), on the CPU.
        share: s, that of the image itself.
        box: what is cut out for the partner; None for mixup.
    """

    order: Tensor
    share: float
    box: Box | None = None


def draw(mixing: Mixing, size: tuple[int, int, int], seed: int, epoch: int, batch: int) -> Draw:
    """The mixture of one batch; ``size``: number of its images, their height and their width."""
    count, height, width = size
    # numpy promises that the legacy generator draws the same in all its versions
    random = np.random.RandomState(derive(seed, "mixing", epoch, batch) % 2**32)
    cut = bool(mixing.cutmix) and (not mixing.mixup or random.random_sample() < 0.5)
    alpha = mixing.cutmix if cut else mixing.mixup
    share = float(random.beta(alpha, alpha))
    order = torch.randperm(count, generator=stream(seed, "partners", epoch, batch))
    if not cut:
        return Draw(order, share)
    centre = int(random.randint(height)), int(random.randint(width))
    top, bottom, left, right = box = rectangle(share, *centre, height, width)
    return Draw(order, 1 - (bottom - top) * (right - left) / (height * width), box)


def rectangle(share: float, y: int, x: int, height: int, width: int) -> Box:
    """Around (y, x), with sides of sqrt(1 - share) times the image's, rounded down; cut at the
    border.
    """
    side = (1 - share) ** 0.5
    high, wide = int(height * side), int(width * side)
    top, left = y - high // 2, x - wide // 2
    return max(top, 0), min(top + high, height), max(left, 0), min(left + wide, width)


def mixed(images: Images, drawn: Draw) -> Images:
    """The images, each with its partner; channels-last where the images are so.

    Raises:
        ValueError: a single image has no partner.
    """
    if len(images) < 2:
        raise ValueError("images are mixed with others of their batch, found a batch of a single image")
    partners = images.permute(0, 2, 3, 1).index_select(0, sent(drawn.order, images.device)).permute(0, 3, 1, 2)
    if drawn.box is None:
        return torch.lerp(partners, images, drawn.share)
    top, bottom, left, right = drawn.box
    whole = images.clone()
    whole[:, :, top:bottom, left:right] = partners[:, :, top:bottom, left:right]
    return whole


def probabilities(labels: Labels, classes: int, smoothing: float, drawn: Draw | None = None) -> Probabilities:
    """Targets in float32: of each image, or of its mixture with its partner; smoothed."""
    own = functional.one_hot(labels, classes).float()
    if drawn is not None:
        own = torch.lerp(own[sent(drawn.order, own.device)], own, drawn.share)
    return own * (1 - smoothing) + smoothing / classes


class MixedLoader:
    """The batches of a loader, mixed; asked again, the same batches. Further views of the images
    are not mixed.
    """

    def __init__(self, loader: Loader, mixing: Mixing, classes: int) -> None:
        self.loader = loader
        self.mixing = mixing
        self.classes = classes
        self.data_seed = loader.data_seed

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.loader)

    def close(self) -> None:
        """End the processes that decode."""
        self.loader.close()

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch ``number`` (from 0)."""
        for place, batch in enumerate(self.loader.epoch(number)):
            if not self.mixing.mixes:
                yield replace(batch, soft=probabilities(batch.labels, self.classes, self.mixing.smoothing))
                continue
            height, width = batch.images.shape[2:]
            drawn = draw(self.mixing, (len(batch), height, width), self.data_seed, number, place)
            soft = probabilities(batch.labels, self.classes, self.mixing.smoothing, drawn)
            labels = batch.labels if drawn.share >= 0.5 else batch.labels[sent(drawn.order, batch.labels.device)]
            yield replace(batch, images=mixed(batch.images, drawn), labels=labels, soft=soft)


def mixing_loader(loader: Loader, mixing: Mixing, classes: int) -> Loader | MixedLoader:
    """The loader with its batches mixed; the loader itself where nothing is mixed and no label
    smoothed.
    """
    return loader if mixing == NOTHING else MixedLoader(loader, mixing, classes)
