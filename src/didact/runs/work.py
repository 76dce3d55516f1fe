"""How much a training computes and holds: multiply-accumulates of its network and its teacher's
passes; bytes of its learner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from didact.data import facts, training_images
from didact.data.augment import VIEWS
from didact.data.settings import Data
from didact.nets.blocks import macs
from didact.runs.build import extras, network, pair, placeholders
from didact.runs.foreign import formed
from didact.runs.run import Run

BACKWARD = 2
"""A backward pass computes as much as so many forward ones."""


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates of convolutions and linear layers over a whole training.

    Attributes:
        own: of the network that learns, forward and backward; without what its method adds.
        teacher: of its teacher's passes, which a cohort shares.
    """

    own: int
    teacher: int


def work(run: Run) -> Work:
    """What training ``run`` computes, over all its stages."""
    own = teacher = 0
    for stage in run.method.stages():
        needs = stage.needs or run.method.needs
        rows = (1 if needs.main else 0) + sum(VIEWS[view] for view in needs.views)
        shown = stage.length(run.recipe.epochs) * training_images(run.data) * rows
        own += shown * (1 + BACKWARD) * forward(run) if needs.own else 0
        teacher += shown * forward(run.teacher) if needs.teacher and run.teacher is not None else 0
    return Work(own, teacher)


def forward(run: Run) -> int:
    """Multiply-accumulates of the run's network for one image of its data."""
    known = _known.get((run.net, run.data))
    if known is None:
        with formed(run):
            known = _known[run.net, run.data] = macs(network(run), facts(run.data).image)
    return known


_known: dict[tuple[str, Data], int] = {}
"""What :func:`forward` has found: building a network takes longer than to look it up."""


def held(run: Run) -> int:
    """Bytes that the run's learner holds throughout its training: weights, gradients, what the
    optimiser remembers, buffers.
    """
    key = (run.net, run.data, run.recipe.copies, run.method, run.teacher and run.teacher.net)
    known = _held.get(key)
    if known is None:
        with formed(run):
            net = network(run)
            teacher = None if run.teacher is None else network(run.teacher)
            added = extras(run, pair(run, net, teacher, placeholders(run, training_images(run.data))))
        moving = [*net.parameters(), *added.parameters()]
        fixed = [*net.buffers(), *added.buffers()]
        known = _held[key] = run.recipe.copies * sum(p.nbytes for p in moving) + sum(b.nbytes for b in fixed)
    return known


_held: dict[tuple[Any, ...], int] = {}
"""What :func:`held` has found."""
