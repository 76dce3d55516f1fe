"""Weight sharing: the tensors of a smaller student are corners of those of a larger one.

A convolution's weights (out, in, kh, kw) are cut to the first channels and the middle of the
kernel, a norm's or a linear layer's to the first channels. What a student computes is defined once,
by the standalone network of its name: it is run with corners in place of its own tensors, and so is
equal to what :meth:`Supernet.extract` gives by construction.
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
    """The part of ``tensor`` of that ``shape``: the first of dimensions 0 and 1, the middle of the
    others; a view."""
    if tensor.shape == shape:
        return tensor
    starts = [0 if d < 2 else (have - want) // 2 for d, (have, want) in enumerate(zip(tensor.shape, shape, strict=True))]
    return tensor[tuple(slice(start, start + want) for start, want in zip(starts, shape, strict=True))]


def run_as(form: nn.Module, owner: nn.Module, x: Tensor) -> Tensor:
    """``form(x)`` with corners of ``owner``'s tensors, by their names, in place of its own; in
    ``owner``'s mode.

    Gradients and running statistics go to the owner. ``form`` gives layers and shapes only.
    """
    own = {**dict(owner.named_parameters()), **dict(owner.named_buffers())}
    wanted = [*form.named_parameters(), *form.named_buffers()]
    form.train(owner.training)
    return functional_call(form, {name: weight_slice(own[name], t.shape) for name, t in wanted}, (x,))


class Supernet(nn.Module):
    """The weights that the students of a pool share.

    Args:
        pool: its students share the weights. num_classes, in_channels: of every student. starts:
        for each of ``pool.networks`` the first block (from 0) that is ever run; the tensors before
        it are not kept. 0, the default: students are run from the images.

    Attributes:
        nets: the networks that are cut (one for each kind of student), by the position in
            ``pool.networks``.
    """

    def __init__(self, pool: Space | Pool, num_classes: int, in_channels: int = 3, starts: Sequence[int] = ()) -> None:
        super().__init__()
        self.pool = pool
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.nets = nn.ModuleList()
        for name, start in zip(pool.networks, starts or [0] * len(pool.networks), strict=True):
            net = create(name, num_classes, in_channels)
            self.nets.append(net.slice(start) if start else net)

    def run(self, name: str, x: Tensor, start: int = 0) -> Tensor:
        """The logits of the student ``name`` for what enters its block ``start`` (counted from 0;
        0: for images).

        Raises:
            SpecError: the student is not in the pool.
        """
        form = self.skeleton(name)
        return run_as(form.slice(start) if start else form, self.nets[owner(self.pool, name)], x)

    def extract(self, name: str) -> BlockNet:
        """The student ``name`` as a network of its own, with copies of the weights, in the
        supernet's mode.

        In eval mode its outputs are bitwise those of :meth:`run`. Its running statistics are the
        pool's, of no student in particular: see :func:`recalibrated`.

        Raises:
            SpecError: the student is not in the pool. ValueError: the supernet holds no stem,
            because its students are only ever run from a later block.
        """
        whole = self.nets[owner(self.pool, name)]
        assert isinstance(whole, BlockNet)
        if whole.stem is None:
            raise ValueError(
                f"{name} cannot be taken out: its first blocks are never run here and have no weights; "
                "a supernet that is run from the images too has them (GTN: after=[0, ...])"
            )
        like = next(whole.parameters())
        net = create(name, self.num_classes, self.in_channels).to(like.device, like.dtype).train(self.training)
        own = whole.state_dict()
        net.load_state_dict({key: weight_slice(own[key], value.shape) for key, value in net.state_dict().items()})
        # the same layout has the same kernels, hence the same bits; strides tell, as 1x1 weights
        # are contiguous in either
        if any(p.stride(1) < p.stride(3) for p in whole.parameters() if p.dim() == 4):
            net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return net

    def skeleton(self, name: str) -> BlockNet:
        """The student's layers and shapes, without weights (on the meta device)."""
        return skeleton(self.pool.canonical_name(name), self.num_classes, self.in_channels)


def owner(pool: Space | Pool, name: str) -> int:
    """Which of ``pool.networks`` the tensors of the student ``name`` are cut from.

    Raises:
        SpecError: the student is not in the pool.
    """
    name = pool.canonical_name(name)
    if not is_architecture(name):
        return pool.networks.index(name)
    family = parse(name).family
    return next(i for i, net in enumerate(pool.networks) if is_architecture(net) and parse(net).family == family)


def skeleton(name: str, num_classes: int, in_channels: int) -> BlockNet:
    """The network ``name`` on the meta device. Different students whose stages are equal at one
    position share their module."""
    if not is_architecture(name):
        return _zoo(name, num_classes, in_channels)
    made = parse(name)
    blocks = [(str(i), _stage(i, made.kind, source, s)) for i, (source, s) in enumerate(made.inputs, 1)]
    head = _head(made.stages[-1].width, made.head, num_classes)
    return BlockNet(_stem(made.stem, made.stem_stride, in_channels), blocks, head)


@lru_cache(maxsize=64)
def _zoo(name: str, num_classes: int, in_channels: int) -> BlockNet:
    with torch.device("meta"):
        return create(name, num_classes, in_channels)


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
    """``net`` with the running statistics of its norms taken anew from ``batches`` of images: plain
    means over the batches."""
    update_bn(batches, net)
    return net
