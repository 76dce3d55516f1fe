"""RCO: the route along which the teacher learned, for its student to follow.

Jin, Peng, Wu, Liu, Liu, Liang, Yan, Hu: Knowledge Distillation via Route Constrained Optimization (ICCV 2019),
https://arxiv.org/abs/1904.09149

The teacher's weights are kept after some epochs of its training, the anchors; a student learns from the earliest first and from
the finished teacher last. Anchors lie at equal epoch intervals (EEI). By "equal" all of them teach for the same share of the
student's epochs: in the usual number this is the one-stage EEI of the SFTN paper's Table 4, in four times as many its EEI-4.
By "greedy" the next anchor takes over as soon as the student is near to the one before: when, at the end of an epoch, the mean
KL(anchor || student) of the softmax outputs at T = 1 is below the threshold; anchors that it is near to already are passed by.

A route is a Teacher, so any method works along it. Neither the number of anchors, nor the learning rate between them, nor the
threshold of the paper is known to us: four anchors, the recipe's rate, and no default.
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
    """When the next anchor teaches: after an equal share of the student's epochs, or when the student is near to this one."""
    anchors: Annotated[int, Field(ge=2, le=1000)] = 4
    """How many anchors, at equal intervals of the teacher's epochs; the last is the finished teacher."""
    threshold: Positive | None = None
    """greedy: the KL (nats) below which the next anchor takes over."""

    @model_validator(mode="after")
    def _complete(self) -> Route:
        if (self.schedule == "greedy") != (self.threshold is not None):
            raise ValueError(
                "a greedy route, and no other, takes a threshold: the KL in nats below which the next anchor teaches"
            )
        return self

    @property
    def label(self) -> str:
        """In a few words: "4 anchors", "4 anchors, greedy 0.5"."""
        return f"{self.anchors} anchors" + (f", greedy {self.threshold:g}" if self.threshold is not None else "")

    def epochs(self, length: int) -> tuple[int, ...]:
        """After which epochs a teacher of ``length`` epochs is kept; the last one is its end.

        Raises:
            ValueError: there are more anchors than epochs.
        """
        if self.anchors > length:
            raise ValueError(
                f"route.anchors: a route of {self.anchors} anchors through {length} epochs of the teacher; take {length} at most"
            )
        return tuple(i * length // self.anchors for i in range(1, self.anchors + 1))

    def check(self, teacher: int, student: int, *, alone: bool) -> None:
        """Refuse a route that a student cannot follow.

        Args:
            teacher, student: how many epochs they train, over all stages.
            alone: whether the student learns without peers.

        Raises:
            ValueError: the route has more anchors than either has epochs, or is greedy and the student not alone.
        """
        self.epochs(teacher)
        if self.schedule == "equal" and self.anchors > student:
            raise ValueError(f"a route of {self.anchors} anchors in {student} epochs; take {student} at most")
        if self.schedule == "greedy" and not alone:
            raise ValueError("a greedy route goes by one student; leave its peers out, or write route=equal")


class Along:
    """The Teacher that shows one anchor after another.

    Attributes:
        anchors: epochs of the teacher, ascending.
        position: of the anchor that teaches now.
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
            epochs: of the students, over all stages.
            load: the teacher as it was after an epoch: frozen, in eval mode.
            batches: the images on which a greedy route measures its student.
            draw_for: called with the student's epoch and the number of a batch before that batch is shown, with -1 before the
                student is deployed; for networks that draw from global generators.
            prepare: gives the network that is shown in an anchor's place.
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
        """The anchor that teaches now."""
        if self._shown is None or self._shown[0] != self.position:
            self._shown = (self.position, self._prepare(self._load(self.anchors[self.position])))
        return self._shown[1]

    def at(self, epoch: int) -> BlockNet:
        """The anchor of the student's ``epoch``, from 0; a greedy route stays where :meth:`move` has brought it."""
        if self.route.schedule == "equal":
            self.position = len(self.anchors) * epoch // self.epochs
        return self.net

    def end_epoch(self, epoch: int, deployed: Callable[[], nn.Module]) -> dict[str, int | float]:
        """The anchor that taught in ``epoch``. A greedy route moves on; its KL and the next anchor are metrics, too."""
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
        """Go on to the first anchor that the student is not near to, or to the last. Returns the KL from the one before, in nats.

        Args:
            student: in eval mode; images to logits.
            batches: on which the KL is measured.
            draw_for: called with the number of each batch before it is shown, for networks that draw from global generators.
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
    """Mean KL(softmax(zt) || softmax(zs)) over all images, in nats. ``draw_for``: see :meth:`Along.move`."""
    total, images = 0.0, 0
    with torch.no_grad():
        for number, batch in enumerate(batches):
            draw_for(number)
            total += float(softened_kl(teacher(batch.images), student(batch.images))) * len(batch)
            images += len(batch)
    return total / images
