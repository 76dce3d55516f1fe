"""Similarity of the layers of two finished runs, stored with the first run's Record as
``layers.json``."""

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
from didact.store.answers.results import Results
from didact.store.record import Record
from didact.store.store import Store

VERSION = 1
"""Part of the key of stored results; raised when the same comparison gives another result."""

BATCH = 256
"""Images in a batch. The feature maps of two batches, of both networks, are in memory at once."""


@dataclass(frozen=True)
class LayerComparison:
    """Settings of a comparison of layers.

    Attributes:
        images: how many test images to use at most, from the first one on.
        kind: the kernel, "linear" or "rbf".
        unbiased: whether to use debiased CKA, which does not grow with the number of features.
    """

    images: int = 2000
    kind: Kind = "linear"
    unbiased: bool = True


def compared(
    store: Store,
    own: tuple[Run, Record],
    other: tuple[Run, Record],
    dataset: Dataset,
    settings: LayerComparison,
    device: str,
) -> Compared:
    """CKA of every layer of ``own`` (rows) with every layer of ``other`` (columns) on ``dataset``.

    A stored result is used if both Records and the settings are still the same. Networks run in
    float32.
    """
    images = min(settings.images, len(dataset.test))
    results = Results(own[1], store.once)
    beside = {"run": other[0].digest, "record": file_checksum(other[1].folder / "record.json")}
    question = {"beside": beside, "images": images, "kind": settings.kind, "unbiased": settings.unbiased, "version": VERSION}
    stored = results.get("layers", question, Compared.read)
    if stored is not None:
        return stored
    rows = torch.arange(images, device=dataset.test.images.device)
    batches = _Batches(dataset, dataset.test if images == len(dataset.test) else dataset.test.take(rows))
    nets = [networks(store, run, device)[0] for run, _ in (own, other)]
    result = compare(nets[0], nets[1], batches, settings.kind, settings.unbiased)
    return Compared.read(results.put("layers", question, result.plain()))


@dataclass(frozen=True)
class _Batches:
    """The images of a split in batches, in the same order for every pass."""

    dataset: Dataset
    split: Split

    def __iter__(self) -> Iterator[Tensor]:
        for batch in evaluation_batches(self.dataset, self.split, BATCH):
            yield batch.images
