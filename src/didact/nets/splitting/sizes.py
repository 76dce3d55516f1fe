"""The values of sizes while a network is traced, for forwards that branch on them or count with
them.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from didact.seeds import preserved

SMALL, LARGE = 2, 3
"""Two batches, so that sizes that follow the batch can be told from others."""

_ATTRIBUTES = ("shape", "ndim", "dtype", "device")
_METHODS = ("size", "dim", "ndimension", "numel", "__len__")


class Sizes:
    """The values of a graph that is being written, for real images of two batches.

    Args:
        images: of :data:`LARGE` samples.
    """

    def __init__(self, whole: nn.Module, graph: fx.Graph, images: Tensor) -> None:
        self._graph = graph
        self._runs = [fx.Interpreter(whole, garbage_collect_values=False, graph=graph) for _ in (SMALL, LARGE)]
        self._images = [images[:size].clone() for size in (SMALL, LARGE)]

    def value(self, node: fx.Node) -> int | float | bool | None:
        """The number that ``node`` is for images of this shape, whatever the batch; None where it
        follows from anything else.
        """
        self._go_on()
        numbers = [run.env[node] for run in self._runs]
        if not isinstance(numbers[0], bool | int | float) or numbers[0] != numbers[1] or not self._of_sizes(node):
            return None
        return numbers[0]

    def _go_on(self) -> None:
        """Compute what was written since the last time, in order: some operations change values in
        place.
        """
        with preserved(), torch.no_grad():
            for node in self._graph.nodes:
                if node not in self._runs[0].env:
                    for run, images in zip(self._runs, self._images, strict=True):
                        run.env[node] = images if node.op == "placeholder" else run.run_node(node)

    def _of_sizes(self, node: fx.Node) -> bool:
        """Whether a number follows from sizes alone, and from no tensor's values."""
        for source in node.all_input_nodes:
            if isinstance(self._runs[0].env[source], Tensor):
                if not _reads_size(node):
                    return False
            elif not self._of_sizes(source):
                return False
        return True


def _reads_size(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in _METHODS
    return node.target is len or (node.target is getattr and node.args[1] in _ATTRIBUTES)


class SizedProxy(fx.Proxy):
    """Stands for a number that a forward counts with: ``range(x.shape[1] // 2)``."""

    def __index__(self) -> int:
        number = self.tracer.size_of(self)  # type: ignore[attr-defined]
        if not isinstance(number, int):
            raise TypeError("its forward counts with a number that follows from values, or from the size of the batch")
        return number

    __int__ = __index__
