"""Routes of teachers: which epochs are kept for whom, and the teacher that a cohort is shown along one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch

from didact.data import Dataset, evaluation_batches
from didact.engine.learner import Learner
from didact.nets.blocks import BlockNet
from didact.runs.foreign import involved
from didact.runs.run import Run
from didact.seeds import reseed
from didact.spec import RequestError
from didact.store.store import Store
from didact.store.unfinished import Unfinished
from didact.teaching.route import Along

IMAGES = 2000
"""Training images, as they are, on which a greedy route measures the student where no validation images were set aside."""


def asked(runs: Iterable[Run]) -> dict[str, frozenset[int]]:
    """By digest of a teacher, after which epochs the routes of ``runs`` ask for it; its end, which its Record has, left out."""
    epochs: dict[str, frozenset[int]] = {}
    for run in runs:
        if run.teacher is not None:
            known = epochs.get(run.teacher.digest, frozenset())
            epochs[run.teacher.digest] = known | set(run.anchors[:-1])
    return epochs


def check_kept(runs: Iterable[Run], store: Store) -> None:
    """Refuse routes of teachers that are trained, in part or wholly, and of which an anchor was not kept.

    Raises:
        RequestError: the message says which epochs are missing and what to do.
    """
    for run in runs:
        if run.teacher is None or run.route is None:
            continue
        teacher = run.teacher
        unfinished = Unfinished(store, teacher)
        past = teacher.epochs if store.get(teacher) is not None else max(unfinished.kept(), default=0)
        lost = [epoch for epoch in run.anchors[:-1] if epoch <= past and epoch not in unfinished.anchors()]
        if lost:
            raise RequestError(
                f"{run.label}: its route takes the teacher {teacher.label} ({teacher.digest}) as it was after epoch "
                f"{', '.join(map(str, lost))}, which was not kept when it was trained; move {store.folder(teacher)} away, or use "
                "another store, and ask again: it is then trained again, in the same way, and its route kept"
            )


class Follower:
    """A listener that puts the anchor of an epoch into the metrics, and moves a greedy route on. It comes before the one that
    keeps the metrics: a greedy route goes on from there."""

    def __init__(self, run: Run, store: Store, dataset: Dataset, device: str) -> None:
        assert run.route is not None and run.teacher is not None
        teacher = run.teacher

        def load(epoch: int) -> BlockNet:
            net = store.anchor(teacher, epoch).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            return net.requires_grad_(False)

        self.teacher = Along(run.route, run.anchors, run.epochs, load)
        self.greedy = run.route.schedule == "greedy"
        self.seed = run.own_seed
        self.foreign = bool(involved(run))
        self.dataset = dataset
        self.split = dataset.validation or dataset.train.take(torch.arange(min(IMAGES, len(dataset.train))))
        rows = Unfinished(store, run).rows() if self.greedy else []
        if rows:
            self.teacher.position = run.anchors.index(rows[-1]["next_anchor"])

    def epoch_begins(self, epoch: int, epochs: int, steps: int, learners: Sequence[Learner]) -> None:
        pass

    def step_ends(self) -> None:
        pass

    def failed(self, learner: Learner) -> None:
        pass

    def learned(self, learner: Learner, row: dict[str, Any]) -> None:
        row["anchor"] = self.teacher.anchors[self.teacher.position]
        if self.greedy:
            draw_for = partial(self._draw_for, learner)
            draw_for()
            batches = evaluation_batches(self.dataset, self.split)
            row["anchor_kl"] = self.teacher.move(learner.deployed(), batches, draw_for)
            row["next_anchor"] = self.teacher.anchors[self.teacher.position]

    def _draw_for(self, learner: Learner, batch: int = -1) -> None:
        """Put the global generators at the start of a stream for one batch (-1: for what comes before), where the student or
        its teacher may draw from them. So a greedy route is the same after an interruption."""
        if self.foreign:
            reseed(self.seed, "anchor", learner.total, batch, device=learner.device)
