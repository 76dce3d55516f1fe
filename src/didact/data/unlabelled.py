"""Batches in which some images have no label: networks see them, labels do not count for them.

A batch has a fixed number of images without a label, after the others. Its targets are
probabilities: 0 for every class of an image without a label, and for the others their class times b
/ (number of labels). So a cross entropy, which is a mean over the batch, is the mean over the
images with a label, and no formula has to know of the others. Everything that a teacher or a peer
answers counts for all images. Images are mixed with others of their kind: a mixture of two images
with a label has probabilities for targets, and one of two images without has none.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch.nn import functional

from didact.data.dataset import Dataset
from didact.data.derived import unlabelled_rows
from didact.data.loader import Loader
from didact.data.mixing import NOTHING, Mixing, mixing_loader
from didact.seeds import derive
from didact.tensors import Batch

NONE = -1
"""Stands for no label."""

PASSES = 2**20
"""In one epoch the images without labels are gone through fewer times than this."""


class PartlyLabelled:
    """Batches of a data set and of its images without labels, each in an order and with an
    augmentation of its own.

    An epoch shows every image with a label once, and as many of the others as the share says. Where
    they are too few they are gone through again, with another augmentation. With a share of 1 it
    shows every image without a label once, and no other. ``Batch.index`` counts the images without
    labels after the training images.
    """

    def __init__(self, dataset: Dataset, mixing: Mixing = NOTHING, **batching: Any) -> None:
        """
        Args:
            dataset: has images without labels.
            mixing: what is done to the images with a label, and to the others, each among
                themselves.
            batching: the other arguments of :class:`Loader`.

        Raises:
            SpecError: as :class:`Loader`.
        """
        assert dataset.unlabelled is not None
        batch_size, seed, decoders = batching["batch_size"], batching["data_seed"], batching.get("decoders")
        without = unlabelled_rows(dataset.data.unlabelled_share, batch_size)
        self.classes, self.data_seed, self.size = dataset.classes, seed, without
        self.known = 0 if dataset.train is dataset.unlabelled else len(dataset.train)
        shared: dict[str, Any] = batching | {"decoders": None if decoders is None else -(-decoders // 2)}
        renderings = {name: derive(its, "unlabelled") for name, its in (batching.get("renderings") or {}).items()}
        own: dict[str, Any] = shared | {
            "batch_size": without,
            "data_seed": derive(seed, "unlabelled"),
            "renderings": renderings,
        }
        some = replace(dataset.unlabelled, labels=torch.zeros_like(dataset.unlabelled.labels))  # read by nobody
        others = Loader(replace(dataset, train=some), **own)
        self.others = mixing_loader(others, replace(mixing, smoothing=0.0), dataset.classes)
        self.labelled = None
        if without < batch_size:
            self.labelled = mixing_loader(
                Loader(dataset, **shared | {"batch_size": batch_size - without}), mixing, dataset.classes
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.labelled or self.others)

    def close(self) -> None:
        """End the processes that decode."""
        for loader in (self.labelled, self.others):
            if loader is not None:
                loader.close()

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch ``number`` (from 0). Asked again, the same batches."""
        if self.labelled is None:
            yield from (self._joined(None, batch) for batch in self.others.epoch(number * PASSES))
            return
        for batch, other in zip(self.labelled.epoch(number), self._endless(number), strict=False):
            yield self._joined(batch, other)

    def _endless(self, number: int) -> Iterator[Batch]:
        """Whole batches without labels, again and again; smaller ones only where there are no
        others.
        """
        for turn in itertools.count(number * PASSES):
            for place, batch in enumerate(self.others.epoch(turn)):
                if place == 0 or len(batch) == self.size:
                    yield batch

    def _joined(self, first: Batch | None, second: Batch) -> Batch:
        labels = torch.full_like(second.labels, NONE)
        soft = torch.zeros(len(second), self.classes, device=labels.device)
        if first is None:
            return replace(second, labels=labels, index=second.index + self.known, soft=soft, labelled=0)
        size = len(first) + len(second)
        own = functional.one_hot(first.labels, self.classes).float() if first.soft is None else first.soft
        return Batch(
            images=torch.cat([first.images, second.images]),
            labels=torch.cat([first.labels, labels]),
            index=torch.cat([first.index, second.index + self.known]),
            views={name: torch.cat([view, second.views[name]]) for name, view in first.views.items()},
            soft=torch.cat([own * (size / len(first)), soft]),
            labelled=len(first),
        )
