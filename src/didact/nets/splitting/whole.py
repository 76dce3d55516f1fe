"""A network as a part of a module that is traced, and what a node of its graph says of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, fx, nn

ROOT = "net"
"""The network's place in the module that is traced; every path in the graph starts with it."""


class Whole(nn.Module):
    """A network as a part of a module with a single argument: its other arguments keep their
    defaults.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.sized = False
        """Whether the graph holds for one size of images only."""
        self.leaves = False
        """Whether there are modules that stay whole because they cannot be followed."""

    def forward(self, images: Any) -> Any:
        return answer(self.net(images))


def answer(given: Any) -> Any:
    """The logits that a network returns; those in an object that has an attribute of this name, as
    transformers' have.
    """
    return given if isinstance(given, Tensor | fx.Proxy) else getattr(given, "logits", given)


def stack(node: fx.Node) -> tuple[str, ...]:
    """The calls of modules that the node lies in, the outermost first, by path: a second call of
    one is "path@1".
    """
    return tuple(node.meta.get("nn_module_stack", ()))


def constant(node: fx.Node) -> bool:
    """Whether the node reads a tensor that the forward made from sizes while it was traced."""
    return node.op == "get_attr" and str(node.target).startswith("_tensor_constant")


@contextmanager
def mode(net: nn.Module, *, training: bool) -> Iterator[None]:
    """``net`` in one mode; every part has its own back afterwards."""
    modes = [(part, part.training) for part in net.modules()]
    net.train(training)
    try:
        yield
    finally:
        for part, before in modes:
            part.training = before
