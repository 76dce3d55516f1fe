"""The settings of a search for students: the cost to minimise, and the limits for every student."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from didact.deploy.device import Bytes, Device, Width
from didact.deploy.fit import footprint, lacks
from didact.nets.architecture import cost, is_architecture, parse
from didact.nets.blocks import Shape, macs, parameters
from didact.nets.supernet.shared import skeleton
from didact.spec import MOST, Amount, Count, Positive, Seed, spec

Cost = Literal["parameters", "macs", "bytes", "latency"]


@spec
class SearchSettings:
    """Settings of a search over the students of a generic teacher's pool."""

    cost: Cost = "parameters"
    """The cost to minimise: parameters, macs, bytes (of the weights) or latency."""
    max_parameters: Amount | None = None
    """Largest number of parameters."""
    max_macs: Amount | None = None
    """Largest number of multiply-accumulates for one image."""
    max_bytes: Bytes | None = None
    """Largest size of the weights at the bit width: bytes, or a text such as "1 MB" or "512
    KiB"."""
    max_latency: Positive | None = None
    """Longest time for one image in milliseconds, on this machine
    (:mod:`didact.deploy.latency`)."""
    runtime: Literal["torch", "onnx"] = "torch"
    """What latencies are measured by: torch, in floats; or onnx, ONNX Runtime on a file of the
    student at the bit width."""
    bits: Width = 8
    """Bit width of weights and activations, for max_bytes, the target and files."""
    target: Device | None = None
    """A device that must hold the student's weights and activations at the bit width."""
    trials: Count = 200
    """Largest number of students to predict. A pool with no more students is searched
    completely."""
    images: Annotated[int, Field(ge=2, le=MOST)] = 1024
    """Largest number of training images for the statistics of a student's batch norms."""
    seed: Seed = 0
    """Seed of the suggestions."""

    @model_validator(mode="after")
    def _possible(self) -> SearchSettings:
        if self.target is not None and not self.target.executes(self.bits):
            known = ", ".join(map(str, self.target.bits))
            raise ValueError(
                f"bits: {self.target.name} computes in {known} bit, not in {self.bits}; write {self.target.bits[0]}"
            )
        if self.runtime == "onnx" and not self.timed:
            raise ValueError("runtime: measures latencies; write --cost latency or --max-latency, too")
        if self.runtime == "onnx" and self.bits not in (8, 32):
            raise ValueError(f"bits: files have 8 or 32, found {self.bits}; write one of them, or leave --runtime out")
        return self

    @property
    def timed(self) -> bool:
        """Whether the search needs latencies."""
        return self.cost == "latency" or self.max_latency is not None


@dataclass(frozen=True)
class Excess:
    """A limit that a student exceeds.

    Attributes:
        limit: its name.
        has, most: the student's value and the largest allowed value.
        unit: the unit of both.
    """

    limit: str
    has: int | float
    most: int | float
    unit: str

    @property
    def share(self) -> float:
        """The excess relative to the limit."""
        return (self.has - self.most) / self.most

    def text(self, name: str) -> str:
        """A message that the student ``name`` exceeds the limit, with a limit that admits it."""
        has, most = (f"{value:,.3g}" if self.limit == "max_latency" else f"{value:,.0f}" for value in (self.has, self.most))
        if not self.limit.startswith("max_"):
            return f"{self.limit}: {most} bytes for {self.unit}, {name} needs {has}; write another device or fewer bits"
        # rounded up, so that the proposed limit admits the student
        enough = f"{self.has * 1.05:.3g}" if self.limit == "max_latency" else f"{self.has:.0f}"
        return f"{self.limit.replace('_', '-')}: at most {most} {self.unit}, {name} has {has}; write {enough} or more"


class Costs:
    """Costs of students, for images of shape (c, h, w) and a number of classes. Each cost is
    computed once.

    Parameters and multiply-accumulates are counted by arithmetic if the name describes the network.

    Args:
        time: measures a student's latency in milliseconds, by its name. Called only if latency is
            the cost or limited, and only for students within the other limits.
    """

    def __init__(self, search: SearchSettings, classes: int, image: Shape, time: Callable[[str], float]) -> None:
        self.search = search
        self.classes = classes
        self.image = image
        self.time = time
        self._counted: dict[str, tuple[int, int]] = {}
        self._timed: dict[str, float] = {}
        self._excess: dict[str, tuple[Excess, ...]] = {}

    def counts(self, name: str) -> tuple[int, int]:
        """Numbers of parameters and of multiply-accumulates."""
        if name not in self._counted:
            self._counted[name] = counted(name, self.classes, self.image)
        return self._counted[name]

    def latency(self, name: str) -> float:
        """Milliseconds for one image, measured once."""
        if name not in self._timed:
            self._timed[name] = self.time(name)
        return self._timed[name]

    def value(self, name: str) -> float:
        """The cost to minimise."""
        if self.search.cost == "latency":
            return self.latency(name)
        parameters, macs = self.counts(name)
        counted = {"parameters": parameters, "macs": macs, "bytes": weights(parameters, self.search.bits)}
        return float(counted[self.search.cost])

    def excess(self, name: str) -> tuple[Excess, ...]:
        """The limits that the student exceeds. Expensive limits are checked only for students
        within the cheap ones."""
        if name not in self._excess:
            self._excess[name] = self._counted_excess(name) or self._target_excess(name) or self._latency_excess(name)
        return self._excess[name]

    def _counted_excess(self, name: str) -> tuple[Excess, ...]:
        s, (parameters, macs) = self.search, self.counts(name)
        size = weights(parameters, s.bits)
        limits = [
            Excess("max_parameters", parameters, s.max_parameters or parameters, "parameters"),
            Excess("max_macs", macs, s.max_macs or macs, "multiply-accumulates"),
            Excess("max_bytes", size, s.max_bytes or size, f"bytes at {s.bits} bit"),
        ]
        return (*(limit for limit in limits if limit.has > limit.most), *self._memory_excess(size, 0))

    def _target_excess(self, name: str) -> tuple[Excess, ...]:
        if self.search.target is None:
            return ()
        need = footprint(skeleton(name, self.classes, *self.image[:2]), self.image)
        return self._memory_excess(need.weights(self.search.bits), need.activations(self.search.bits))

    def _memory_excess(self, size: int, activations: int) -> tuple[Excess, ...]:
        device = self.search.target
        if device is None:
            return ()
        most = {"weights": device.weight_memory or 0, "activations": device.memory, "memory": device.memory}
        unit = {"memory": "weights and activations"}
        return tuple(
            Excess(device.name, most[part] + missing, most[part], f"{unit.get(part, part)} at {self.search.bits} bit")
            for part, missing in lacks(device, size, activations).items()
        )

    def _latency_excess(self, name: str) -> tuple[Excess, ...]:
        most = self.search.max_latency
        if most is None or self.latency(name) <= most:
            return ()
        return (
            Excess("max_latency", self.latency(name), most, f"ms for one image on this machine, by {self.search.runtime}"),
        )


def weights(parameters: int, bits: int) -> int:
    """Bytes of the weights."""
    return -(-parameters * bits // 8)


def counted(name: str, classes: int, image: Shape) -> tuple[int, int]:
    """Numbers of parameters, and of multiply-accumulates for one image, of a pool's student."""
    if is_architecture(name):
        costs = cost(parse(name), classes, image)
        return costs.parameters, costs.macs
    net = skeleton(name, classes, *image[:2])
    return parameters(net), macs(net, image)
