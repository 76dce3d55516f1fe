"""Finds the batch norm before a block's last activation; its scale and shift give the
distribution."""

from __future__ import annotations

from torch import nn

from didact.nets.blocks import Block, BlockNet
from didact.nets.layers import Residual


def last_norm(net: BlockNet, block: int) -> nn.BatchNorm2d | None:
    """The batch norm that gives the value before activation of ``block`` (counted from 0).

    In pre-activation networks (WRN) that is the entry norm of the next part. Elsewhere it is the
    last norm of the block's body; of a residual sum it is that of the branch, the shortcut being
    ignored, as Heo et al. and RepDistiller do. None where the body does not end in a norm with a
    scale and a shift for all of the block's channels (ShuffleNet V2, whose last unit passes half of
    its channels on; a user's own layers), and at the end of a slice that lacks the next part.
    """
    parts = [*net, net.head]
    own = parts[block]
    assert isinstance(own, Block)
    # the base class knows its value before activation; one that leaves it to the next part must say
    # so in its own ``show``
    if type(own).show is Block.show:
        return _last(own.body)
    norm = getattr(parts[block + 1], "enter", None)
    return norm if isinstance(norm, nn.BatchNorm2d) and norm.affine else None


def _last(module: nn.Module) -> nn.BatchNorm2d | None:
    """The norm whose output is ``module``'s (a residual branch's, where ``module`` is a residual
    sum)."""
    if isinstance(module, nn.BatchNorm2d):
        return module if module.affine else None
    if isinstance(module, Residual):
        return _last(module.branch)
    return _last(module[-1]) if isinstance(module, nn.Sequential) and len(module) else None
