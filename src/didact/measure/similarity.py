"""Similarity of a student and its teacher on the test set, stored with the student's Record."""

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
from didact.store.answers.results import Results
from didact.store.record import Record
from didact.store.store import Store

VERSION = 1
"""Part of the key of stored results; raised when the same networks give other figures."""


@dataclass(frozen=True)
class Similarity:
    """KL(teacher || student) in nats, linear CKA of the pooled vectors and share of equal answers
    in percent."""

    kl: float
    cka: float
    agreement: float

    def plain(self) -> dict[str, float | None]:
        """As plain JSON data; None for an undefined figure."""
        return {key: value if math.isfinite(value) else None for key, value in asdict(self).items()}

    @classmethod
    def read(cls, plain: dict[str, Any]) -> Similarity:
        """From :meth:`plain`; NaN for an undefined figure."""
        values = [plain[field.name] for field in fields(cls)]
        return cls(*(math.nan if value is None else float(value) for value in values))


def similarities(store: Store, runs: Sequence[Run], device: str = "cpu") -> dict[str, Similarity]:
    """The similarity of every finished run with a teacher, by the run's digest. Computed once, then
    read.

    The result lacks runs that have no stored figures and cannot be measured because the teacher or
    the images are missing, or because the store only reads. A note names the reason, except for a
    missing teacher. Networks run in
    float32, whatever their training used.
    """
    by_digest: dict[str, Similarity] = {}
    measuring = _Measuring(store, device)
    seals: dict[str, str | None] = {}
    for run in runs:
        record = store.opened(run)
        if run.teacher is None or record is None:
            continue
        if run.teacher.digest not in seals:
            seals[run.teacher.digest] = _seal(store, run.teacher)
        results, seal = Results(record, store.once), seals[run.teacher.digest]
        similar = _stored(results, run.teacher, seal)
        if similar is None and seal is not None and store.computes:
            try:
                measured = measuring(run, run.teacher).plain() | {"record": seal}
            except (ValueError, LookupError, OSError, RuntimeError) as error:  # includes what a user's code may raise
                store.once(f"KL and CKA with the teacher are not known for all runs: {error}")
                continue
            similar = Similarity.read(results.put(*_question(run.teacher), measured))
        if similar is not None:
            by_digest[run.digest] = similar
    return by_digest


class _Measuring:
    """Measures students; keeps images and a teacher's answers in memory for its next student."""

    def __init__(self, store: Store, device: str) -> None:
        self._store = store
        self._device = device
        self._loaded: dict[Data, Dataset] = {}
        self._answers: dict[tuple[str, Data], tuple[Tensor, Tensor]] = {}

    def __call__(self, run: Run, teacher: Run) -> Similarity:
        if run.data not in self._loaded:
            self._loaded[run.data] = load(run.data, self._device)
        dataset = self._loaded[run.data]
        if (teacher.digest, run.data) not in self._answers:
            self._answers[teacher.digest, run.data] = answers(self._store, teacher, dataset, self._device)
        zt, vt = self._answers[teacher.digest, run.data]
        zs, vs = answers(self._store, run, dataset, self._device)
        return Similarity(divergence.kl(zt, zs), cka.linear(vs, vt), divergence.agreement(zt, zs))


def known(store: Store, run: Run, record: Record) -> Similarity | None:
    """The stored similarity of ``run``, if any; measures nothing."""
    return run.teacher and _stored(Results(record, store.once), run.teacher, _seal(store, run.teacher))


def _stored(results: Results, teacher: Run, seal: str | None) -> Similarity | None:
    """The similarity stored for the teacher's Record with this seal; without a seal, the one stored
    last."""
    answer = results.get(*_question(teacher), lambda plain: (plain["record"], Similarity.read(plain)))
    return answer[1] if answer is not None and seal in (None, answer[0]) else None


def _question(teacher: Run) -> tuple[str, dict[str, Any]]:
    return "similarity", {"teacher": teacher.digest, "version": VERSION}


def _seal(store: Store, teacher: Run) -> str | None:
    """The checksum that identifies the teacher's Record; None if the Record is missing or
    damaged."""
    try:
        record = store.record(teacher)
    except DamagedError:
        return None
    return record and file_checksum(record.folder / "record.json")


def answers(store: Store, run: Run, dataset: Dataset, device: str) -> tuple[Tensor, Tensor]:
    """Logits (n, classes) and pooled vectors (n, features) of the deployed network for the test
    set, on the CPU.

    A deployed network that is no BlockNet has no pooled vector; the trained network's vector stands
    in for it.
    """
    net, deployed = networks(store, run, device)
    logits, pooled = [], []
    with torch.no_grad():
        for batch in evaluation_batches(dataset, dataset.test):
            outputs = net.outputs(batch.images, frozenset({"logits", "pooled"}))
            z = outputs.logits if net is deployed else deployed(batch.images)
            assert z is not None and outputs.pooled is not None
            logits.append(z.cpu())
            pooled.append(outputs.pooled.cpu())
    return torch.cat(logits), torch.cat(pooled)


def networks(store: Store, run: Run, device: str) -> tuple[BlockNet, nn.Module]:
    """(a BlockNet with readable layers, the network that answers), both in eval mode on ``device``.

    Both are the deployed network. If that is no BlockNet, the first is the trained network.
    """
    net, extras = store.load(run)
    net, extras = net.to(device), extras.to(device)
    deployed = run.method.deployed(extras, net).eval()
    return deployed if isinstance(deployed, BlockNet) else net, deployed
