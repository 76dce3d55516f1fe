"""GTN: the generic teacher network.

Binici, Wu, Mitra: Generalizing Teacher Networks for Effective Knowledge Distillation Across Student
Architectures (arXiv 2024), https://arxiv.org/abs/2407.16040

One teacher serves a whole pool of students. As in SFTN, student branches start after the teacher's
blocks and are trained with it. Here, a branch has the remaining blocks of a student that is drawn
from the pool in every iteration, and all students share the weights of one supernet. The branches
are then dropped. The cost of an iteration does not depend on the size of the pool.

    L_CT = 1/n sum_i ( CE(z_i, y) + alpha T^2 KL(softmax(z / T) || softmax(z_i / T)) ) + CE(z, y)

z: the teacher's logits; z_i: the i-th of the n drawn students' (one for each branch and path).
Gradients flow through both sides of the KL, which conditions the teacher. The cross entropies use
temperature 1.

The publication leaves open, and didact defines: the pool (:mod:`didact.nets.supernet`), alpha, T,
the transform layers (SFTN's, sliced to the drawn student's width like all tensors), the start of
branches (after every block but the last; 0 runs whole students from the images), and the sampling
of students. uniform: all choices are equally likely. sandwich: the smallest and the largest student
in every iteration, the others uniform (Yu and Huang 2019). trained: a distribution over the
choices, by Gumbel-softmax. The logits of a drawn student are multiplied by the straight-through
values of its choices; the product is 1, and carries the gradient of the loss to the distribution
(inside the network, batch norm would cancel any factor). The architecture loss keeps the
distribution near the pool's capacity:

    L_A = beta ( log E_theta[parameters] - log E_uniform[parameters] )^2

Both means are exact. The recipe's weight decay also applies to the distribution and pulls it
towards uniform. The metrics include the distribution's entropy and mean number of parameters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from didact.losses import cross_entropy, softened_kl
from didact.method import Clock, ForPool, MetricsContext, Pair, Parallel, SoftLabels, StepContext
from didact.nets.adapt import Transform, match
from didact.nets.architecture import is_architecture, parse
from didact.nets.blocks import Shape
from didact.nets.supernet import Capacity, Distribution, Supernet, owner, run_as, uniform
from didact.nets.supernet.shared import skeleton
from didact.seeds import stream
from didact.spec import MOST, NonNegative, Positive, spec
from didact.tensors import Logits, Needs, Scalar, Targets, reads

Sampling = Literal["uniform", "trained", "sandwich"]


def terms(
    zt: Logits, branches: Sequence[Logits], labels: Targets, alpha: float = 1.0, temperature: float = 4.0
) -> dict[str, Tensor]:
    """The terms of L_CT by name; means over batch and branches.

    Raises:
        ValueError: no branches, or logits of several shapes.
    """
    if not branches:
        raise ValueError("branches: logits of one branch at least, found none")
    kl = [softened_kl(zt, z, temperature) for z in branches]
    ce = [cross_entropy(z, labels) for z in branches]
    return {
        "teacher_ce": cross_entropy(zt, labels),
        "student_ce": sum(ce[1:], ce[0]) / len(branches),
        "student_kl": alpha * temperature**2 / len(branches) * sum(kl[1:], kl[0]),
    }


def loss(zt: Logits, branches: Sequence[Logits], labels: Targets, alpha: float = 1.0, temperature: float = 4.0) -> Scalar:
    """L_CT: mean_i (CE(z_i, y) + alpha T^2 KL(teacher || z_i)) + CE(z, y)."""
    parts = terms(zt, branches, labels, alpha, temperature)
    return parts["teacher_ce"] + parts["student_ce"] + parts["student_kl"]


@spec
class GTN(ForPool):
    """A method on the teacher: it is trained jointly with students drawn from a pool."""

    alpha: NonNegative = 1.0
    """Weight of the KL."""
    temperature: Positive = 4.0
    """T of the KL, which carries T^2."""
    after: tuple[Annotated[int, Field(ge=0, le=MOST)], ...] | None = None
    """Blocks (from 1) after which a branch starts, as a list; 0: from the images. Default: all but
    the last."""
    paths: Annotated[int, Field(ge=1, le=1000)] = 1
    """Students drawn for each branch in an iteration."""
    sampling: Sampling = "uniform"
    """uniform, trained (Gumbel-softmax; weight decay pulls it to uniform) or sandwich (smallest,
    largest, others uniform)."""
    sharpness: Positive = 1.0
    """trained: temperature of the softened draw, from which the gradient comes."""
    architecture_weight: NonNegative = 1.0
    """trained: beta, weight of the architecture loss."""
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the training over which the weights of the students' terms rise linearly from 0."""

    @model_validator(mode="after")
    def _possible(self) -> GTN:
        if self.sampling == "sandwich" and self.paths < 2:
            raise ValueError("sampling: sandwich shows the smallest and the largest student at least; write paths=2 or more")
        if self.after is not None and (not self.after or len(set(self.after)) != len(self.after)):
            raise ValueError(f"after: different blocks, one at least, found {list(self.after)}")
        return self

    @property
    def needs(self) -> Needs:
        return reads("logits features")

    def supernet(self, extras: nn.Module) -> Supernet:
        assert isinstance(extras, Conditioning)
        return extras.supernet

    def lacks_whole_students(self) -> str:
        if 0 in (self.after or ()):
            return ""
        blocks = "every block but the last" if self.after is None else f"the blocks {list(self.after)}"
        return f"its students only ever ran after {blocks} of the teacher, so they have no first blocks: train it with 0 in after"

    def with_whole_students(self, blocks: int) -> GTN:
        return dataclasses.replace(self, after=tuple(sorted({0, *(self.after or range(1, blocks))})))

    def soft_labels(self) -> SoftLabels:
        return "mixed"

    def parallel(self) -> Parallel:
        return "images"

    def on_host(self) -> str:
        return "it draws other students in every step"  # each would need a recording of its own

    def build(self, pair: Pair) -> nn.Module:
        blocks = len(pair.shapes.features)
        if self.after is None and blocks < 2:
            raise ValueError("GTN puts branches after every block but the last; this teacher has a single block")
        after = self.after or tuple(range(1, blocks))
        if max(after) > blocks:
            raise ValueError(
                f"after: the teacher has {blocks} blocks, so branches start after 0 to {blocks}, not {max(after)}"
            )
        return Conditioning(self, after, pair)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Conditioning) and context.own.logits is not None
        inputs = [context.batch.images, *context.own.features]
        students = [
            extras.run(branch, name, inputs[block]) * extras.passed(branch, name, values)
            for branch, block in enumerate(extras.after)
            for name, values in extras.draw(self, branch, context.clock)
        ]
        rise = 1.0 if self.warmup == 0 else min(1.0, context.clock.progress() / self.warmup)
        named = terms(context.own.logits, students, context.batch.targets, self.alpha, self.temperature)
        named = {name: value if name == "teacher_ce" else rise * value for name, value in named.items()}
        if extras.distribution is not None:
            named["architecture"] = self.architecture_weight * extras.deviation()
        return named

    def metrics(self, extras: nn.Module, context: MetricsContext) -> dict[str, Tensor]:
        """The trained distribution's entropy and mean parameters, at the end of an epoch."""
        assert isinstance(extras, Conditioning)
        if context.moment != "epoch" or extras.distribution is None:
            return super().metrics(extras, context)
        assert extras.capacity is not None
        mean = extras.capacity(extras.distribution.probabilities())
        return {"entropy": extras.distribution.entropy(), "mean_parameters": mean}


class Conditioning(nn.Module):
    """The pool's supernet, and for each branch the transform into the shape of the block before
    which it enters the student.

    Attributes:
        after: by branch, the block of the teacher (from 1) after which it starts; 0: from the
            images.
        entries: for each of ``pool.networks``, by branch, the block of the student (from 0) at
            which the branch enters.
    """

    def __init__(self, method: GTN, after: tuple[int, ...], pair: Pair) -> None:
        super().__init__()
        pool, classes, channels = method.pool, pair.classes, pair.image[0]
        self.pool = pool
        self.after = after
        self.seed = int(torch.randint(2**62, (), device="cpu"))  # of the draws; drawn under the run's own seed
        self.sources = tuple(pair.shapes.features[block - 1] if block else () for block in after)
        self.entries: list[tuple[int, ...]] = []
        self.targets: list[tuple[Shape, ...]] = []
        self.transforms = nn.ModuleList()
        for name in pool.networks:
            try:
                shapes = skeleton(name, classes, *pair.image[:2]).shapes(pair.image).features
            except ValueError as error:
                raise ValueError(f"pool: {name}: {error}") from None
            entries = tuple(_entry(name, pair.shapes.features, shapes, block) for block in after)
            targets = tuple(shapes[entry - 1] if entry else () for entry in entries)
            self.entries.append(entries)
            self.targets.append(targets)
            layers = [Transform(s, t) if s else nn.Identity() for s, t in zip(self.sources, targets, strict=True)]
            self.transforms.append(nn.ModuleList(layers))
        starts = [min(entries) for entries in self.entries]
        self.supernet = Supernet(pool, classes, channels, starts, pair.image[1])
        trained = method.sampling == "trained"
        self.distribution = Distribution(pool) if trained else None
        self.capacity = Capacity(pool, classes, channels) if trained else None

    def run(self, branch: int, name: str, x: Tensor) -> Logits:
        """The logits of the student ``name`` for the feature ``x`` of the branch's block."""
        which = owner(self.pool, name)
        entry = self.entries[which][branch]
        if not entry:
            return self.supernet.run(name, x)
        target = self.targets[which][branch]
        if is_architecture(name):
            target = (parse(name).stages[entry - 1].width, *target[1:])
        layers: Any = self.transforms[which]
        return self.supernet.run(name, run_as(_transform(self.sources[branch], target), layers[branch], x), entry)

    def draw(self, method: GTN, branch: int, clock: Clock) -> list[tuple[str, dict[str, Tensor]]]:
        """The students of a branch in this iteration, with the straight-through values of their
        choices.

        From a stream that is named by the iteration, so that it goes on after an interruption, and
        on the CPU, so that nothing waits for the device (a trained distribution is read from it).
        """
        random = stream(self.seed, "students", branch, clock.total, clock.step)
        fixed = [self.pool.smallest, self.pool.largest] if method.sampling == "sandwich" else []
        drawn: list[tuple[str, dict[str, Tensor]]] = [(name, {}) for name in fixed]
        while len(drawn) < method.paths:
            if self.distribution is None:
                drawn.append((self.pool.name(uniform(self.pool, random)), {}))
            else:
                picks, values = self.distribution.draw(random, method.sharpness)
                drawn.append((self.pool.name(picks), values))
        return drawn

    def passed(self, branch: int, name: str, values: dict[str, Tensor]) -> Tensor | float:
        """The product of the straight-through values of the choices that change what the branch
        computes."""
        entry = self.entries[owner(self.pool, name)][branch]
        met = [d.name for d in self.pool.decisions if d.name in values and _meets(d.name, d.first, entry)]
        return prod(values[name] for name in met) if met else 1.0  # type: ignore[arg-type]

    def deviation(self) -> Scalar:
        """(log E_theta[parameters] - log E_uniform[parameters])^2."""
        assert self.distribution is not None and self.capacity is not None
        mean = self.capacity(self.distribution.probabilities())
        return (mean.log() - self.capacity.uniform().log()).square()


def _entry(name: str, teacher: Sequence[Shape], student: Sequence[Shape], block: int) -> int:
    """The student's block (from 0) that takes up what the teacher's ``block`` (from 1; 0: nothing,
    the images) has done."""
    if not block:
        return 0
    if len(student) < 2:
        raise ValueError(f"pool: a branch needs students of at least two blocks; {name} has {len(student)}")
    matched = match(teacher, student)[block - 1][1]
    return min(matched + 1, len(student) - 1)  # at least the student's last block is kept


def _meets(decision: str, first: int, entry: int) -> bool:
    """Whether a branch that enters at block ``entry`` (from 0) depends on the decision: its own
    blocks, and the width before."""
    return first >= entry or not entry or decision == "network" or decision == f"stage{entry}.width"


@lru_cache(maxsize=1024)
def _transform(source: Shape, target: Shape) -> Transform:
    with torch.device("meta"):
        return Transform(source, target)
