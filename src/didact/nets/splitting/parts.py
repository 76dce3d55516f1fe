"""The parts of a network that was split: a stem, blocks and a head that run its own modules."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from torch import Tensor, fx, nn

from didact.nets.blocks import Block, Head
from didact.nets.dry import Shape
from didact.nets.splitting.flow import attribute, device_of
from didact.nets.splitting.layout import Layout
from didact.nets.splitting.whole import ROOT, constant
from didact.tensors import Feature, Logits


@dataclass(frozen=True, eq=False)
class Written:
    """A row of operations without the network: Python code that any network of the same structure
    can run.

    Attributes:
        source: a function ``forward(self, x)``; one value in, one out.
        space: what the code names.
        held: paths in the traced module of what it reads of ``self``.
        takes, gives: the layouts of the two values.
        constants: tensors that the network's forward made from sizes.
        careful: whether the operations would change what they are given.
        only: the shape of the images, without the batch, where the operations hold for no other;
            for the part that takes them.
    """

    source: str
    space: dict[str, Any]
    held: tuple[str, ...]
    takes: Layout
    gives: Layout
    constants: tuple[tuple[str, Tensor], ...] = ()
    careful: bool = False
    only: Shape | None = None

    @cached_property
    def function(self) -> Any:
        """The function itself."""
        space = dict(self.space)
        exec(self.source, space)
        return space["forward"]

    def __deepcopy__(self, _: Any) -> Written:
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Plain data but for functions and classes, which are pickled by name; modules have their
        names here.
        """
        state = {key: value for key, value in vars(self).items() if key != "function"}
        modules = {key: value.__name__ for key, value in self.space.items() if isinstance(value, ModuleType)}
        rest = {key: value for key, value in self.space.items() if key not in (*modules, "__builtins__")}
        return state | {"space": rest, "modules": modules}

    def __setstate__(self, state: dict[str, Any]) -> None:
        modules = {key: importlib.import_module(name) for key, name in state.pop("modules").items()}
        vars(self).update(state | {"space": state["space"] | modules})


def write(whole: nn.Module, graph: fx.Graph, takes: Layout, gives: Layout) -> Written:
    """The operations of ``graph`` as code, with the paths of a network's own modules, parameters
    and buffers.
    """
    held: dict[str, None] = {}
    constants = {str(node.target): getattr(whole, str(node.target)) for node in graph.nodes if constant(node)}
    for node in graph.nodes:
        if not constant(node) and node.op in ("call_module", "get_attr") and node.target != "training":
            held[str(node.target)] = None
            node.target = own_path(str(node.target))
    code = graph.python_code("self")
    return Written(code.src, dict(code.globals), tuple(held), takes, gives, tuple(constants.items()))


def own_path(target: str) -> str:
    """The network's own path of what the traced module holds at ``target``."""
    return target.removeprefix(f"{ROOT}.")


class Operations(nn.Module):
    """A row of a network's operations, with the network's own modules, parameters and buffers under
    their own names.

    Args:
        whole: the traced module, or another one of the same structure.
    """

    def __init__(self, whole: nn.Module, written: Written) -> None:
        super().__init__()
        self.written = written
        for target in written.held:
            self.hold(whole, target, own_path(target))
        for name, value in written.constants:
            self.register_buffer(name, value.to(device_of(whole)), persistent=False)

    @property
    def takes(self) -> Layout:
        """The layout of what comes in."""
        return self.written.takes

    @property
    def gives(self) -> Layout:
        """The layout of what goes out."""
        return self.written.gives

    def hold(self, whole: nn.Module, target: str, path: str) -> None:
        """Have what ``whole`` holds at ``target`` at ``path``, too: the same object."""
        *outer, name = path.split(".")
        owner: nn.Module = self
        for inner in outer:
            if inner not in owner._modules:
                owner.add_module(inner, nn.Module())
            owner = owner.get_submodule(inner)
        value = attribute(whole, target)
        if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
            parent = attribute(whole, target.rpartition(".")[0])
            persistent = name in parent._buffers and name not in parent._non_persistent_buffers_set
            if name not in owner._buffers:
                owner.register_buffer(name, value, persistent=persistent)
        else:
            setattr(owner, name, value)

    def forward(self, x: Tensor) -> Tensor:
        only = self.written.only
        if only is not None and x.shape[1:] != only:
            raise ValueError(
                f"this network holds for images of {_size(only)} only: it was split for them, and computes with numbers that "
                f"follow from their size; found {_size(x.shape[1:])}. Make and split it for images of that size"
            )
        x = self.takes.enter(x)
        return self.gives.leave(self.written.function(self, x.clone() if self.written.careful else x))


def _size(image: Sequence[int]) -> str:
    return "x".join(map(str, image))


class Cut(Block):
    """A block of a network that was split.

    Attributes:
        takes, gives: class and register tokens that come in and go out with the tokens of the map.
    """

    def __init__(self, body: Operations, act: nn.Module | None) -> None:
        super().__init__(body, act)
        self.takes, self.gives = body.takes.extra, body.gives.extra

    def show(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """(what travels on, the same before its activation, None)."""
        pre = self.body(x)
        return self.act(pre), pre, None

    def forward(self, x: Tensor) -> Tensor:
        return self.show(x)[0]

    def feature(self, x: Tensor) -> Feature:
        assert isinstance(self.body, Operations)
        return self.body.gives.map(x) if self.gives and x.dim() == 3 else x


class CutHead(Head):
    """The head of a network that was split.

    ``body`` leads from the last feature to what the last linear layer reads, and ``classifier``
    from there to the logits. The pooled vector is what lies between. Where that is still a map, as
    before a last convolution, it is the mean over positions; the classifier takes such a vector as
    a map of a single position.
    """

    def __init__(self, body: Operations, classifier: Operations) -> None:
        nn.Module.__init__(self)
        self.enter = None
        self.body = body
        self.classifier = classifier
        self.takes = body.takes.extra

    def forward(self, x: Tensor) -> Logits:
        return self.show(x)[0]

    def show(self, x: Tensor) -> tuple[Logits, Tensor, Tensor | None]:
        """(logits, pooled vector, None)."""
        assert isinstance(self.classifier, Operations)
        read = self.body(x)
        takes = self.classifier.takes
        flat = takes.map(read) if takes.extra else read
        pooled = flat if flat.dim() == 2 else flat.mean((2, 3) if flat.dim() == 4 else 1)
        return self.classifier(read), pooled, None
