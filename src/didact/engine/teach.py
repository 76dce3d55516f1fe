"""A teacher's pass over a batch: once for all learners of a cohort, without gradient, or read from
answers that were kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from didact.engine.learner import Learner
from didact.nets.blocks import BlockNet
from didact.tensors import Batch, Outputs


@dataclass(frozen=True)
class TeacherOutputs:
    """What the teacher showed for a batch and its views; empty where no learner reads it.

    Where processes share the batch, ``main`` and ``views`` are for the share of this one, and
    ``whole`` has what is read of the whole batch.
    """

    main: Outputs | None = None
    views: dict[str, Outputs] = field(default_factory=dict)
    whole: TeacherOutputs | None = None


class Answers(Protocol):
    """A teacher's answers for the batches of one epoch, as far as they were kept."""

    def recall(self, what: str, parts: frozenset[str], batch: Batch) -> Outputs | None:
        """What the teacher showed for the next batch: ``parts`` of its outputs for ``what``, "main"
        or the name of a view.

        None where that was not kept; what is then computed is given to :meth:`keep`.
        """
        ...

    def keep(self, what: str, outputs: Outputs) -> None:
        """Keep what was computed for the batch that the last :meth:`recall` asked for."""
        ...


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bfloat16 autocast when ``precision`` is bf16, a context that does nothing otherwise."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def teach(
    net: BlockNet | None,
    batch: Batch,
    learners: Iterable[Learner],
    precision: str,
    draw_for: Callable[[str], object] = lambda what: None,
    answers: Answers | None = None,
) -> TeacherOutputs:
    """One pass of the teacher, without gradient, that keeps just what these learners read between
    them.

    Args:
        draw_for: called before each pass with "main" or the name of the view, for teachers that
            draw from global generators.
        answers: takes the place of a pass whose outputs it has, and is given those of the others.
    """
    learners = list(learners)
    if net is None:
        return TeacherOutputs()
    assert not net.training, "the teacher is frozen"
    share = learners[0].processes.share(batch)
    batch = share.part
    with torch.no_grad(), autocast(batch.images.device, precision):
        shown = {}
        for what, read in _read(learners, batch.views).items():
            if read:
                kept = None if answers is None else answers.recall(what, read, batch)
                if kept is None:
                    draw_for(what)
                    kept = net.outputs(batch.images if what == "main" else batch.views[what], read)
                    if answers is not None:
                        answers.keep(what, kept)
                shown[what] = kept
        if not share.rows:
            return TeacherOutputs(shown.pop("main", None), shown)
        wanted = _read([one for one in learners if one.method.parallel() != "images"], batch.views)
        whole = {what: share.gather(outputs.only(wanted[what])) for what, outputs in shown.items() if wanted[what]}
        return TeacherOutputs(shown.pop("main", None), shown, TeacherOutputs(whole.pop("main", None), whole))


def _read(learners: Sequence[Learner], views: Iterable[str]) -> dict[str, frozenset[str]]:
    """What these learners read of the teacher between them: for the batch, "main", and for each
    view.
    """
    parts = {"main": frozenset[str]().union(*(one.needs.teacher for one in learners if one.needs.main))}
    return parts | {
        v: frozenset[str]().union(*(one.needs.teacher for one in learners if v in one.needs.views)) for v in views
    }
