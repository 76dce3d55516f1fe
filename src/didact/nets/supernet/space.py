"""A search space: students as a product of choices, stage by stage.

    Space(kind="basic", stem=(16,), stages=(
        Choices(depth=(1, 2), width=(8, 16)),
        Choices(depth=(1, 2), width=(16, 32), kernel=(3, 5)),
    ))

All units of a stage share width, kernel and expansion, so that names stay short. The name of a
student describes its network (:mod:`didact.nets.architecture`), not its position in a space.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from pydantic import Field, model_validator

from didact.nets.architecture import (
    EXPANSION,
    KERNEL,
    STAGES,
    STRIDE,
    UNITS,
    USUAL,
    WIDTH,
    Architecture,
    Kind,
    Stage,
    is_architecture,
    parse,
)
from didact.spec import SpecError, shown, spec

Options = tuple[Annotated[int, Field(ge=1, le=WIDTH)], ...]


_EXAMPLES = {"depth": [1, 2], "width": [16, 32], "kernel": [3], "expansion": [1.0]}


@dataclass(frozen=True)
class Decision:
    """One decision in the description of a student.

    Attributes:
        name: "stem", "stage1.depth" ..., "head"; "network" in a :class:`didact.nets.supernet.Pool`.
        options: the options to choose from.
        first: index of the first block that it affects; -1 for the stem.
    """

    name: str
    options: tuple[int | float | str, ...]
    first: int


@spec
class Choices:
    """The options of one stage."""

    depth: tuple[Annotated[int, Field(ge=1, le=UNITS // STAGES)], ...]
    """Numbers of units."""
    width: Options
    """Channels."""
    kernel: tuple[Annotated[int, Field(ge=1, le=KERNEL)], ...] = (3,)
    """Sizes of the (odd) kernels."""
    expansion: tuple[Annotated[float, Field(gt=0, le=EXPANSION)], ...] | None = None
    """Factors of the width inside a unit; default: the kind's usual expansion."""
    stride: Annotated[int, Field(ge=1, le=STRIDE)] | None = None
    """Stride of the first unit; default: 1 in the first stage and 2 in the others."""

    @model_validator(mode="after")
    def _possible(self) -> Choices:
        for name in ("depth", "width", "kernel", "expansion"):
            options = getattr(self, name)
            if options is None:
                continue
            if not options:
                raise ValueError(f"{name}: an empty choice; give one at least, such as {_EXAMPLES[name]}")
            if len(set(options)) != len(options):
                raise ValueError(f"{name}: the same choice twice in {list(options)}")
        even = [k for k in self.kernel if k % 2 == 0]
        if even:
            raise ValueError(f"kernel: a kernel is odd, found {even[0]}; write {even[0] - 1} or {even[0] + 1}")
        return self


@spec
class Space:
    """A pool of students that share weights: every combination of its choices is one."""

    kind: Kind
    """basic (two convolutions a unit) or inverted (bottlenecks with a depthwise convolution)."""
    stages: Annotated[tuple[Choices, ...], Field(max_length=STAGES)]
    """The stages in order; each is a block of the student."""
    stem: Options = (16,)
    """Channels of the first convolution."""
    stem_stride: Annotated[int, Field(ge=1, le=STRIDE)] = 1
    """Stride of the first convolution."""
    head: tuple[Annotated[int, Field(ge=0, le=WIDTH)], ...] = (0,)
    """Channels of a 1x1 convolution before pooling; 0 for none, in all students or in none of
    them."""

    @model_validator(mode="after")
    def _possible(self) -> Space:
        for name in ("stages", "stem", "head"):
            if not getattr(self, name):
                raise ValueError(f"{name}: an empty choice; a space has at least one of them")
            if len(set(getattr(self, name))) != len(getattr(self, name)) and name != "stages":
                raise ValueError(f"{name}: the same choice twice in {list(getattr(self, name))}")
        if 0 in self.head and len(self.head) > 1:
            raise ValueError(f"head: a last convolution in all students or in none, found {list(self.head)}")
        return self

    @property
    def label(self) -> str:
        """Its name, or its kind and size without a name."""
        known = next((name for name, space in SPACES.items() if space == self), None)
        return known or f"{self.size:,} {self.kind} students"

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """All decisions, in the order of :meth:`name`."""
        decisions = [Decision("stem", self.stem, -1)]
        for i, s in enumerate(self.stages):
            decisions.append(Decision(f"stage{i + 1}.depth", s.depth, i))
            decisions.append(Decision(f"stage{i + 1}.width", s.width, i))
            decisions.append(Decision(f"stage{i + 1}.kernel", s.kernel, i))
            decisions.append(Decision(f"stage{i + 1}.expansion", s.expansion or (USUAL[self.kind],), i))
        return (*decisions, Decision("head", self.head, len(self.stages)))

    @property
    def size(self) -> int:
        """Number of students."""
        return math.prod(len(d.options) for d in self.decisions)

    def name(self, picks: Sequence[int]) -> str:
        """The student for the index of an option in each decision."""
        return self._architecture([d.options[i] for d, i in zip(self.decisions, picks, strict=True)]).name

    def _architecture(self, values: Sequence[int | float | str]) -> Architecture:
        stem, *inner, head = values
        stages = []
        for i, choices in enumerate(self.stages):
            depth, width, kernel, expansion = inner[4 * i : 4 * i + 4]
            stride = choices.stride or (2 if i else 1)
            stages.append(Stage(int(depth), int(width), int(kernel), float(expansion), stride))
        return Architecture(self.kind, int(stem), tuple(stages), int(head), self.stem_stride)

    @cached_property
    def smallest(self) -> str:
        """The student with the smallest option of every decision."""
        return self._architecture([min(d.options) for d in self.decisions]).name  # type: ignore[type-var]

    @cached_property
    def largest(self) -> str:
        """The student with the largest option of every decision; all others are slices of it."""
        return self._architecture([max(d.options) for d in self.decisions]).name  # type: ignore[type-var]

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks with the tensors of all students."""
        return (self.largest,)

    def draw(self, count: int, seed: int) -> tuple[str, ...]:
        """``count`` different students, drawn uniformly with ``seed``.

        Raises:
            SpecError: the space has fewer students.
        """
        return draw(self.decisions, self.name, count, seed)

    def choice_indices(self, name: str) -> tuple[int, ...]:
        """The index of the chosen option in each decision for the student called ``name``.

        Raises:
            SpecError: no student of this space has the name. The message gives the nearest.
        """
        if not is_architecture(name):
            raise SpecError(f"{shown(name)} spells no student of this pool ({self.label}); one of them is {self.smallest}")
        architecture = parse(name)
        values: list[int | float] = [architecture.stem]
        for s in architecture.stages:
            values += [s.depth, s.width, s.kernel, s.expansion]
        values.append(architecture.head)
        if architecture.family != parse(self.largest).family:
            raise SpecError(
                f"{shown(name)} is of another kind than the students of this pool ({self.label}): kind, number of stages, "
                f"strides or a last convolution differ; one of them is {self.smallest}"
            )
        if all(v in d.options for v, d in zip(values, self.decisions, strict=True)):
            return tuple(d.options.index(v) for v, d in zip(values, self.decisions, strict=True))
        near = [min(d.options, key=lambda o, v=v: abs(float(o) - v)) for v, d in zip(values, self.decisions, strict=True)]
        wrong = next(
            f"{d.name} {v:g} is not among {list(d.options)}"
            for v, d in zip(values, self.decisions, strict=True)
            if v not in d.options
        )
        raise SpecError(
            f"{shown(name)} is not in this pool: {wrong}; the nearest student is {self._architecture(near).name}"
        )

    def canonical_name(self, name: str) -> str:
        """The canonical name of the student called ``name``.

        Raises:
            SpecError: no student of this space has the name. The message gives the nearest.
        """
        return self.name(self.choice_indices(name))


def draw(decisions: Sequence[Decision], name: Callable[[Sequence[int]], str], count: int, seed: int) -> tuple[str, ...]:
    """See :meth:`Space.draw`; ``name`` gives the student for the index of an option in each
    decision."""
    size = math.prod(len(d.options) for d in decisions)
    if count > size:
        raise SpecError(f"{count} different students requested from a pool of {size}")
    generator = random.Random(f"didact students {seed}")
    names: dict[str, None] = {}
    while len(names) < count:
        names.setdefault(name([generator.randrange(len(d.options)) for d in decisions]))
    return tuple(names)


def _basic(*stages: tuple[tuple[int, ...], tuple[int, ...]], kernel: tuple[int, ...] = (3,)) -> tuple[Choices, ...]:
    return tuple(Choices(depth=depth, width=width, kernel=kernel, expansion=(0.5, 1.0)) for depth, width in stages)


SPACES: dict[str, Space] = {
    "tiny": Space(
        kind="basic",
        stem=(8, 16),
        stages=_basic(((1, 2), (8, 16)), ((1, 2), (16, 24, 32)), ((1, 2), (32, 48, 64))),
    ),
    "small": Space(
        kind="basic",
        stem=(16,),
        stages=_basic(((1, 2, 3), (16, 24, 32)), ((1, 2, 3), (32, 48, 64)), ((1, 2, 3), (64, 96, 128)), kernel=(3, 5)),
    ),
    "large": Space(
        kind="basic",
        stem=(64,),
        stages=_basic(
            ((1, 2), (32, 64)),
            ((1, 2, 3), (64, 96, 128)),
            ((1, 2, 3), (128, 192, 256)),
            ((1, 2, 3, 4), (256, 384, 512)),
        ),
    ),
    "mobile": Space(
        kind="inverted",
        stem=(16, 32),
        stages=(
            Choices(depth=(1,), width=(16, 24), expansion=(1.0,)),
            Choices(depth=(1, 2, 3), width=(24, 32, 48), kernel=(3, 5), expansion=(3.0, 6.0)),
            Choices(depth=(1, 2, 3, 4), width=(48, 80, 112), kernel=(3, 5), expansion=(3.0, 6.0)),
            Choices(depth=(1, 2, 3, 4), width=(96, 160, 320), kernel=(3, 5), expansion=(3.0, 6.0)),
        ),
        head=(640, 1280),
    ),
}
"""Spaces by name. In parameters (100 classes): tiny 14 to 181 thousand, small 47 thousand to 3.0
million, large 0.67 to 22.1 million (2.7 to 89 MB at 32 bits, around the GTN poster's 6.7 to 77.1
MB), mobile 0.16 to 5.4 million."""
