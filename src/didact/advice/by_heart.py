"""Whether a standard teacher knows its training images by heart: in our settings that decides whether students gain from a
friendly teacher in its place, and it is known before one is trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from didact.data import evaluation_batches, load
from didact.measure.similarity import networks
from didact.runs.run import Run
from didact.store.store import Store

EPOCHS = 240
"""Length of both settings with and without strong augmentation: resnet20 to resnet8 on CIFAR-100 at 16x16, 20 images a class."""

PLAIN, AUGMENTED = 1.36, -1.07
"""Gain of SFTN in percentage points with crops and flips, and with RandAugment 15 and half of the images erased in part, where
the standard teacher knew all and nine tenths of its images (docs/results/friendly-teachers.md, line 27)."""

SETTINGS = (
    (70.2, -1.84),
    (70.2, -1.56),
    (67.3, -1.51),
    (90.0, AUGMENTED),
    (70.2, -0.67),
    (70.2, -0.16),
    (96.3, 0.01),
    (99.9, 0.84),
    (100.0, PLAIN),
    (99.9, 1.57),
    (99.9, 2.00),
    (99.9, 2.78),
)
"""Percent of its training images that a standard teacher knows, without augmentation, and what students gain from a friendly
one in its place, in percentage points ("What decides" of docs/results/friendly-teachers.md)."""

LOOKED, BATCH = 10_000, 64
"""The most training images that a teacher is tested on, and the size of their evenly spaced batches."""


def known_share(store: Store, teachers: Sequence[Run], device: str = "cpu") -> float | None:
    """Percent of its training images that the first of ``teachers`` with a Record answers rightly, without augmentation, in
    evaluation mode and float32, of :data:`LOOKED` images at most. None where none has, or it cannot be asked; a note says why.
    """
    teacher = next((one for one in teachers if store.opened(one) is not None), None)
    if teacher is None:
        return None
    try:
        return _share(store, teacher, device)
    except (ValueError, LookupError, OSError, RuntimeError) as error:  # includes what a user's code may raise
        store.once(f"how much of its images the standard teacher knows cannot be told: {error}")
        return None


def _share(store: Store, teacher: Run, device: str) -> float:
    dataset = load(teacher.data, device)
    net = networks(store, teacher, device)[1]
    right = seen = 0
    with torch.no_grad():
        for batch in evaluation_batches(dataset, dataset.train, BATCH, turns=math.ceil(len(dataset.train) / LOOKED)):
            right += int((net(batch.images).argmax(1) == batch.labels).sum())
            seen += len(batch.labels)
    return 100 * right / seen


def of_share(share: float) -> str:
    """What students gained from a friendly teacher in our settings where the standard one knew as much as ``share`` percent."""
    lost = max(known for known, gain in SETTINGS if gain < 0)
    gained = min(known for known, gain in SETTINGS if gain > 0.5)
    if share <= lost:
        gains = [gain for known, gain in SETTINGS if known <= lost]
        there = f"In all {len(gains)} settings of ours with {lost:g} % or less a friendly one cost"
    elif share >= gained:
        gains = [gain for known, gain in SETTINGS if known >= gained]
        there = f"In all {len(gains)} settings of ours with {gained:g} % or more a friendly one gained"
    else:
        gains = [gain for known, gain in SETTINGS if lost < known < gained]
        there = f"Between {lost:g} and {gained:g} % we have {len(gains)} setting, in which a friendly one gained"
    ends = dict.fromkeys(f"{size:.2f}" for size in (min(map(abs, gains)), max(map(abs, gains))))
    return (
        f"The standard teacher of the store knows {share:.1f} % of its training images. {there} the students "
        f"{' to '.join(ends)} points (CIFAR-100 at 16x16, resnet20 to resnet8, twice to resnet14)."
    )


def sentence(run: Run) -> str | None:
    """What strong augmentation did to SFTN's gain; None for a run with crops and flips alone."""
    mixed = run.recipe.mixup or run.recipe.cutmix
    if run.data.randaugment is None and run.data.erase is None and not mixed:
        return None
    return (
        "Augmentation that keeps a standard teacher from learning its images by heart may take this gain: tried once, over "
        f"{EPOCHS} epochs, SFTN gained {AUGMENTED:+.2f} points with RandAugment and erasing, and {PLAIN:+.2f} without."
    )
