"""How similar the layers of two finished runs are, kept beside the first one's Record as ``layers.json``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from didact.analysis.cka import Kind
from didact.analysis.layers import Compared, compare
from didact.data import Dataset, Split, evaluation_batches
from didact.files.checked import file_checksum
from didact.measure.similarity import networks
from didact.runs.run import Run
from didact.store.record import Record
from didact.store.results import Results
from didact.store.store import Store

VERSION = 1
"""Rises when the same question has another answer."""

BATCH = 256
"""Images in a batch: the feature maps of two batches, of both networks, are in memory."""


@dataclass(frozen=True)
class LayerComparison:
    """Settings of a comparison of layers.

    Attributes:
        images: at most so many test images, the first ones.
        kind: linear or rbf.
        unbiased: debiased CKA, which does not grow with the number of features.
    """

    images: int = 2000
    kind: Kind = "linear"
    unbiased: bool = True


def compared(
    store: Store, own: tuple[Run, Record], other: tuple[Run, Record], dataset: Dataset, asked: LayerComparison, device: str
) -> Compared:
    """CKA of every layer of ``own`` (rows) with every layer of ``other`` (columns), both of ``dataset``.

    What was kept is read if both Records are still the same and the question is. Networks are run in float32.
    """
    images = min(asked.images, len(dataset.test))
    results = Results(own[1], store.once)
    beside = {"run": other[0].digest, "record": file_checksum(other[1].folder / "record.json")}
    question = {"beside": beside, "images": images, "kind": asked.kind, "unbiased": asked.unbiased, "version": VERSION}
    kept = results.get("layers", question, Compared.read)
    if kept is not None:
        return kept
    rows = torch.arange(images, device=dataset.test.images.device)
    shown = _Shown(dataset, dataset.test if images == len(dataset.test) else dataset.test.take(rows))
    nets = [networks(store, run, device)[0] for run, _ in (own, other)]
    found = compare(nets[0], nets[1], shown, asked.kind, asked.unbiased)
    return Compared.read(results.put("layers", question, found.plain()))


@dataclass(frozen=True)
class _Shown:
    """The images of a split in batches, the same ones each time."""

    dataset: Dataset
    split: Split

    def __iter__(self) -> Iterator[Tensor]:
        for batch in evaluation_batches(self.dataset, self.split, BATCH):
            yield batch.images
