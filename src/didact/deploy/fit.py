"""Decides which devices hold a network, from its parameters and its peak activation memory.

    bytes of the weights     = parameters x bits / 8, rounded up
    bytes of the activations = peak number of elements x bits / 8, rounded up

For the peak see :mod:`didact.deploy.activations`. All trained parameters count, including two for
each channel of a batch norm; running statistics do not. Folded into a convolution, a norm leaves
one or two numbers for each channel, so in 32 bits this is never too small. Weights and activations
have the same bit width; images come one at a time. Not counted: the engine's code and scratch
memory, alignment, and what a network quantised to 8 bits has in 32: a bias for each output channel,
and a scale for each one or, with one scale for the weights of a layer, for each layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from didact import nets
from didact.deploy.activations import peak, trace
from didact.deploy.device import Device
from didact.nets.blocks import Shape, parameters
from didact.nets.supernet import Pool, as_pool
from didact.spec import SpecError


@dataclass(frozen=True)
class Footprint:
    """A network's number of parameters, and the peak number of activations for one image."""

    parameters: int
    peak: int

    def weights(self, bits: int) -> int:
        """Bytes of the weights."""
        return -(-self.parameters * bits // 8)

    def activations(self, bits: int) -> int:
        """Bytes of the activations at their peak."""
        return -(-self.peak * bits // 8)


@dataclass(frozen=True)
class Verdict:
    """Whether a device holds a network.

    Attributes:
        device: its name.
        executes: whether it computes in this bit width.
        missing: missing bytes: of ``weights`` and ``activations`` if these have separate memories,
            otherwise of ``memory``.
    """

    device: str
    executes: bool
    missing: Mapping[str, int]

    @property
    def fits(self) -> bool:
        """Whether the device computes in the bit width and has enough memory."""
        return self.executes and not self.missing

    @property
    def limit(self) -> str:
        """The main obstacle: ``bits``, ``weights``, ``activations``, ``memory``, or "" if the
        network fits."""
        return max(self.missing, key=lambda part: self.missing[part], default="") if self.executes else "bits"


@dataclass(frozen=True)
class Fit:
    """A network at a bit width: bytes of weights and of activations, and each device's verdict."""

    network: str
    bits: int
    parameters: int
    weights: int
    activations: int
    verdicts: tuple[Verdict, ...]


def footprint(net: nn.Module, image: Shape) -> Footprint:
    """The footprint of ``net`` for one image of shape (c, h, w). Its weights may be on any device.

    Raises:
        ValueError: the image is too small for the network's strides.
    """
    return Footprint(parameters(net), peak(trace(net, image)))


def fit(network: str, need: Footprint, bits: int, devices: Iterable[Device]) -> Fit:
    """Compare a network's footprint at a bit width with the memory of devices."""
    weights, activations = need.weights(bits), need.activations(bits)
    verdicts = tuple(Verdict(device.name, device.executes(bits), lacks(device, weights, activations)) for device in devices)
    return Fit(network, bits, need.parameters, weights, activations, verdicts)


def lacks(device: Device, weights: int, activations: int) -> dict[str, int]:
    """Missing bytes of ``device`` for this many bytes of weights and activations, by part of
    memory.

    Empty if nothing is missing.
    """
    if device.weight_memory is None:
        over = {"memory": weights + activations - device.memory}
    else:
        over = {"weights": weights - device.weight_memory, "activations": activations - device.memory}
    return {part: missing for part, missing in over.items() if missing > 0}


def fits(networks: Sequence[str], widths: Sequence[int], devices: Sequence[Device], image: Shape, classes: int) -> list[Fit]:
    """Every network at every bit width: the rows of a table.

    Raises:
        SpecError: no such network, or a bit width that is not from 1 to 32.
        ValueError: the image is too small for a network's strides. The message names the network.
    """
    for bits in widths:
        if not 1 <= bits <= 32:
            raise SpecError(f"bits: a whole number from 1 to 32, found {bits}")
    results = []
    for name in networks:
        with torch.device("meta"):
            net = nets.create(name, classes, *image[:2])
        try:
            need = footprint(net, image)
        except ValueError as error:
            raise SpecError(f"{name}: {error}") from None
        results += [fit(name, need, bits, devices) for bits in widths]
    return results


def members(pool: str, students: int = 4, draw: int = 0) -> tuple[str, ...]:
    """The networks that a text names, each once.

    A space gives its smallest student, some drawn students, and its largest.

    Args:
        pool: names in any spelling, separated by commas; a space such as ``tiny``; or
            ``module:NAME``, a user's own pool.
        students: number of students to draw from a space.
        draw: seed for drawing them.

    Raises:
        SpecError: no such network or pool (the nearest are named), none at all, or more students
            than the space has.
    """
    names = [name.strip() for name in pool.split(",") if name.strip()]
    if not names:
        raise SpecError("name at least one network or pool; 'didact list nets' and 'didact list pools' show them")
    return tuple(dict.fromkeys(member for name in names for member in _members(name, students, draw)))


def _members(name: str, students: int, draw: int) -> tuple[str, ...]:
    networks = as_pool([name])
    return (
        networks.members
        if isinstance(networks, Pool)
        else (networks.smallest, *networks.draw(students, draw), networks.largest)
    )
