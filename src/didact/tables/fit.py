"""Tables of the memory that networks need, of the devices that hold them, and of the catalogue of
devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from didact.deploy.catalogue import DEVICES
from didact.deploy.device import Device
from didact.spec import to_json
from didact.tables.listing import Listing
from didact.tables.table import Cell, Table

if TYPE_CHECKING:
    from didact.deploy.fit import Fit, Verdict

COVERS = """\
Weights: parameters x bits / 8. Activations: their peak for one image, at the same bit width.
A device holds a network if it computes in this bit width and both fit, or, in a shared memory,
their sum fits. Not counted: scales and biases in 32 bits, which a network in 8 bits has as well.
1 MB = 1,000,000 bytes. 'didact list devices' describes each device and names the source of its
figures."""

PER_TABLE = 3  # networks side by side


def tables(fits: Sequence[Fit]) -> list[Table]:
    """Tables of a few networks each: memory by bit width, and which devices hold it. The last one
    has the note."""
    networks = list(dict.fromkeys(fit.network for fit in fits))
    starts = range(0, len(networks), PER_TABLE)
    return [
        _table(
            [fit for fit in fits if fit.network in networks[start : start + PER_TABLE]],
            "" if start < starts[-1] else "\n".join([COVERS, *nothing([fit.verdicts for fit in fits])]),
        )
        for start in starts
    ]


def nothing(verdicts: Sequence[Sequence[Verdict]]) -> list[str]:
    """A line where no device that was asked for holds any of the networks; ``verdicts`` by
    network."""
    if not any(verdicts) or any(verdict.fits for each in verdicts for verdict in each):
        return []
    return [
        "None of these devices holds any of these networks; try fewer bits, smaller networks ('didact search' with "
        "--max-bytes finds some), or another --target."
    ]


def _table(columns: Sequence[Fit], note: str) -> Table:
    rows: list[tuple[Cell, ...]] = [
        ("weights (MB)", *(megabytes(fit.weights) for fit in columns)),
        ("activations (MB)", *(megabytes(fit.activations) for fit in columns)),
    ]
    for index, verdict in enumerate(columns[0].verdicts):
        rows.append((verdict.device, *(verdict_text(fit.verdicts[index], fit.bits) for fit in columns)))
    return Table(("", *(f"{fit.network}, {fit.bits} bit" for fit in columns)), tuple(rows), note=note)


def verdict_text(verdict: Verdict, bits: int) -> str:
    """A tick, or the reason why the network does not fit."""
    if not verdict.executes:
        return f"✗ not in {bits} bit"
    lacks = [
        f"{megabytes(missing)} MB" + ("" if part == "memory" else f" for {part}")
        for part, missing in verdict.missing.items()
    ]
    return "✓" if not lacks else "✗ lacks " + ", ".join(lacks)


def plain(fits: Sequence[Fit]) -> list[dict[str, Any]]:
    """The same as plain JSON data, all sizes in bytes."""
    return [
        {
            "network": fit.network,
            "bits": fit.bits,
            "parameters": fit.parameters,
            "weights": fit.weights,
            "activations": fit.activations,
            "devices": [
                {"device": v.device, "fits": v.fits, "limit": v.limit, "missing": dict(v.missing)} for v in fit.verdicts
            ],
        }
        for fit in fits
    ]


def devices() -> Listing:
    """The catalogue of devices."""
    columns = ("device", "what it is", "memory", "memory for weights", "bits", "source", "read", "note")
    details = ("read", "source", "note", "memory for weights")
    return Listing(Table(columns, tuple(map(_row, DEVICES)), details=details), [to_json(device) for device in DEVICES])


def _row(device: Device) -> tuple[Cell, ...]:
    weights = "the same" if device.weight_memory is None else memory(device.weight_memory)
    bits = ", ".join(map(str, device.bits)) or "any"
    return device.name, device.what, memory(device.memory), weights, bits, device.source, device.date, device.note


def megabytes(count: int) -> str:
    """``count`` bytes in decimal megabytes, to three digits."""
    return f"{count / 1e6:.3g}" if count < 999_500_000 else f"{count / 1e6:.0f}"


def memory(count: int) -> str:
    """``count`` bytes in the largest binary unit that gives a whole number, or in megabytes: "512
    KiB"."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count % 2**power == 0:
            return f"{count // 2**power} {unit}"
    return f"{megabytes(count)} MB"


def weight_size(count: int) -> str:
    """``count`` bytes in decimal kilobytes or megabytes, to three digits: "70.4 KB"."""
    return f"{count / 1e3:.3g} KB" if count < 999_500 else f"{megabytes(count)} MB"
