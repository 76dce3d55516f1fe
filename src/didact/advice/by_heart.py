"""Whether a standard teacher knows its training images by heart: in our settings that decides whether students gain from a
friendly teacher in its place, and it is known before one is trained.
"""

from __future__ import annotations

import math
from collections import Counter
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

HALF_WIDTH = "basic-8-1x8-1x16-1x32"

SETTINGS = (
    (70.2, -3.07, "mobilenet_v2"),
    (70.2, -1.84, HALF_WIDTH),
    (70.2, -1.56, "resnet8"),
    (67.3, -1.51, "resnet8"),
    (90.0, AUGMENTED, "resnet8"),
    (70.2, -0.67, "resnet8"),
    (70.2, -0.16, "resnet14"),
    (96.3, 0.01, "resnet8"),
    (99.9, 0.84, "resnet8"),
    (100.0, PLAIN, "resnet8"),
    (99.9, 1.57, "resnet8"),
    (99.9, 1.87, "resnet8"),
    (99.9, 2.00, "resnet8"),
    (98.9, 2.52, "resnet8"),
    (99.9, 2.78, "resnet14"),
)
"""Percent of its training images that a standard teacher knows, without augmentation, to a tenth; what students gain from a
friendly one in its place, in percentage points; and these students ("What decides" of docs/results/friendly-teachers.md)."""

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
    lost = max(known for known, gain, _ in SETTINGS if gain < 0)
    gained = min(known for known, gain, _ in SETTINGS if gain > 0.5)
    asked = round(share, 1)  # as it is shown, and as those of the settings are
    alike = [one for one in SETTINGS if (one[0] <= lost, one[0] >= gained) == (asked <= lost, asked >= gained)]
    if asked <= lost:
        there = f"In all {len(alike)} settings of ours with {lost:g} % or less a friendly one cost"
    elif asked >= gained:
        there = f"In all {len(alike)} settings of ours with {gained:g} % or more a friendly one gained"
    else:
        there = f"Between {lost:g} and {gained:g} % we have {len(alike)} setting, in which a friendly one gained"
    gains = sorted(abs(gain) for _, gain, _ in alike)
    ends = dict.fromkeys(f"{size:.2f}" for size in (gains[0], gains[-1]))
    students = Counter(student for _, _, student in alike)
    (usual, _), *others = students.most_common()
    once = "".join(f", {'once' if count == 1 else f'{count} times'} to {student}" for student, count in others)
    return (
        f"The standard teacher of the store knows {share:.1f} % of its training images. {there} the students "
        f"{' to '.join(ends)} points (CIFAR-100 at 16x16, resnet20 to {usual}{once})."
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
