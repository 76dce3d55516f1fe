"""The interface that a distillation method implements, and the inputs that it receives.

A :class:`Method` is a frozen, keyword-only dataclass of hyper-parameters. The training loop asks it five things and never
who it is: what it reads (``needs``), in which ``stages`` it trains, which parts it adds (``build``), what the loss is
(``terms``), and which network to hand on (``deployed``). Before any of it ``idle`` says what of the method cannot teach the
pair. Two more are for peers: ``sequential``, how they move in a step, and ``refresh``, before an epoch. Three are for the
metrics: ``train_logits``, the logits whose accuracy on the training batches is counted, ``auxiliary_logits``, further
classifiers worth watching, and ``metrics``, further scalars.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from didact.nets.adapt import match, one_position
from didact.nets.blocks import BlockNet, Shape, Shapes
from didact.spec import Named, NonNegative, Positive, spec
from didact.tensors import Batch, Needs, Outputs, reads


@dataclass(frozen=True)
class Stage:
    """A part of a training run. One that says neither ``epochs`` nor ``share`` is the main one: it takes the recipe's epochs.

    Attributes:
        name: shown in the metrics.
        epochs: its length.
        share: its length as a share of the recipe's epochs, rounded, at least one (30 of 240 epochs are 0.125).
        moves: which parameters are trained: names under ``net.`` or ``extras.``, as prefixes. "" is everything.
        learning_rate: None for the recipe's. With a rate or with ``milestones`` of its own the stage does not follow the
            recipe's schedule.
        milestones: shares of the stage after which its learning rate falls to a tenth; none of them: a constant rate.
        needs: what is read in this stage, where it differs from the method's ``needs``. A network of which nothing is read
            is not run.
    """

    name: str = "train"
    epochs: int | None = None
    share: float | None = None
    moves: tuple[str, ...] = ("",)
    learning_rate: float | None = None
    milestones: tuple[float, ...] | None = None
    needs: Needs | None = None

    @property
    def main(self) -> bool:
        """Whether it is the method's own stage, as long as the recipe says."""
        return self.epochs is None and self.share is None

    def length(self, epochs: int) -> int:
        """Its length under a recipe of ``epochs`` epochs."""
        if self.epochs is not None:
            return self.epochs
        return epochs if self.share is None else max(1, round(self.share * epochs))

    def lr(self, epoch: int, epochs: int, usual: float) -> float | None:
        """The learning rate in ``epoch`` (from 0) of the stage's ``epochs``; None where the recipe's schedule holds.

        Args:
            usual: the recipe's learning rate.
        """
        if self.learning_rate is None and self.milestones is None:
            return None
        fallen = sum(epoch >= round(share * epochs) for share in self.milestones or ())
        return (usual if self.learning_rate is None else self.learning_rate) * 0.1**fallen


def initialising(epochs: int | None, parts: str, alpha: float) -> tuple[Stage, Stage]:
    """The two stages of a method that only initialises, as RepDistiller has them.

    "init" trains stem, blocks and extras to look like the teacher, at the recipe's rate throughout; the main stage takes up the
    labels and no longer looks at the teacher, unless it adds KD.

    Args:
        epochs: of the first stage; None for an eighth of the recipe's (30 of 240).
        parts: what the first stage reads of both networks.
        alpha: weight of KD in the main stage.
    """
    moves, needs = ("extras.", "net.stem", "net.blocks"), reads(parts, teacher=parts)
    first = Stage("init", epochs=epochs, share=0.125, moves=moves, milestones=(), needs=needs)
    return first, Stage(moves=("net.",), needs=reads("logits", teacher="logits" if alpha else ""))


@dataclass(frozen=True)
class Pair:
    """Who learns from whom, with real shapes: what a method needs to build its extras.

    Attributes:
        net: the network that learns; ``shapes`` are its outputs' for one image.
        teacher: the network it learns from, frozen; None when there is none.
        image: shape (c, h, w) of an image.
        classes: how many there are.
        labels: the class of every training image, (samples,), on the CPU; where a pair is built to ask for shapes or to
            load weights they are placeholders.
        batch: images in a batch; the last one of an epoch may have fewer.
        peers: the shapes of the networks that learn beside it, in the order of their turns.
    """

    net: BlockNet
    shapes: Shapes
    image: Shape
    classes: int
    labels: Tensor
    batch: int
    teacher: BlockNet | None = None
    teacher_shapes: Shapes | None = None
    peers: tuple[Shapes, ...] = ()

    @property
    def samples(self) -> int:
        """Size of the training set."""
        return len(self.labels)

    def with_teacher(self) -> tuple[BlockNet, Shapes]:
        """The teacher and its shapes.

        Raises:
            ValueError: there is no teacher.
        """
        if self.teacher is None or self.teacher_shapes is None:
            raise ValueError("this method learns from a teacher, and none was given; name one, or use the method 'ce'")
        return self.teacher, self.teacher_shapes


@dataclass(frozen=True)
class Idle:
    """A part of a method that can teach a pair nothing, whatever the networks show.

    Attributes:
        why: the part, the reason, and what to write instead.
        whole: whether that part is a whole term; the run is then refused. Otherwise a line tells of it.
    """

    why: str
    whole: bool = True


def idle_points(pair: Pair, term: str, weight: float) -> tuple[Idle, ...]:
    """A term over blocks that compares where maps respond, where maps have a single position."""
    own, other = pair.shapes.features, pair.with_teacher()[1].features
    blind = [s + 1 for s, t in match(own, other) if one_position(own[s], other[t])]
    if not blind or not weight:
        return ()
    blocks = f"block{'s' if len(blind) > 1 else ''} {', '.join(map(str, blind))}"
    why = f"after {blocks} maps meet at a single position, where the term '{term}' is the same for all"
    if len(blind) < len(own):
        return (Idle(f"{why}; the other blocks teach", whole=False),)
    return (Idle(f"{why}, and there are no other blocks; use fitnet, or take larger images"),)


@dataclass(frozen=True)
class Clock:
    """Where a learner is in its training. Counts start at 0.

    Attributes:
        epoch, epochs: within the current stage, and that stage's length.
        step, steps: within the epoch, and the epoch's length.
        total: epochs since the start, over all stages.
        stage: the current stage's name.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    total: int
    stage: str = "train"

    def progress(self) -> float:
        """Share of the current stage that is done, in [0, 1)."""
        return (self.epoch + self.step / self.steps) / self.epochs

    def warmup(self, share: float) -> float:
        """How far a weight has risen that reaches its value, epoch by epoch, at the end of ``share`` of the stage: (0, 1].

        (epoch + 1) / (share * epochs), at most 1, as the code of DKD and ReviewKD counts; 1 for no share.
        """
        return min((self.epoch + 1) / (share * self.epochs), 1.0) if share else 1.0


@dataclass(frozen=True)
class View:
    """What both networks showed for a further view of the batch."""

    own: Outputs
    teacher: Outputs | None


@dataclass(frozen=True)
class StepContext:
    """Inputs to :meth:`Method.terms` for one training step.

    Attributes:
        batch: images, labels, index.
        own: what the learner's network showed, with gradient; only the parts in ``needs.own``.
        teacher: what the teacher showed, without gradient; None when nothing was asked of it.
        peers: what the peers showed, without gradient, in the order of their turns.
        views: by name, what was shown for further views.
        clock: where the training is.
        random: the learner's own generator, on the batch's device.
        net: the network that learns, for methods that ask for gradients with respect to its parameters.
        position: the learner's own place among its peers, from 0.
    """

    batch: Batch
    own: Outputs
    teacher: Outputs | None
    clock: Clock
    random: torch.Generator
    peers: tuple[Outputs, ...] = ()
    views: dict[str, View] = field(default_factory=dict)
    net: BlockNet | None = None
    position: int = 0

    @property
    def group(self) -> tuple[Outputs, ...]:
        """What all networks that learn together showed, in the order of their turns, the same for each: own and peers."""
        return (*self.peers[: self.position], self.own, *self.peers[self.position :])


@dataclass(frozen=True)
class HeldOut:
    """What networks that learn together answer for held-out images, in eval mode and without gradient.

    Attributes:
        logits: (n, k) of every network, own and peers, in the order of their turns.
        labels: (n,).
    """

    logits: tuple[Tensor, ...]
    labels: Tensor


class Method(Named, ABC):
    """How one network turns what it saw into named, weighted loss terms. Subclasses are frozen dataclasses (``spec``)."""

    homes: ClassVar[tuple[str, ...]] = ("didact.methods", "didact.peers", "didact.teaching")
    teaches: ClassVar[bool] = False
    """Whether it is a method on the teacher: asked for by ``teacher.method``."""

    @property
    def needs(self) -> Needs:
        """Which outputs the method reads, from itself, the teacher and peers, and which views of the images."""
        return Needs()

    @property
    def sequential(self) -> bool:
        """How peers move in a step: one after the other, each shown what those before it say after they have moved (True), or
        all after all have looked."""
        return False

    def stages(self) -> tuple[Stage, ...]:
        """The stages of training in order; exactly one of them is the main one, which takes the recipe's epochs."""
        return (Stage(),)

    def build(self, pair: Pair) -> nn.Module:
        """The parts the method adds, with real shapes. Drawn under the run's own seed.

        Raises:
            ValueError: the method cannot serve this pair; the message names the block, both shapes and the remedy.
        """
        return nn.Module()

    def idle(self, pair: Pair) -> tuple[Idle, ...]:
        """The weighted parts that can teach this pair nothing: constant with two classes, with two images a batch and so on.

        Asked before anything is trained.
        """
        return ()

    def refresh(self, extras: nn.Module, held: HeldOut) -> None:
        """Called before every epoch where ``needs.held`` asks for it; what is to be remembered goes into the extras."""

    @abstractmethod
    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        """Named, weighted scalar terms; their sum is the loss."""

    def deployed(self, extras: nn.Module, net: BlockNet) -> nn.Module:
        """The network to evaluate, export and hand on; it maps images to logits."""
        return net

    def train_logits(self, extras: nn.Module, context: StepContext) -> Tensor | None:
        """The logits (b, k) whose accuracy on the training batches is in the metrics; None where there are none to speak of."""
        return context.own.logits

    def auxiliary_logits(self, extras: nn.Module, own: Outputs) -> dict[str, Tensor]:
        """Further logits by name, whose accuracies are put into the metrics (SFTN's branches)."""
        return {}

    def metrics(self, extras: nn.Module) -> dict[str, Tensor]:
        """Further scalars by name that are put into the metrics at the end of every epoch (the entropy of a distribution)."""
        return {}


@spec
class Joint(Method):
    """A method whose own loss is trained together with the labels and, where asked, with KD.

    What most papers' methods share: L = gamma CE + alpha KD + beta (their own). The first two are ``didact.losses.task``.
    """

    presets: ClassVar = {"kd": {"alpha": 1.0}}

    gamma: NonNegative = 1.0
    """Weight of the cross entropy with the labels."""
    alpha: NonNegative = 0.0
    """Weight of KD; 1 in the preset ``+kd`` (the SFTN paper trains feature methods jointly with KD)."""
    temperature: Positive = 4.0
    """Temperature of the KD term."""

    def reading(self, own: str, teacher: str | None = None) -> Needs:
        """:class:`Needs` for these parts (of both networks, unless the teacher's are named) and for the shared terms."""
        return reads(f"logits {own}", teacher=f"{'logits ' if self.alpha else ''}{own if teacher is None else teacher}")


@runtime_checkable
class Teacher(Protocol):
    """The teacher of a cohort: one frozen network, or a route of checkpoints that changes with the clock (RCO)."""

    def at(self, epoch: int) -> BlockNet:
        """The network that teaches in ``epoch`` (counted over all stages from 0): frozen, in eval mode."""
        ...

    def end_epoch(self, epoch: int, deployed: Callable[[], nn.Module]) -> Mapping[str, int | float]:
        """The teacher's own metrics of a student's ``epoch``, by name. Called once for each student after it is tested.

        Args:
            deployed: gives the network that the student would hand on now, in eval mode.
        """
        ...
