"""Weight sharing: the tensors of a smaller student are slices of those of a larger one.

A slice of a convolution's weights (out, in, kh, kw) has the first channels and the middle of the
kernel; a slice of a norm or a linear layer has the first channels. A student runs as the standalone
network of its name with slices in place of its own tensors, so its outputs equal those of
:meth:`Supernet.extract` by construction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim.swa_utils import update_bn

from didact.nets.architecture import Kind, Stage, head_of, is_architecture, parse, stage_block, stem_of
from didact.nets.blocks import Block, BlockNet, Head
from didact.nets.supernet.pool import Pool
from didact.nets.supernet.space import Space
from didact.nets.zoo import create


def weight_slice(tensor: Tensor, shape: torch.Size) -> Tensor:
    """A view of ``tensor`` with ``shape``: the start of dimensions 0 and 1, the middle of
    others."""
    if tensor.shape == shape:
        return tensor
    starts = [0 if d < 2 else (have - want) // 2 for d, (have, want) in enumerate(zip(tensor.shape, shape, strict=True))]
    return tensor[tuple(slice(start, start + want) for start, want in zip(starts, shape, strict=True))]


def run_as(form: nn.Module, owner: nn.Module, x: Tensor) -> Tensor:
    """``form(x)`` with slices of ``owner``'s tensors of the same names, in ``owner``'s mode.

    Gradients and running statistics go to the owner. ``form`` gives layers and shapes only.
    """
    tensors = {**dict(owner.named_parameters()), **dict(owner.named_buffers())}
    slots = [*form.named_parameters(), *form.named_buffers()]
    form.train(owner.training)
    return functional_call(form, {name: weight_slice(tensors[name], slot.shape) for name, slot in slots}, (x,))


class Supernet(nn.Module):
    """The weights that the students of a pool share.

    Args:
        pool: its students share the weights.
        num_classes, in_channels: of every student.
        starts: for each of ``pool.networks`` the first block (from 0) that is ever run; the tensors
            before it are not kept. 0, the default: students are run from the images.
        size: height of the images, for students that are split.

    Attributes:
        nets: the networks that are cut (one for each kind of student), by the position in
            ``pool.networks``.
    """

    def __init__(
        self,
        pool: Space | Pool,
        num_classes: int,
        in_channels: int = 3,
        starts: Sequence[int] = (),
        size: int | None = None,
    ) -> None:
        super().__init__()
        self.pool = pool
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.size = size
        self.nets = nn.ModuleList()
        for name, start in zip(pool.networks, starts or [0] * len(pool.networks), strict=True):
            net = create(name, num_classes, in_channels, size)
            self.nets.append(net.slice(start) if start else net)

    def run(self, name: str, x: Tensor, start: int = 0) -> Tensor:
        """The logits of the student ``name`` from the input of its block ``start`` (0: images).

        Raises:
            SpecError: the student is not in the pool.
        """
        form = self.skeleton(name)
        return run_as(form.slice(start) if start else form, self.nets[owner(self.pool, name)], x)

    def extract(self, name: str) -> BlockNet:
        """The student ``name`` as a separate network with copies of the weights, in the same mode.

        In eval mode its outputs are bitwise those of :meth:`run`. Its running statistics are the
        pool's, of no student in particular: see :func:`recalibrated`.

        Raises:
            SpecError: the student is not in the pool.
            ValueError: the supernet holds no stem, because its students are only ever run from a
                later block.
        """
        whole = self.nets[owner(self.pool, name)]
        assert isinstance(whole, BlockNet)
        if whole.stem is None:
            raise ValueError(
                f"{name} cannot be extracted: its first blocks never ran here and have no weights; "
                "train a supernet with students that start from the images (GTN: after=[0, ...])"
            )
        like = next(whole.parameters())
        net = create(name, self.num_classes, self.in_channels, self.size).to(like.device, like.dtype).train(self.training)
        tensors = whole.state_dict()
        net.load_state_dict({key: weight_slice(tensors[key], value.shape) for key, value in net.state_dict().items()})
        # the same layout has the same kernels, hence the same bits; strides tell, as 1x1 weights
        # are contiguous in either
        if any(p.stride(1) < p.stride(3) for p in whole.parameters() if p.dim() == 4):
            net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return net

    def skeleton(self, name: str) -> BlockNet:
        """The student's layers and shapes, without weights (on the meta device)."""
        return skeleton(self.pool.canonical_name(name), self.num_classes, self.in_channels, self.size)


def owner(pool: Space | Pool, name: str) -> int:
    """The index in ``pool.networks`` of the network with the tensors of the student ``name``.

    Raises:
        SpecError: the student is not in the pool.
    """
    name = pool.canonical_name(name)
    if not is_architecture(name):
        return pool.networks.index(name)
    family = parse(name).family
    return next(i for i, net in enumerate(pool.networks) if is_architecture(net) and parse(net).family == family)


def skeleton(name: str, num_classes: int, in_channels: int, size: int | None = None) -> BlockNet:
    """The network ``name`` on the meta device. Students with an equal stage at a position share
    it."""
    if not is_architecture(name):
        return _zoo(name, num_classes, in_channels, size)
    design = parse(name)
    blocks = [(str(i), _stage(i, design.kind, source, s)) for i, (source, s) in enumerate(design.inputs, 1)]
    head = _head(design.stages[-1].width, design.head, num_classes)
    return BlockNet(_stem(design.stem, design.stem_stride, in_channels), blocks, head)


@lru_cache(maxsize=64)
def _zoo(name: str, num_classes: int, in_channels: int, size: int | None) -> BlockNet:
    with torch.device("meta"):
        return create(name, num_classes, in_channels, size)


@lru_cache(maxsize=4096)
def _stage(position: int, kind: Kind, source: int, s: Stage) -> Block:
    # by position, because a module that stands twice in a network would have one set of weights
    with torch.device("meta"):
        return stage_block(kind, source, s)


@lru_cache(maxsize=256)
def _stem(width: int, stride: int, in_channels: int) -> nn.Module:
    with torch.device("meta"):
        return stem_of(width, stride, in_channels)


@lru_cache(maxsize=256)
def _head(width: int, head: int, num_classes: int) -> Head:
    with torch.device("meta"):
        return head_of(width, head, num_classes)


def recalibrated(net: BlockNet, batches: Iterable[Tensor]) -> BlockNet:
    """``net`` with new running statistics of its norms: plain means over ``batches`` of images."""
    update_bn(batches, net)
    return net
