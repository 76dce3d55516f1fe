"""Devices as data: their memory, the bit widths that they execute, and the sources of these
figures.

The catalogue is :mod:`didact.deploy.catalogue`; users' own devices come from a JSON file or from
``module:NAME``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from didact.spec import Bytes, SpecError, cut, from_json, nearest, shown, spec
from didact.spec.foreign import imported

LONGEST = 1_000_000
"""Largest length of a file of devices, in characters."""

Words = Annotated[str, Field(min_length=1)]
Width = Annotated[int, Field(ge=1, le=32)]


@spec
class Device:
    """A device to run networks on."""

    name: Words
    """Its name on the command line."""
    what: Words
    """What it is, in a few words."""
    memory: Bytes
    """Working memory in bytes: RAM, or an accelerator's memory on the chip. It holds activations,
    and also weights unless weight_memory is set."""
    weight_memory: Bytes | None = None
    """Separate memory for weights in bytes: a microcontroller's flash, an accelerator's weight
    memory."""
    bits: tuple[Width, ...] = ()
    """Bit widths that it executes; empty for any."""
    source: str = ""
    """Source of the figures: title and address."""
    date: str = ""
    """Date when the source was read: YYYY-MM-DD."""
    note: str = ""
    """What the figures leave out."""

    def executes(self, bits: int) -> bool:
        """Whether it computes in this bit width."""
        return not self.bits or bits in self.bits


def choose(names: Iterable[str], known: Iterable[Device]) -> tuple[Device, ...]:
    """The devices called ``names``, in that order; ignores case, ``- _ .`` and spaces.

    Raises:
        SpecError: no such device (the message names the nearest), or no names.
    """
    devices = list(known)
    by_key = {_key(device.name): device for device in devices}
    chosen: dict[str, Device] = {}
    for name in names:
        if _key(name) not in by_key:
            raise SpecError(f"unknown device {shown(name)}{nearest(name, [device.name for device in devices])}")
        chosen[_key(name)] = by_key[_key(name)]
    if not chosen:
        raise SpecError(f"name at least one device{nearest('', [device.name for device in devices])}")
    return tuple(chosen.values())


def joined(*groups: Iterable[Device]) -> tuple[Device, ...]:
    """The devices of all groups.

    Raises:
        SpecError: two devices have the same name.
    """
    by_key: dict[str, Device] = {}
    for device in (device for group in groups for device in group):
        if _key(device.name) in by_key:
            raise SpecError(f"there are two devices called {device.name!r}; give yours another name")
        by_key[_key(device.name)] = device
    return tuple(by_key.values())


def own(where: str) -> tuple[Device, ...]:
    """Users' own devices from a JSON file (a list of objects with the fields of :class:`Device`) or
    ``module:NAME``.

    Raises:
        SpecError: no file or name, no JSON, unknown or missing fields (with the nearest name), or
            no devices.
    """
    if ":" in where and not where.lower().endswith(".json"):
        return _imported(where)
    try:
        entries = json.loads(_text(where))
    except OSError as error:
        raise SpecError(f"cannot read devices from {shown(where)}: {error.strerror or error}") from None
    except RecursionError:
        raise SpecError(f"{shown(where)}: too many brackets within brackets; a list of devices is expected") from None
    except SpecError:
        raise
    except ValueError as error:
        raise SpecError(f"{shown(where)} is not JSON: {error}") from None
    if not isinstance(entries, list) or not entries:
        raise SpecError(f'{shown(where)}: a list of devices, [{{"name": ..., "what": ..., "memory": ...}}], is expected')
    return joined(from_json(Device, fields, f"{cut(where)}: device {i}") for i, fields in enumerate(entries, 1))


def _text(where: str) -> str:
    path = Path(os.path.expanduser(where))
    if path.exists() and not path.is_file():  # a folder, or a pipe that never ends
        raise SpecError(f"cannot read devices from {shown(where)}: it is no file")
    with path.open(encoding="utf-8") as file:
        text = file.read(LONGEST + 1)
    if len(text) > LONGEST:
        raise SpecError(f"{shown(where)} has more than {LONGEST:,} characters; a device takes about 200")
    return text


def _imported(where: str) -> tuple[Device, ...]:
    module, name = imported(where, "devices")
    public = [key for key in vars(module) if not key.startswith("_")]
    if not hasattr(module, name):
        raise SpecError(f"{shown(module.__name__)} holds no {shown(name)}{nearest(name, public)}")
    value = getattr(module, name)
    devices = (value,) if isinstance(value, Device) else tuple(value) if isinstance(value, list | tuple) else ()
    if not devices or not all(isinstance(device, Device) for device in devices):
        raise SpecError(f"{shown(where)} should be a didact.deploy.device.Device, or a list or tuple of them")
    return joined(devices)


def _key(name: str) -> str:
    return re.sub(r"[-_. ]", "", name.lower())
