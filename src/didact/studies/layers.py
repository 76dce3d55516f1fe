"""How similar the layers of two finished runs are, kept beside the first one's Record as ``layers.json``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from didact.analysis.cka import Kind
from didact.analysis.layers import Compared, compare
from didact.data import Dataset, Split, evaluation_batches
from didact.engine.records import DamagedError, Record, file_checksum, read_json, write_json
from didact.studies.run import Run
from didact.studies.similarity import networks
from didact.studies.store import Store

BATCH = 256
"""Images in a batch: the feature maps of two batches, of both networks, are in memory."""


@dataclass(frozen=True)
class Layers:
    """Which comparison of layers is asked for.

    Attributes:
        images: at most so many test images, the first ones.
        kind: linear or rbf.
        unbiased: debiased CKA, which does not grow with the number of features.
    """

    images: int = 2000
    kind: Kind = "linear"
    unbiased: bool = True


def compared(
    store: Store, own: tuple[Run, Record], other: tuple[Run, Record], dataset: Dataset, asked: Layers, device: str
) -> Compared:
    """CKA of every layer of ``own`` (rows) with every layer of ``other`` (columns), both of ``dataset``.

    What was kept is read if both Records are still the same and the question is. Networks are run in float32.
    """
    images = min(asked.images, len(dataset.test))
    seals = [file_checksum(record.folder / "record.json") for _, record in (own, other)]
    question = {"of": seals, "images": images, "kind": asked.kind, "unbiased": asked.unbiased}
    path = own[1].folder / "layers.json"
    kept = _kept(path, seals[0])
    for one in kept:
        if one["question"] == question:
            return Compared.read(one["found"])
    rows = torch.arange(images, device=dataset.test.images.device)
    shown = _Shown(dataset, dataset.test if images == len(dataset.test) else dataset.test.take(rows))
    nets = [networks(store, run, device)[0] for run, _ in (own, other)]
    found = compare(nets[0], nets[1], shown, asked.kind, asked.unbiased)
    write_json(path, [*kept, {"question": question, "found": found.plain()}])
    return found


def _kept(path: Path, seal: str | None) -> list[dict[str, Any]]:
    """What ``path`` holds of the Record with this seal; nothing where it is not there or not readable: it is made again."""
    try:
        kept = [one for one in read_json(path) if one["question"]["of"][0] == seal]
        for one in kept:
            Compared.read(one["found"])
    except (DamagedError, TypeError, KeyError, IndexError, ValueError):
        return []
    return kept


@dataclass(frozen=True)
class _Shown:
    """The images of a split in batches, the same ones each time."""

    dataset: Dataset
    split: Split

    def __iter__(self) -> Iterator[Tensor]:
        for batch in evaluation_batches(self.dataset, self.split, BATCH):
            yield batch.images
