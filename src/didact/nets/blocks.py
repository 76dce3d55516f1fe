"""BlockNet: a network as a stem, a row of blocks and a head, which can be run, sliced and joined.

    images --stem--> x0 --block 1--> feature 1 --block 2--> ... feature n
           --head--> pooled vector --> logits

Slices and joined networks share weights. The papers count the stem as part of block 1; here it is
separate, because some methods (FSP) read it. A block's feature is ``act(body(x))``. If the last
activation belongs to the *next* part (pre-activation networks such as WRN), that part has an entry
norm ``enter``, and its output is the value before the activation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from didact.nets.dry import Shape, dry
from didact.spec import SpecError, check_kind, shown
from didact.tensors import PARTS, Feature, Logits, Outputs


@dataclass(frozen=True)
class Shapes:
    """Shapes of :class:`Outputs` for one sample: (c, h, w) of maps, (d,) of the pooled vector, and
    the number of classes."""

    stem: Shape
    features: tuple[Shape, ...]
    pooled: Shape
    classes: int


class Block(nn.Module):
    """One block: ``body`` up to the value before the last activation, then ``act``.

    Args:
        body: from the block's input to the value before its last activation.
        act: the last activation; None for a feature without activation (linear bottlenecks).

    Attributes:
        takes, gives: numbers of tokens without a position in a map, before the map's tokens, at
            input and output; 0 for maps.
    """

    enter: nn.Module | None
    takes: int = 0
    gives: int = 0

    def __init__(self, body: nn.Module, act: nn.Module | None = None) -> None:
        super().__init__()
        check_kind("body", body, nn.Module, "a module")
        check_kind("act", act, (nn.Module, type(None)), "a module, such as nn.ReLU(), or None")
        self.enter = None
        self.body = body
        self.act = nn.Identity() if act is None else act

    def show(self, x: Feature) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """(feature, value before its last activation, normalised input).

        The second is None if only the next part computes it; the third is None without an entry
        norm.
        """
        pre = self.body(x)
        return self.act(pre), pre, None

    def feature(self, x: Tensor) -> Feature:
        """The map in the block's output, which methods read."""
        return x

    def forward(self, x: Feature) -> Tensor:
        return self.show(x)[0]


class Head(nn.Module):
    """From the last feature to logits: optional entry norm and layers, global average pooling,
    linear classifier.

    Args:
        width: length of the pooled vector.
        num_classes: number of logits.
        enter: an entry norm; its output is the last feature's value before activation (WRN).
        body: layers between the feature (or the entry norm) and pooling, such as a final 1x1
            convolution.
    """

    takes: int = 0

    def __init__(
        self, width: int, num_classes: int, *, enter: nn.Module | None = None, body: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.enter = enter
        self.body = nn.Identity() if body is None else body
        self.classifier = nn.Linear(width, num_classes)

    def show(self, x: Feature) -> tuple[Logits, Tensor, Tensor | None]:
        """(logits, pooled vector, normalised input or None)."""
        entered = None if self.enter is None else self.enter(x)
        pooled = self.body(x if entered is None else entered).mean((2, 3))
        return self.classifier(pooled), pooled, entered

    def forward(self, x: Feature) -> Logits:
        return self.show(x)[0]


class BlockNet(nn.Module):
    """A row of blocks with a stem and a head at its ends; a slice may lack either.

    ``net(images)`` returns logits (the last feature without a head), so any tool can use it as an
    ordinary module.

    Args:
        stem: from images to the first block's input; None for a slice that starts later.
        blocks: (name, block) in order. Slices keep the names, so a slice's weights fit the whole
            network.
        head: from the last feature to logits; None for a slice that ends earlier.
    """

    def __init__(self, stem: nn.Module | None, blocks: Iterable[tuple[str, nn.Module]], head: nn.Module | None) -> None:
        super().__init__()
        for name, part in (("stem", stem), ("head", head)):
            check_kind(name, part, (nn.Module, type(None)), "a module or None")
        pairs = list(blocks)
        for pair in pairs:
            if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], nn.Module)):
                raise SpecError(f'blocks: pairs such as ("1", Block(body, act)), found {shown(pair)}')
        self.stem = stem
        self.blocks = nn.ModuleDict(dict(pairs))
        self.head = head

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.blocks.values())

    def forward(self, images: Tensor) -> Tensor:
        return self.run(images)

    def run(self, x: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Run from block ``start`` (0: from images) up to, but without, block ``stop`` (None:
        through the head).

        ``run(run(images, 0, i), i)`` equals ``run(images)`` for every i from 1 to the number of
        blocks.
        """
        start, stop = self._bounds(start, stop)
        if start == 0 and self.stem is not None:
            x = self.stem(x)
        before: nn.Module | None = None
        for block in list(self)[start : len(self) if stop is None else stop]:
            x = block(_handed(before, block, x))
            before = block
        return x if stop is not None or self.head is None else self.head(_handed(before, self.head, x))

    def outputs(self, images: Tensor, parts: frozenset[str] = PARTS) -> Outputs:
        """The outputs ``parts`` of the network, in one forward pass.

        Raises:
            SpecError: ``parts`` is no set, or has a part that networks do not have.
            ValueError: ``parts`` includes pre-activations, and the slice ends before the norm that
                computes the last.
        """
        check_kind("parts", parts, (frozenset, set), 'a set of names, such as {"logits", "features"}')
        stem = images if self.stem is None else self.stem(images)
        x, features, preacts = stem, [], []
        before: nn.Module | None = None
        for block in self:
            x, pre, entered = block.show(_handed(before, block, x))  # type: ignore[operator]
            if features and preacts[-1] is None:
                preacts[-1] = entered
            feature = block.feature(x)  # type: ignore[operator]
            features.append(feature)
            preacts.append(feature if pre is x else None if pre is None else block.feature(pre))  # type: ignore[operator]
            before = block
        logits = pooled = None
        if self.head is not None:
            logits, pooled, entered = self.head.show(_handed(before, self.head, x))  # type: ignore[operator]
            if preacts and preacts[-1] is None:
                preacts[-1] = entered
        if "preacts" in parts and any(p is None for p in preacts):
            raise ValueError("this slice ends before the norm that gives its last feature's value before activation")
        last_preacts = tuple(preacts) if "preacts" in parts else ()
        return Outputs(logits, pooled, tuple(features), last_preacts, stem).only(parts)

    def slice(self, start: int = 0, stop: int | None = None) -> BlockNet:
        """Blocks from ``start`` up to, but without, ``stop``, sharing weights; 0 includes the stem,
        None the head."""
        start, stop = self._bounds(start, stop)
        blocks = list(self.blocks.items())[start:stop]
        return BlockNet(self.stem if start == 0 else None, blocks, self.head if stop is None else None)

    def shapes(self, image: Shape) -> Shapes:
        """The shape of every output for one image of shape (c, h, w); didact's own networks run
        without data.

        Raises:
            ValueError: the image is too small for the strides (the message names the smallest
                size), or has the wrong number of channels.
        """
        return self.measured(image)[0]

    def measured(self, image: Shape) -> tuple[Shapes, int]:
        """:meth:`shapes` and :func:`macs` from the same pass.

        Raises:
            ValueError: as :meth:`shapes`.
        """
        assert self.stem is not None and self.head is not None, "only a whole network has shapes"
        if not isinstance(image, (tuple, list)) or len(image) != 3 or not all(isinstance(size, int) for size in image):
            raise SpecError(f"image: whole numbers (channels, height, width), such as (3, 32, 32), found {shown(image)}")
        try:
            return self._measured(image)
        except RuntimeError as error:
            for size in range(1, 513):
                try:
                    self._measured((image[0], size, size))
                except (RuntimeError, ValueError):  # some hold for one size only
                    continue
                if size > min(image[1:]):
                    raise ValueError(
                        f"images of {image[1]}x{image[2]} do not survive this network's strides; "
                        f"the smallest that do are {size}x{size}"
                    ) from None
                break
            raise ValueError(f"this network cannot take images of shape {image}: {error}") from None

    def _measured(self, image: Shape) -> tuple[Shapes, int]:
        seen, work = dry(_Looking(self), image)
        assert seen.stem is not None and seen.pooled is not None and seen.logits is not None
        features = tuple(tuple(f.shape[1:]) for f in seen.features)
        return Shapes(tuple(seen.stem.shape[1:]), features, tuple(seen.pooled.shape[1:]), seen.logits.shape[1]), work

    def _bounds(self, start: int, stop: int | None) -> tuple[int, int | None]:
        for bound in (start, *(() if stop is None else (stop,))):
            check_kind("slice", bound, int, "a whole number")
        if not 0 <= start <= len(self) or (stop is not None and not start <= stop <= len(self)):
            end = "the end" if stop is None else stop
            raise ValueError(f"blocks from {start} up to {end} of a network that has {len(self)}")
        return start, stop


def _handed(giver: nn.Module | None, taker: nn.Module, x: Tensor) -> Tensor:
    """What ``giver`` gives as ``taker`` takes it: tokens without a place in a map travel on only to
    a part that expects them."""
    if isinstance(giver, Block) and giver.gives and giver.gives != getattr(taker, "takes", 0):
        return giver.feature(x)
    return x


class _Looking(nn.Module):
    """``outputs`` as the forward of a module, for tools that only call modules."""

    def __init__(self, net: BlockNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Outputs:
        return self.net.outputs(x)


def join(*parts: BlockNet | Block) -> BlockNet:
    """One network from slices and single blocks in a row, sharing their weights; blocks are
    renumbered from 1.

    The stem comes from the first part, the head from the last. Example: a student that starts from
    a teacher's first block, ``join(teacher.slice(0, 1), transform, student.slice(1))``.

    Raises:
        SpecError: a part is neither a network nor a block.
        ValueError: a part in the middle has a stem or a head.
    """
    blocks: list[nn.Module] = []
    stem = head = None
    for position, part in enumerate(parts):
        check_kind(f"part {position + 1} of {len(parts)}", part, (BlockNet, Block), "a BlockNet or a Block")
        if isinstance(part, Block):
            blocks.append(part)
            continue
        if (part.stem is not None and position > 0) or (part.head is not None and position < len(parts) - 1):
            raise ValueError(f"part {position + 1} of {len(parts)} brings a stem or a head into the middle of a row")
        stem = part.stem if position == 0 else stem
        head = part.head
        blocks += list(part)
    return BlockNet(stem, [(str(i), block) for i, block in enumerate(blocks, 1)], head)


def parameters(net: nn.Module) -> int:
    """Number of parameters, with shared ones counted once and without running statistics."""
    return sum(p.numel() for p in net.parameters())


def macs(net: nn.Module, image: Shape) -> int:
    """Multiply-accumulates of convolutions and linear layers for one image of shape (c, h, w)."""
    return dry(net, image)[1]
