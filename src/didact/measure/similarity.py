"""How similar a student became to its teacher, measured on the test set and kept beside the student's Record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from didact.analysis import cka, divergence
from didact.data import Data, Dataset, evaluation_batches, load
from didact.files.checked import DamagedError, file_checksum
from didact.nets.blocks import BlockNet
from didact.runs.run import Run
from didact.store.record import Record
from didact.store.results import Results
from didact.store.store import Store

VERSION = 1
"""Rises when the same networks have other figures."""


@dataclass(frozen=True)
class Similarity:
    """On the test set: KL(teacher || student) in nats, linear CKA of the pooled vectors, share of equal answers in percent."""

    kl: float
    cka: float
    agreement: float

    def plain(self) -> dict[str, float | None]:
        """As plain JSON data; None where a figure is not defined."""
        return {key: value if math.isfinite(value) else None for key, value in asdict(self).items()}

    @classmethod
    def read(cls, plain: dict[str, Any]) -> Similarity:
        """From :meth:`plain`; NaN where a figure is not defined."""
        return cls(*(math.nan if plain[one.name] is None else float(plain[one.name]) for one in fields(cls)))


def similarities(store: Store, runs: Sequence[Run], device: str = "cpu") -> dict[str, Similarity]:
    """By digest, the similarity of every finished run in ``runs`` that has a teacher. Computed once, then read.

    A run is left out where it was not measured before and cannot be now, because its teacher or the images are not there; what
    prevents it is said, but for a missing teacher. Networks are run in float32, whatever they were trained in.
    """
    found: dict[str, Similarity] = {}
    measuring = _Measuring(store, device)
    seals: dict[str, str | None] = {}
    for run in runs:
        record = store.opened(run)
        if run.teacher is None or record is None:
            continue
        if run.teacher.digest not in seals:
            seals[run.teacher.digest] = _seal(store, run.teacher)
        results, seal = Results(record, store.once), seals[run.teacher.digest]
        similar = _kept(results, run.teacher, seal)
        if similar is None and seal is not None:
            try:
                measured = measuring(run, run.teacher).plain() | {"record": seal}
            except (ValueError, LookupError, OSError, RuntimeError) as error:  # also what code of one's own may raise
                store.once(f"KL and CKA with the teacher are not known for all runs: {error}")
                continue
            similar = Similarity.read(results.put(*_question(run.teacher), measured))
        if similar is not None:
            found[run.digest] = similar
    return found


class _Measuring:
    """Measures students; images and a teacher's answers are held for its next student."""

    def __init__(self, store: Store, device: str) -> None:
        self._store = store
        self._device = device
        self._loaded: dict[Data, Dataset] = {}
        self._shown: dict[tuple[str, Data], tuple[Tensor, Tensor]] = {}

    def __call__(self, run: Run, teacher: Run) -> Similarity:
        if run.data not in self._loaded:
            self._loaded[run.data] = load(run.data, self._device)
        dataset = self._loaded[run.data]
        if (teacher.digest, run.data) not in self._shown:
            self._shown[teacher.digest, run.data] = answers(self._store, teacher, dataset, self._device)
        zt, vt = self._shown[teacher.digest, run.data]
        zs, vs = answers(self._store, run, dataset, self._device)
        return Similarity(divergence.kl(zt, zs), cka.linear(vs, vt), divergence.agreement(zt, zs))


def known(store: Store, run: Run, record: Record) -> Similarity | None:
    """What was measured before of ``run``; nothing is measured."""
    return run.teacher and _kept(Results(record, store.once), run.teacher, _seal(store, run.teacher))


def _kept(results: Results, teacher: Run, seal: str | None) -> Similarity | None:
    """What was measured against the Record of the teacher with this seal, or, where it has none now, against the last."""
    found = results.get(*_question(teacher), lambda plain: (plain["record"], Similarity.read(plain)))
    return found[1] if found is not None and seal in (None, found[0]) else None


def _question(teacher: Run) -> tuple[str, dict[str, Any]]:
    return "similarity", {"teacher": teacher.digest, "version": VERSION}


def _seal(store: Store, teacher: Run) -> str | None:
    """The checksum that stands for the teacher's Record; None where it is missing or damaged."""
    try:
        record = store.record(teacher)
    except DamagedError:
        return None
    return record and file_checksum(record.folder / "record.json")


def answers(store: Store, run: Run, dataset: Dataset, device: str) -> tuple[Tensor, Tensor]:
    """(logits, pooled vectors) of the deployed network for the whole test set, on the CPU.

    One that is no BlockNet has no pooled vector; the trained network's is taken.
    """
    shows, deployed = networks(store, run, device)
    logits, pooled = [], []
    with torch.no_grad():
        for batch in evaluation_batches(dataset, dataset.test):
            own = shows.outputs(batch.images, frozenset({"logits", "pooled"}))
            z = own.logits if shows is deployed else deployed(batch.images)
            assert z is not None and own.pooled is not None
            logits.append(z.cpu())
            pooled.append(own.pooled.cpu())
    return torch.cat(logits), torch.cat(pooled)


def networks(store: Store, run: Run, device: str) -> tuple[BlockNet, nn.Module]:
    """(the network with the layers, the network that answers), in eval mode: both are the deployed one.

    Where that is no BlockNet, the layers are those of the trained network.
    """
    net, added = store.load(run)
    net, added = net.to(device), added.to(device)
    deployed = run.method.deployed(added, net).eval()
    return deployed if isinstance(deployed, BlockNet) else net, deployed
