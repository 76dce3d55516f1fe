"""The pair that a method is built for, and the parts of a method that cannot teach it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from didact.nets.adapt import match, one_position
from didact.nets.blocks import BlockNet, Shape, Shapes


@dataclass(frozen=True)
class Pair:
    """Who learns from whom, with real shapes: what a method needs to build its extras.

    Attributes:
        net: the network that learns; ``shapes`` are those of its outputs for one image.
        teacher: the network it learns from, frozen; None when there is none.
        image: shape (c, h, w) of an image.
        classes: how many there are.
        labels: the class of every training image, (samples,), on the CPU; placeholders where a pair
            is built only for its shapes or to load weights.
        batch: images in a batch; the last one of an epoch may have fewer.
        peers: the shapes of the networks that learn together with it, in the order of their turns.
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
    """A part of a method that can teach a pair nothing, whatever the networks compute.

    Attributes:
        why: the part, the reason, and what to write instead.
        whole: whether that part is a whole term; the run is then refused. Otherwise a line reports
            it.
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
