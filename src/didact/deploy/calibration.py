"""Images from which a quantiser takes the ranges of activations: training images only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from torch import Tensor

from didact.data import Dataset, Loader
from didact.seeds import derive

BATCH = 64
"""Images of a batch from which ranges are taken."""


def calibration(dataset: Dataset, images: int, seed: int) -> Iterator[Tensor]:
    """Batches (b, c, h, w) of ``images`` training images, augmented and normalised as in training.

    Args:
        seed: decides which images they are, and how they are augmented.
    """
    loader = Loader(dataset, batch_size=BATCH, data_seed=derive(seed, "calibration"))
    for number, batch in enumerate(itertools.islice(loader.epoch(0), -(-images // BATCH))):
        yield batch.images[: images - number * BATCH]
