"""The operations of a network as one graph that holds in training and in eval mode.

torch.fx runs the forward on stand-ins for tensors and writes down what is called. Python that looks
at a tensor or at its shape cannot be followed so. Then the submodule that contains it becomes a
leaf, which is called as a whole, and tracing starts again. The forward runs once in each mode;
where the modes differ by more than a flag, that submodule becomes a leaf too.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from didact.nets.splitting.sizes import SizedProxy, Sizes
from didact.spec.foreign import reason

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
        owner = _difference(training, evaluating, whole)
        if owner is None:
            return whole, evaluating
        if owner is net:
            raise ValueError(
                f"the forward of {type(net).__name__} does other operations in training mode than in eval mode, and blocks "
                "follow one row of operations; move what differs into a module of its own, or switch it off (auxiliary heads)"
            )
        leaves.add(type(owner))


def stack(node: fx.Node) -> tuple[str, ...]:
    """The calls of modules that the node lies in, the outermost first, by path: a second call of
    one is "path@1".
    """
    return tuple(node.meta.get("nn_module_stack", ()))


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
        made = (
            isinstance(a, Tensor) and not isinstance(a, nn.Parameter) and a not in self.tensor_attrs and not self._buffer(a)
        )
        if made and (self.images is None or not torch.equal(self._random, torch.get_rng_state())):
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
        own = len(inside) < 2 or inside[-1] in leaves or inside[-1] is type(whole.net)
        if own and not whole.sized:
            whole.sized = True  # modules that branch on sizes have stayed whole; the network itself is followed for one size
            continue
        if own:
            name = type(whole.net).__name__
            raise ValueError(
                f"the forward of {name} cannot be followed operation by operation: {reason(failure)}; move what depends on "
                f"values or shapes into a module of its own, or write {name} as a didact.nets.BlockNet"
            ) from failure
        leaves.add(inside[-1])


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


def _difference(training: fx.Graph, evaluating: fx.Graph, whole: Whole) -> nn.Module | None:
    """The module in which the graphs part; None where they are the same but for flags.

    A flag that is the mode itself (or its opposite) in both graphs is read at run time afterwards,
    in ``evaluating``.
    """
    pairs = dict(zip(training.nodes, evaluating.nodes, strict=False))
    flags: list[tuple[fx.Node, bool]] = []
    for a, b in pairs.items():
        flags.clear()
        alike = ((a.op, a.target) == (b.op, b.target) or _same_constant(a, b, whole)) and _alike(
            a.args, b.args, pairs, flags
        )
        alike = alike and _alike(a.kwargs, b.kwargs, pairs, flags)
        if not alike:
            return _owner(a, b, whole)
        if flags:
            _follow_mode(evaluating, b, a)
    return None


def constant(node: fx.Node) -> bool:
    """Whether the node reads a tensor that the forward made from sizes while it was traced."""
    return node.op == "get_attr" and str(node.target).startswith("_tensor_constant")


def _same_constant(a: fx.Node, b: fx.Node, whole: nn.Module) -> bool:
    if not (constant(a) and constant(b)):
        return False
    one, other = getattr(whole, str(a.target)), getattr(whole, str(b.target))
    return one.dtype == other.dtype and torch.equal(one, other)


def _alike(a: Any, b: Any, pairs: dict[fx.Node, fx.Node], flags: list[Any]) -> bool:
    if isinstance(a, fx.Node):
        return pairs.get(a) is b
    if type(a) is not type(b):
        return False
    if isinstance(a, bool) and a is not b:
        flags.append(a)
        return True
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_alike(a[key], b[key], pairs, flags) for key in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(_alike(x, y, pairs, flags) for x, y in zip(a, b, strict=True))
    if isinstance(a, slice):
        return all(_alike(getattr(a, k), getattr(b, k), pairs, flags) for k in ("start", "stop", "step"))
    return bool(a == b) or a is b


def _follow_mode(graph: fx.Graph, node: fx.Node, training: fx.Node) -> None:
    """Let the flags of ``node`` that differ from those of ``training`` follow the mode of the part
    that runs it.
    """

    def merged(a: Any, b: Any) -> Any:
        if isinstance(b, bool) and a is not b:
            with graph.inserting_before(node):
                flag = graph.create_node("get_attr", "training")
                return flag if a else graph.call_function(operator.not_, (flag,))
        if isinstance(b, dict):
            return {key: merged(a[key], b[key]) for key in b}
        return type(b)(merged(x, y) for x, y in zip(a, b, strict=True)) if isinstance(b, tuple | list) else b

    node.args = merged(tuple(training.args), tuple(node.args))
    node.kwargs = merged(dict(training.kwargs), dict(node.kwargs))


def _owner(a: fx.Node, b: fx.Node, whole: Whole) -> nn.Module:
    """The innermost module with a forward of its own that one of two different operations is called
    from.
    """
    callers = (_callers(node) for node in (a, b))
    path = max(callers, key=len, default=(ROOT,))
    return whole.get_submodule(path[-1].partition("@")[0]) if path else whole.net


def _callers(node: fx.Node) -> tuple[str, ...]:
    calls = stack(node)
    return calls[:-1] if node.op == "call_module" else calls


_ACTIVATIONS = {
    *(
        "relu",
        "relu6",
        "leakyrelu",
        "prelu",
        "rrelu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "silu",
        "mish",
        "hardswish",
        "hardtanh",
    ),
    *(
        "hardsigmoid",
        "hardmish",
        "softplus",
        "softsign",
        "tanh",
        "sigmoid",
        "swish",
        "hswish",
        "hsigmoid",
        "quickgelu",
        "gelutanh",
    ),
}


def is_activation(module: nn.Module) -> bool:
    """Whether the module is an elementwise activation, by the name of its class."""
    name = type(module).__name__.lower().replace("_", "").removesuffix("activation").removesuffix("me")
    return name in _ACTIVATIONS and not any(module.children())


def activates(node: fx.Node, whole: nn.Module) -> bool:
    """Whether the node applies an elementwise activation to one other node."""
    if node.op == "call_module":
        return len(node.all_input_nodes) == 1 and is_activation(whole.get_submodule(str(node.target)))
    name = node.target if node.op == "call_method" else getattr(node.target, "__name__", "")
    return (
        node.op.startswith("call")
        and len(node.all_input_nodes) == 1
        and str(name).rstrip("_").replace("_", "") in _ACTIVATIONS
    )
