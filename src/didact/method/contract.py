"""The contracts: what a method answers, and what a teacher shows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

from didact.method.context import HeldOut, MetricsContext, StepContext
from didact.method.pair import Idle, Pair
from didact.method.stage import Stage
from didact.nets.blocks import BlockNet
from didact.spec import Named
from didact.tensors import Needs

SoftLabels = Literal["mixed", "smoothed", "none"]
"""Whether terms follow the labels of mixed images and smoothed ones, smoothed ones alone, or
neither.
"""


Parallel = Literal["images", "outputs", "never"]
"""How processes that share a batch take a method's terms: each on its own images, all on the
gathered outputs of the whole batch, or not at all.
"""


class Method(Named, ABC):
    """How one network turns outputs into named, weighted loss terms. Subclasses are frozen
    dataclasses (``spec``).
    """

    homes: ClassVar[tuple[str, ...]] = ("didact.methods", "didact.peers", "didact.teaching")
    learns_alone: ClassVar[bool] = False
    """Whether it is a baseline that trains without a teacher, and is compared with students of the
    teacher in the request.
    """
    teaches: ClassVar[bool] = False
    """Whether it is a method on the teacher, chosen by ``teacher.method``."""
    branch_part: ClassVar[str] = ""
    """The part of a teacher's extras that a student may begin with (``start=branches``), such as
    "branches.0.net": a network that has its blocks under the student's own names. Empty: there is
    none.
    """
    examples: ClassVar[Mapping[str, Any]] = {}
    """Values for settings without a default, for where the method is described without any."""

    @property
    def needs(self) -> Needs:
        """Which outputs the method reads, from itself, the teacher and peers, and which views of
        the images.
        """
        return Needs()

    @property
    def sequential(self) -> bool:
        """How peers move in a step: one after the other, each after it has seen the updated outputs
        of those before it (True), or all after all forward passes.
        """
        return False

    def soft_labels(self) -> SoftLabels:
        """Which labels the terms follow but one class for each image. Recipes with others are
        refused before training.

        - "mixed": all that is read of the labels is ``batch.targets``, which may be probabilities: images can be mixed.
        - "smoothed": the cross entropy reads ``batch.targets``, and something else the class of each image, ``batch.labels``.
        - "none": everything reads ``batch.labels``.
        """
        return "none"

    def parallel(self) -> Parallel:
        """How processes that share a batch take the terms, so that they are those of one process.

        - "images": every term is a mean over the batch's images of values that an image has by itself (batch norm apart), or
          does not depend on the images; nothing is drawn from ``context.random``. Processes compute
          their own images' terms only, extras included.
        - "outputs": right for all other methods. Every process computes the terms of the whole
          batch, from the gathered outputs of the networks.
        - "never": the terms read gradients of ``context.net``, which no process has of the whole
          batch. Such a method trains in one process.
        """
        return "outputs"

    def on_host(self) -> str:
        """What the host decides anew in every step of the terms, or waits for, in words; empty: nothing.

        A step without it can be recorded once in an epoch and replayed: the terms are the same
        operations for every batch, with the same numbers of Python's. Numbers may follow
        ``context.clock.epoch`` and its stage, not its step, and nothing reads a tensor's values.
        """
        return ""

    def stages(self) -> tuple[Stage, ...]:
        """The stages of training in order; exactly one of them is the main one, which takes the
        recipe's epochs.
        """
        return (Stage(),)

    def build(self, pair: Pair) -> nn.Module:
        """The parts the method adds, with real shapes. Drawn under the run's own seed.

        Raises:
            ValueError: the method cannot serve this pair; the message names the block, both shapes
                and the remedy.
        """
        if self.needs.teacher:
            pair.with_teacher()
        return nn.Module()

    def idle(self, pair: Pair) -> tuple[Idle, ...]:
        """The weighted parts that can teach this pair nothing: constant with two classes, with two
        images a batch and so on.

        Checked before anything is trained.
        """
        return ()

    def refresh(self, extras: nn.Module, held: HeldOut) -> None:
        """Called before every epoch where ``needs.held`` says so; what is to be remembered goes
        into the extras.
        """

    @abstractmethod
    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        """Named, weighted scalar terms; their sum is the loss."""

    def deployed(self, extras: nn.Module, net: BlockNet) -> nn.Module:
        """The network to evaluate, export and hand on; it maps images to logits."""
        return net

    def metrics(self, extras: nn.Module, context: MetricsContext) -> dict[str, Tensor]:
        """Figures by name that go into the metrics with the loss. ``context.moment`` decides which.

        - "step": logits (b, k) with their accuracy on the training batches (``train_top1``), under the name "". By default the
          network's own; an empty dict where no logits are trained.
        - "test": logits (b, k) of further classifiers, with their accuracies on held-out images (``test_NAME_top1``).
          The deployed network is tested without being named here.
        - "epoch": scalars, as they are (``watched``).
        """
        return {"": context.own.logits} if context.moment == "step" and context.own.logits is not None else {}


@runtime_checkable
class Teacher(Protocol):
    """The teacher of a cohort: one frozen network, or a route of checkpoints that changes with the
    clock (RCO).
    """

    def at(self, epoch: int) -> BlockNet:
        """The network that teaches in ``epoch`` (counted over all stages from 0): frozen, in eval
        mode.
        """
        ...

    def end_epoch(self, epoch: int, deployed: Callable[[], nn.Module]) -> Mapping[str, int | float]:
        """The teacher's own metrics of a student's ``epoch``, by name. Called once for each student
        after it is tested.

        Args:
            deployed: gives the network that the student would hand on now, in eval mode.
        """
        ...
