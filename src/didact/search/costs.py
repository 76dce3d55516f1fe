"""The settings of a search for students: which cost is minimised, and what no student may exceed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
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
    """A search over the students of a generic teacher's pool: all that decides what it finds."""

    cost: Cost = "parameters"
    """What is kept small while the accuracy is made large: parameters, macs, bytes (of the weights) or latency."""
    max_parameters: Amount | None = None
    """No more parameters than these."""
    max_macs: Amount | None = None
    """No more multiply-accumulates for one image."""
    max_bytes: Bytes | None = None
    """Weights no larger than these at the bit width: bytes, or a text such as "1 MB" or "512 KiB"."""
    max_latency: Positive | None = None
    """No more milliseconds for one image, measured on this machine (:mod:`didact.deploy.latency`)."""
    bits: Width = 8
    """Bit width of weights and activations for max_bytes and the target."""
    target: Device | None = None
    """A device that must hold the student at the bit width, weights and activations."""
    trials: Count = 200
    """Students whose accuracy is predicted, at most; a pool that has no more of them is searched completely."""
    images: Annotated[int, Field(ge=2, le=MOST)] = 1024
    """Training images, at most, from which a student's batch norms take their statistics."""
    seed: Seed = 0
    """Draws the suggestions."""

    @model_validator(mode="after")
    def _possible(self) -> SearchSettings:
        if self.target is not None and not self.target.executes(self.bits):
            known = ", ".join(map(str, self.target.bits))
            raise ValueError(
                f"bits: {self.target.name} computes in {known} bit, not in {self.bits}; write {self.target.bits[0]}"
            )
        return self


@dataclass(frozen=True)
class Excess:
    """A limit that a student exceeds.

    Attributes:
        limit: its name. has, most: what the student has, and the most that is allowed.
        unit: of both.
    """

    limit: str
    has: int | float
    most: int | float
    unit: str

    @property
    def share(self) -> float:
        """By how much, relative to the limit."""
        return (self.has - self.most) / self.most

    def told(self, name: str) -> str:
        """What is wrong with the student ``name``, and what to write instead."""
        has, most = (f"{value:,.3g}" if self.limit == "max_latency" else f"{value:,.0f}" for value in (self.has, self.most))
        if not self.limit.startswith("max_"):
            return f"{self.limit}: {most} bytes for {self.unit}, {name} needs {has}; write another device or fewer bits"
        # rounded up, so that what is written does admit the student
        enough = f"{self.has * 1.05:.3g}" if self.limit == "max_latency" else f"{self.has:.0f}"
        return f"{self.limit.replace('_', '-')}: at most {most} {self.unit}, {name} has {has}; write {enough} or more"


class Costs:
    """What students cost, for images of shape (c, h, w) and so many classes; each cost is counted once.

    Parameters and multiply-accumulates are counted by arithmetic where the name spells out the network.

    Args:
        time: a student's latency in milliseconds by its name; called only for students that keep to the other limits, and only
            where latency is the cost or limited.
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
        """(parameters, multiply-accumulates)."""
        if name not in self._counted:
            self._counted[name] = counted(name, self.classes, self.image)
        return self._counted[name]

    def latency(self, name: str) -> float:
        """Milliseconds for one image, measured once."""
        if name not in self._timed:
            self._timed[name] = self.time(name)
        return self._timed[name]

    @cached_property
    def timed(self) -> bool:
        """Whether latencies are of interest."""
        return self.search.cost == "latency" or self.search.max_latency is not None

    def value(self, name: str) -> float:
        """The cost that is kept small."""
        if self.search.cost == "latency":
            return self.latency(name)
        parameters, macs = self.counts(name)
        counted = {"parameters": parameters, "macs": macs, "bytes": weights(parameters, self.search.bits)}
        return float(counted[self.search.cost])

    def excess(self, name: str) -> tuple[Excess, ...]:
        """The limits that the student exceeds; those that are dear to check are not where a cheap one is exceeded."""
        if name not in self._excess:
            self._excess[name] = self._counted_excess(name) or self._held(name) or self._slow(name)
        return self._excess[name]

    def _counted_excess(self, name: str) -> tuple[Excess, ...]:
        s, (parameters, macs) = self.search, self.counts(name)
        size = weights(parameters, s.bits)
        held = [
            Excess("max_parameters", parameters, s.max_parameters or parameters, "parameters"),
            Excess("max_macs", macs, s.max_macs or macs, "multiply-accumulates"),
            Excess("max_bytes", size, s.max_bytes or size, f"bytes at {s.bits} bit"),
        ]
        return (*(one for one in held if one.has > one.most), *self._not_held(size, 0))

    def _held(self, name: str) -> tuple[Excess, ...]:
        if self.search.target is None:
            return ()
        need = footprint(skeleton(name, self.classes, self.image[0]), self.image)
        return self._not_held(need.weights(self.search.bits), need.activations(self.search.bits))

    def _not_held(self, size: int, activations: int) -> tuple[Excess, ...]:
        device = self.search.target
        if device is None:
            return ()
        most = {"weights": device.weight_memory or 0, "activations": device.memory, "memory": device.memory}
        unit = {"memory": "weights and activations"}
        return tuple(
            Excess(device.name, most[what] + missing, most[what], f"{unit.get(what, what)} at {self.search.bits} bit")
            for what, missing in lacks(device, size, activations).items()
        )

    def _slow(self, name: str) -> tuple[Excess, ...]:
        most = self.search.max_latency
        if most is None or self.latency(name) <= most:
            return ()
        return (Excess("max_latency", self.latency(name), most, "ms for one image on this machine"),)


def weights(parameters: int, bits: int) -> int:
    """Bytes of the weights."""
    return -(-parameters * bits // 8)


def counted(name: str, classes: int, image: Shape) -> tuple[int, int]:
    """Parameters, and multiply-accumulates for one image, of a pool's student."""
    if is_architecture(name):
        found = cost(parse(name), classes, image)
        return found.parameters, found.macs
    net = skeleton(name, classes, image[0])
    return parameters(net), macs(net, image)
