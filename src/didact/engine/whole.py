"""The steps of a cohort in one epoch: of all its groups, with the teacher's pass.

Each has a share of the host (learning rates before, what is kept of a step after) and a share of
the device, :meth:`Steps.compute`, which is the same work for every batch of one size and can be
recorded (:mod:`didact.engine.captured`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from didact.engine.lanes import Lanes, OneLane
from didact.engine.learner import Learner
from didact.engine.step import compute
from didact.engine.tally import Tally
from didact.engine.teach import Answers, teach
from didact.nets.blocks import BlockNet
from didact.tensors import Batch


def nothing_drawn(step: int, what: str) -> None:
    """For teachers that draw nothing."""


@dataclass(frozen=True)
class Steps:
    """The steps of an epoch.

    Attributes:
        groups: learners that read each other's outputs, or one by itself.
        steps: how many there are in the epoch.
        tallies: the sums of each learner, by its label.
        teacher: the frozen network that all learn from; None where no method reads one.
        draw_for: called with the step and "main" or the name of a view before each pass of the
            teacher, for teachers that draw from global generators.
        answers: the teacher's kept answers; None where none are kept.
        lanes: where the groups run.
    """

    groups: Sequence[Sequence[Learner]]
    steps: int
    tallies: Mapping[str, Tally]
    teacher: BlockNet | None = None
    draw_for: Callable[[int, str], object] = nothing_drawn
    answers: Answers | None = None
    lanes: Lanes = field(default_factory=OneLane)

    @property
    def learners(self) -> list[Learner]:
        """All learners, group by group."""
        return [learner for group in self.groups for learner in group]

    def __call__(self, batch: Batch, step: int) -> None:
        """The whole step of this number, from 0."""
        self.begin(step)
        self.compute(batch, step)
        self.end(step)

    def begin(self, step: int) -> None:
        """The host's share before a step."""
        for learner in self.learners:
            learner.begin_step(learner.clock(step, self.steps))

    def compute(self, batch: Batch, step: int) -> None:
        """The device's share: the teacher's pass, then each group on its lane."""
        learners = self.learners
        precision = learners[0].recipe.precision
        taught = teach(self.teacher, batch, learners, precision, lambda what: self.draw_for(step, what), self.answers)
        self.lanes.fork()
        for place, group in enumerate(self.groups):
            with self.lanes.lane(place):
                compute(group, batch, taught, step, self.steps, self.tallies)
        self.lanes.join()

    def end(self, step: int) -> None:
        """The host's share after a step."""
        for learner in self.learners:
            learner.end_step(learner.clock(step, self.steps))
