"""The teacher's answers of a cohort, kept in the store: which series they belong to, and what they
take.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from didact.data import Dataset
from didact.data.augment import VIEWS
from didact.deploy.engine import runtime
from didact.engine.environment import environment
from didact.engine.learner import Learner
from didact.method import Teacher
from didact.nets.blocks import Shapes
from didact.runs.foreign import sources
from didact.runs.run import Run
from didact.spec import canonical, digest, to_json
from didact.store.answers.epoch import EpochAnswers
from didact.store.answers.series import Answers, Keep, unkept
from didact.store.record import Record, anchor_path
from didact.store.store import Store
from didact.teaching.route import Along
from didact.tensors import Needs

FORMAT = 1
"""Rises when a teacher computes other outputs from the same weights and images than before."""


class Kept:
    """Gives the kept answers of a cohort's teacher epoch by epoch
    (:attr:`didact.engine.train.Cohort.answers`).

    Args:
        run: any of the cohort's.
        teacher, record: its teacher as it shows itself, and that run's Record.
        steps: batches in an epoch.
        deterministic: whether deterministic kernels are asked for.
    """

    def __init__(
        self,
        run: Run,
        teacher: Teacher,
        record: Record,
        store: Store,
        dataset: Dataset,
        keep: Keep,
        *,
        steps: int,
        deterministic: bool,
    ) -> None:
        assert run.teacher is not None
        self._net, self._teacher, self._record = run.teacher, teacher, record
        self._keep, self._steps = keep, steps
        self._answers = Answers(store.root, keep.limit, store.say)
        self._shared = _about(run, dataset, deterministic=deterministic)
        self._images = len(dataset.train)

    def __call__(self, epoch: int) -> AbstractContextManager[EpochAnswers | None]:
        """The answers for ``epoch``, from 0; None where nothing can be kept. After the teacher of
        the epoch is chosen.
        """
        try:
            folder = self._answers.open(self._shared | {"weights": self._weights()}, self._net.label)
        except OSError as error:
            self._answers.once(unkept(self._answers.folder, error))
            return nullcontext()
        return EpochAnswers(self._answers, folder, self._keep, epoch, self._steps)

    def _weights(self) -> str:
        """SHA-256 of the file with the weights of the network that teaches now."""
        name = "weights.safetensors"
        if isinstance(self._teacher, Along):
            epoch = self._teacher.anchors[self._teacher.position]
            if epoch != self._net.epochs:
                name = anchor_path(self._record.folder, epoch).relative_to(self._record.folder).as_posix()
        return self._record.sums[name]

    def size(self, learners: Iterable[Learner], shapes: Shapes) -> str:
        """What the answers take on disk, in a line for the user."""
        learners = list(learners)
        needs = [stage.needs or learner.method.needs for learner in learners for stage in learner.stages]
        epoch = epoch_bytes(needs, self._keep, shapes, self._images, self._shared["precision"])
        epochs = max(learner.epochs for learner in learners)
        used = sum(one.bytes for one in self._answers.series())
        return (
            f"answers of {self._net.label}: {epoch / 1e6:,.3g} MB an epoch, {epochs * epoch / 1e9:,.3g} GB in all; "
            f"{used / 1e9:,.2f} of {self._keep.limit / 1e9:,.2f} GB are in use"
        )


def _about(run: Run, dataset: Dataset, *, deterministic: bool) -> dict[str, Any]:
    """Everything on which a teacher's answers depend but its weights: batches, precision, machine."""
    assert run.teacher is not None
    mixing = run.recipe.mixing
    where = environment(str(dataset.device))
    return {
        "format": FORMAT,
        "teacher": run.teacher.digest,
        "label": run.teacher.label,
        "data": digest(run.data),
        "title": run.data.title,
        "images": hashlib.sha256(canonical(dataset.record()).encode()).hexdigest(),
        "data_seed": run.data_seed,
        "batch_size": run.recipe.batch_size,
        "precision": run.recipe.precision,
        **({"mixing": [mixing.mixup, mixing.cutmix]} if mixing.mixes else {}),
        "code": sources(run.teacher),
        "deterministic": deterministic,
        "kernels": torch.backends.cpu.get_cpu_capability(),
        **({"engine": to_json(run.engine), "runtime": runtime()} if run.engine else {}),
        **{name: where[name] for name in ("didact", "torch", "device", "device_name", "threads")},
    }


def epoch_bytes(needs: Iterable[Needs], keep: Keep, shapes: Shapes, images: int, precision: str) -> int:
    """What the answers for an epoch take at most, in bytes.

    Args:
        needs: of the learners, in all stages.
        shapes: of the teacher's outputs.
        images: in the training set.
    """
    read: dict[str, frozenset[str]] = {}
    for one in needs:
        for what in (*(["main"] if one.main else []), *one.views):
            read[what] = read.get(what, frozenset()) | one.teacher
    maps = sum(map(math.prod, shapes.features))
    values = {
        "logits": shapes.classes,
        "pooled": math.prod(shapes.pooled),
        "features": maps,
        "preacts": maps,
        "stem": math.prod(shapes.stem),
    }
    rows = {what: images * VIEWS.get(what, 1) for what in read}
    size = 2 if precision == "bf16" else 4
    return sum(rows[what] * size * values[part] for what, parts in read.items() for part in keep.parts(parts))
