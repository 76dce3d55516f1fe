"""The operations of a network as one graph that holds in training and in eval mode.

torch.fx runs the forward on stand-ins for tensors and writes down what is called. Python that looks
at a tensor or at its shape cannot be followed so. Then the submodule that contains it becomes a
leaf, which is called as a whole, and tracing starts again. The forward runs once in each mode;
where the modes differ by more than a flag, that submodule becomes a leaf too.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn

from didact.nets.splitting.activations import is_activation
from didact.nets.splitting.modes import difference
from didact.nets.splitting.sizes import SizedProxy, Sizes
from didact.nets.splitting.whole import Whole, mode
from didact.spec.foreign import reason


def traced(net: nn.Module, images: Tensor, *, sized: bool = False) -> tuple[Whole, fx.Graph]:
    """``net`` in a module of its own, and the graph of that module.

    Args:
        images: where the network's own forward branches on sizes, it is followed for these.
        sized: whether modules that branch on sizes are followed so, too.

    Raises:
        ValueError: the forward of the network itself cannot be traced, or does something else in
            training mode.
    """
    leaves: set[type[nn.Module]] = set()
    while True:
        whole = Whole(net)
        whole.sized = sized
        training = _traced(whole, leaves, images, training=True)
        evaluating = _traced(whole, leaves, images, training=False)
        whole.leaves = bool(leaves)
        owner = difference(training, evaluating, whole)
        if owner is None:
            return whole, evaluating
        if owner is net:
            raise ValueError(
                f"the forward of {type(net).__name__} does other operations in training mode than in eval mode, and blocks "
                "follow one row of operations; move what differs into a module of its own, or switch it off (auxiliary heads)"
            )
        leaves.add(type(owner))


class _Tracer(fx.Tracer):
    def __init__(self, leaves: set[type[nn.Module]], images: Tensor | None) -> None:
        super().__init__(param_shapes_constant=True)
        self.leaves = leaves
        self.images = images
        self._sizes: Sizes | None = None
        self._computes = False
        self._random = torch.get_rng_state()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        hooked = m._forward_hooks or m._forward_pre_hooks or m._backward_hooks
        norm = isinstance(m, nn.modules.batchnorm._NormBase)  # those of other libraries count their batches, too
        whole = type(m) in self.leaves or norm or bool(hooked) or is_activation(m)
        return whole or super().is_leaf_module(m, module_qualified_name)

    def to_bool(self, obj: fx.Proxy) -> bool:
        # whether two tensors have one type or device is no matter of values; the check that follows
        # would find a wrong answer
        node = obj.node
        if node.target in (operator.eq, operator.ne) and all(_kind(x) for x in node.args):
            return node.target is operator.eq
        known = None if self.images is None else self.size_of(obj)
        return super().to_bool(obj) if known is None else bool(known)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return super().proxy(node) if self.images is None else SizedProxy(node, self)

    def size_of(self, obj: fx.Proxy) -> int | float | bool | None:
        """The number that ``obj`` is for images of this shape; None where it follows from anything
        else.
        """
        assert self.images is not None
        if self._sizes is None:
            self._sizes = Sizes(self.root, self.graph, self.images)
        self._computes = True
        try:
            return self._sizes.value(obj.node)
        finally:
            self._computes = False

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        return forward(*args, **kwargs) if self._computes else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return attr_val if self._computes else super().getattr(attr, attr_val, parameter_proxy_cache)

    def create_arg(self, a: Any) -> Any:
        fresh = (
            isinstance(a, Tensor) and not isinstance(a, nn.Parameter) and a not in self.tensor_attrs and not self._buffer(a)
        )
        if fresh and (self.images is None or not torch.equal(self._random, torch.get_rng_state())):
            # it would stay as it is for ever; for images of one size that is right, if it is not
            # random
            raise TypeError("its forward makes a tensor from plain numbers")
        return super().create_arg(a)

    def _buffer(self, tensor: Tensor) -> bool:
        return any(tensor is buffer for buffer in self.root.buffers())


def _kind(x: Any) -> bool:
    """Whether this is a tensor's type or device."""
    read = isinstance(x, fx.Node) and x.target is getattr and x.args[1] in ("dtype", "device")
    return read or isinstance(x, torch.dtype | torch.device)


def _traced(whole: Whole, leaves: set[type[nn.Module]], images: Tensor, *, training: bool) -> fx.Graph:
    """The graph in one mode. Types of modules that cannot be traced are added to ``leaves``."""
    while True:
        tracer = _Tracer(leaves, images if whole.sized else None)
        with mode(whole, training=training):
            try:
                return tracer.trace(whole)
            except Exception as error:  # of the network's own code, so it may be any
                failure = error
        inside = [kind for _, kind in tracer.module_stack.values()]
        outermost = len(inside) < 2 or inside[-1] in leaves or inside[-1] is type(whole.net)
        if outermost and not whole.sized:
            whole.sized = True  # modules that branch on sizes have stayed whole; the network itself is followed for one size
            continue
        if outermost:
            name = type(whole.net).__name__
            raise ValueError(
                f"the forward of {name} cannot be followed operation by operation: {reason(failure)}; move what depends on "
                f"values or shapes into a module of its own, or write {name} as a didact.nets.BlockNet"
            ) from failure
        leaves.add(inside[-1])
