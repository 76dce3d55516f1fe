"""RCO: the student follows the route of its teacher's training.

Jin, Peng, Wu, Liu, Liu, Liang, Yan, Hu: Knowledge Distillation via Route Constrained Optimization
(ICCV 2019), https://arxiv.org/abs/1904.09149

Anchors are the teacher's weights after some epochs of its training. A student learns from the
earliest anchor first and from the finished teacher last. Anchors have equal epoch intervals (EEI).
With "equal", each teaches for the same share of the student's epochs: with the usual number of
epochs this is the one-stage EEI of the SFTN paper's Table 4, with four times as many its EEI-4.
With "greedy", the next anchor takes over when the student is near the present one: when, at the end
of an epoch, the mean KL(anchor || student) of the softmax outputs at T = 1 is below the threshold.
Anchors that the student is already near are skipped.

A route is a Teacher, so any method works along it. The paper's number of anchors, learning rate
between them and threshold are unknown to us; the defaults are four anchors, the recipe's learning
rate, and no threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from didact.losses import softened_kl
from didact.nets.blocks import BlockNet
from didact.nets.folded import folded
from didact.spec import Positive, spec
from didact.tensors import Batch


@spec
class Route:
    """How a student follows its teacher's route."""

    schedule: Literal["equal", "greedy"] = "equal"
    """When the next anchor teaches: after an equal share of the student's epochs, or when the
    student is near this one."""
    anchors: Annotated[int, Field(ge=2, le=1000)] = 4
    """Number of anchors, at equal intervals of the teacher's epochs; the last is the finished
    teacher."""
    threshold: Positive | None = None
    """greedy: KL in nats below which the next anchor takes over."""

    @model_validator(mode="after")
    def _complete(self) -> Route:
        if (self.schedule == "greedy") != (self.threshold is not None):
            raise ValueError(
                "a greedy route, and no other, takes a threshold: the KL in nats below which the next anchor teaches"
            )
        return self

    @property
    def label(self) -> str:
        """A short description: "4 anchors", "4 anchors, greedy 0.5"."""
        return f"{self.anchors} anchors" + (f", greedy {self.threshold:g}" if self.threshold is not None else "")

    def epochs(self, length: int) -> tuple[int, ...]:
        """The epochs of the anchors for a teacher of ``length`` epochs; the last is its end.

        Raises:
            ValueError: more anchors than epochs.
        """
        if self.anchors > length:
            raise ValueError(
                f"route.anchors: a route of {self.anchors} anchors through {length} epochs of the teacher; take {length} at "
                f"most, or train {self.anchors} epochs or more"
            )
        return tuple(i * length // self.anchors for i in range(1, self.anchors + 1))

    def check(self, teacher: int, student: int, *, alone: bool) -> None:
        """Check that a student can follow the route.

        Args:
            teacher, student: their numbers of epochs, over all stages.
            alone: whether the student learns without peers.

        Raises:
            ValueError: more anchors than epochs of either, or a greedy route and a student with
                peers.
        """
        self.epochs(teacher)
        if self.schedule == "equal" and self.anchors > student:
            raise ValueError(f"a route of {self.anchors} anchors in {student} epochs; take {student} at most")
        if self.schedule == "greedy" and not alone:
            raise ValueError("a greedy route follows one student; leave its peers out, or write route=equal")


class Along:
    """A Teacher that uses one anchor after another.

    Attributes:
        anchors: epochs of the teacher, ascending.
        position: index of the present anchor.
    """

    def __init__(
        self,
        route: Route,
        anchors: Sequence[int],
        epochs: int,
        load: Callable[[int], BlockNet],
        batches: Callable[[], Iterable[Batch]] = tuple,
        draw_for: Callable[[int, int], object] = lambda epoch, batch: None,
        prepare: Callable[[BlockNet], BlockNet] = folded,
    ) -> None:
        """
        Args:
            route: the settings.
            anchors: epochs of the teacher, ascending.
            epochs: the students' number of epochs, over all stages.
            load: gives the teacher after an epoch, frozen and in eval mode.
            batches: the images on which a greedy route measures its student.
            draw_for: called with the student's epoch and the number of a batch before that batch,
                and with -1 before the student is deployed; for networks that draw from global
                generators.
            prepare: converts an anchor into the network that runs.
        """
        self.route = route
        self.anchors = tuple(anchors)
        self.epochs = epochs
        self.position = 0
        self._load = load
        self._prepare = prepare
        self._batches = batches
        self._draw_for = draw_for
        self._shown: tuple[int, BlockNet] | None = None

    @property
    def net(self) -> BlockNet:
        """The present anchor."""
        if self._shown is None or self._shown[0] != self.position:
            self._shown = (self.position, self._prepare(self._load(self.anchors[self.position])))
        return self._shown[1]

    def at(self, epoch: int) -> BlockNet:
        """The anchor for the student's ``epoch``, counted from 0. A greedy route changes only by
        :meth:`move`."""
        if self.route.schedule == "equal":
            self.position = len(self.anchors) * epoch // self.epochs
        return self.net

    def end_epoch(self, epoch: int, deployed: Callable[[], nn.Module]) -> dict[str, int | float]:
        """Metrics: the anchor of ``epoch``. A greedy route may move on, and adds its KL and the
        next anchor."""
        row: dict[str, int | float] = {"anchor": self.anchors[self.position]}
        if self.route.schedule == "greedy":
            draw_for = partial(self._draw_for, epoch)
            draw_for(-1)
            row["anchor_kl"] = self.move(deployed(), self._batches(), draw_for)
            row["next_anchor"] = self.anchors[self.position]
        return row

    def move(
        self, student: nn.Module, batches: Iterable[Batch], draw_for: Callable[[int], object] = lambda batch: None
    ) -> float:
        """Move to the first anchor that the student is not near, or to the last.

        Args:
            student: a network in eval mode, from images to logits.
            batches: the images on which the KL is measured.
            draw_for: called with the number of each batch before it runs, for networks that draw
                from global generators.

        Returns:
            The mean KL from the anchor before the move, in nats.
        """
        assert self.route.threshold is not None, "an equal route moves by the clock"
        batches = list(batches)
        first = nearest = divergence(self.net, student, batches, draw_for)
        while nearest < self.route.threshold and self.position + 1 < len(self.anchors):
            self.position += 1
            nearest = divergence(self.net, student, batches, draw_for)
        return first


def divergence(
    teacher: nn.Module, student: nn.Module, batches: Iterable[Batch], draw_for: Callable[[int], object] = lambda batch: None
) -> float:
    """Mean KL(softmax(zt) || softmax(zs)) over all images, in nats. ``draw_for``: see
    :meth:`Along.move`."""
    total, images = 0.0, 0
    with torch.no_grad():
        for number, batch in enumerate(batches):
            draw_for(number)
            total += float(softened_kl(teacher(batch.images), student(batch.images))) * len(batch)
            images += len(batch)
    return total / images
