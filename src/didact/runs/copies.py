"""Runs whose seed changes nothing: all weights come from a file, and the training draws nothing under
the seed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import torch
from torch import Tensor

from didact.runs.build import beginning, network
from didact.runs.rehearsal import IMAGES, learner, noise, step_in_stages
from didact.runs.run import Run
from didact.seeds import preserved
from didact.spec import digest

STEPS = (1, 16)
"""Runs that a step sets apart need no more. Where something is rarely drawn, such as the drop of a path, the first
step may draw it for neither."""


def copies(runs: Iterable[Run], among: Collection[str]) -> list[tuple[Run, ...]]:
    """The groups of runs that end with the same weights, as they differ in their seeds alone and these
    change nothing.

    Found out on the CPU: whether two of a group begin alike, and are alike after some steps on noise in every
    stage. So a fresh last layer, what a method adds, drawn negatives and dropout tell them apart. A run that
    begins with fresh weights is no copy.

    Args:
        among: digests; groups with none of these are left out.

    Raises:
        WeightsError: a file is not where it was, has changed, or does not fit.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.start is not None and run.start.file is not None:
            groups.setdefault(digest(replace(run, seed=0)), []).append(run)
    asked = [group for group in groups.values() if len(group) > 1 and any(run.digest in among for run in group)]
    return [tuple(group) for group in asked if all(_are_alike(group[0], group[1], steps) for steps in STEPS)]


def _are_alike(first: Run, second: Run, steps: int) -> bool:
    ours, theirs = _stepped(first, steps), _stepped(second, steps)
    return ours.keys() == theirs.keys() and all(_equal(value, theirs[key]) for key, value in ours.items())


def _equal(one: Tensor, other: Tensor) -> bool:
    """Equal in every number; steps on noise may end in some that are none."""
    return torch.equal(one.nan_to_num(), other.nan_to_num())


def _stepped(run: Run, steps: int) -> dict[str, Tensor]:
    """The weights of the run's network and of what its method adds, after so many steps in every stage."""
    with preserved():
        dataset = noise(run.data, steps * IMAGES)
        teacher = network(run.teacher).eval().requires_grad_(False) if run.teacher else None
        learners = [learner(one, str(turn), teacher, dataset, IMAGES) for turn, one in enumerate(run.group)]
        own = learners[run.turn]
        own.net.load_state_dict(beginning(run).state_dict())
        step_in_stages(run, learners, teacher, dataset)
    return {**own.net.state_dict(prefix="net."), **own.extras.state_dict(prefix="extras.")}
