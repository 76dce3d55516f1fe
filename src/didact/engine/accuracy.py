"""Accuracies of classifiers by name, counted on the device and read once an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from didact.tensors import Labels, Logits, answered


class Accuracies:
    """Top-1 and top-5 hits of each classifier; "" is the network's own. Counts are added in place."""

    def __init__(self) -> None:
        self._hits: dict[str, Tensor] = {}
        self._images: dict[str, Tensor] = {}

    def add(self, logits: Mapping[str, Logits], labels: Labels) -> None:
        """Count a batch of every classifier in ``logits``."""
        for name, values in logits.items():
            found = hits(values.detach(), labels)
            if name not in self._hits:
                self._hits[name], self._images[name] = torch.zeros_like(found), found.new_zeros(())
            self._hits[name] += found
            self._images[name] += len(labels)

    def plain(self) -> dict[str, tuple[list[int], int]]:
        """Hits and images of each classifier, for :meth:`merge`."""
        return {name: (counted.tolist(), int(self._images[name])) for name, counted in self._hits.items()}

    def merge(self, found: Sequence[Mapping[str, tuple[list[int], int]]]) -> None:
        """Take the place of the counts of all processes, each of which counted other images."""
        names = dict.fromkeys(name for one in found for name in one)
        there = {name: [one[name] for one in found if name in one] for name in names}
        self._hits = {name: torch.tensor([hits for hits, _ in counts]).sum(0) for name, counts in there.items()}
        self._images = {name: torch.tensor(sum(images for _, images in counts)) for name, counts in there.items()}

    def percentages(self, prefix: str) -> dict[str, float]:
        """Accuracies in percent: ``<prefix>_top1`` and ``<prefix>_top5``, and
        ``<prefix>_<name>_top1`` of the further ones.
        """
        row: dict[str, float] = {}
        for name, counted in self._hits.items():
            images = int(self._images[name])
            if not images:
                continue  # no image had a label
            top1, top5 = (100 * counted.double() / images).tolist()
            row |= {f"{prefix}_{name}_top1": top1} if name else {f"{prefix}_top1": top1, f"{prefix}_top5": top5}
        return row


def hits(logits: Logits, labels: Labels) -> Tensor:
    """How many labels are the highest and among the five highest logits: two integers on the
    device.

    An image without an answer (:func:`didact.tensors.answered`) counts as wrong.
    """
    found = (logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]) & answered(logits)[:, None]
    return torch.stack([found[:, 0].sum(), found.sum()])
