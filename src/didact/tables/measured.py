"""A table of exported files: arithmetic and measurement side by side, and which devices hold them."""

from __future__ import annotations

from collections.abc import Sequence

from didact.deploy.measured import Measured
from didact.tables.fit import PER_TABLE, megabytes, nothing, verdict_text
from didact.tables.table import Cell, Table

COVERS = """\
Computed: weights are the network's parameters x bits / 8; activations are their peak for one image, as didact fit counts them,
by the network at this bit width, and by the file's own graph. Measured: the size of the file; its test accuracy by its own
runtime when it was exported, and that of the same network by torch in float32; latencies that didact bench --keep has kept.
A device holds a file if it computes in its bit width and has room for the size of the file and the activations of its graph.
1 MB = 1,000,000 bytes."""


PLANNED = (
    "Set aside beforehand: what ExecuTorch allocates before the first pass, as the file says, for as many images as it takes; "
    "what XNNPACK allocates for itself comes on top."
)
"""What a table with ExecuTorch files adds."""


def tables(files: Sequence[Measured], devices: Sequence[str]) -> list[Table]:
    """Tables of a few files each, a column for a file; the last one has the note."""
    width = 2 * PER_TABLE
    starts = range(0, len(files), width)
    covers = [COVERS, PLANNED] if any(each.planned is not None for each in files) else [COVERS]
    notes = [*covers, *_machines(files), *nothing([each.verdicts for each in files])]
    return [
        _table(files[start : start + width], devices, "\n".join(notes) if start == starts[-1] else "") for start in starts
    ]


def _table(columns: Sequence[Measured], devices: Sequence[str], note: str) -> Table:
    rows: list[tuple[Cell, ...]] = [
        ("file", *(each.path.name for each in columns)),
        ("weights (MB), computed", *(megabytes(each.arithmetic.weights) for each in columns)),
        ("file (MB), measured", *(megabytes(each.size) for each in columns)),
        ("activations (MB), computed", *(megabytes(each.arithmetic.activations) for each in columns)),
        ("activations of the file (MB), computed", *(megabytes(each.activations) for each in columns)),
        ("accuracy (%), measured", *(f"{each.about['accuracy']['file']:.2f}" for each in columns)),
        ("accuracy in float32 (%), measured", *(f"{each.about['accuracy']['float32']:.2f}" for each in columns)),
    ]
    if any(each.planned is not None for each in columns):
        before = ("-" if each.planned is None else megabytes(each.planned) for each in columns)
        rows.insert(5, ("set aside beforehand (MB), by the file", *before))
    for batch in (1, 32):
        rows.append((f"ms, batch {batch}, measured", *(_milliseconds(each.latency(batch)) for each in columns)))
    for at, device in enumerate(devices):
        rows.append((device, *(verdict_text(each.verdicts[at], each.arithmetic.bits) for each in columns)))
    return Table(("", *(f"{each.name}, {each.arithmetic.bits} bit" for each in columns)), tuple(rows), note=note)


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _machines(files: Sequence[Measured]) -> list[str]:
    """Where the latencies were measured."""
    benches = [each.bench for each in files if each.bench is not None]
    where = dict.fromkeys(f"{b['machine']}, {b['runtime']}, threads: {b['threads']}, {b['date']}" for b in benches)
    lines = [f"Latencies: {line}" for line in where]
    if len(benches) < len(files):
        lines.append("Where a latency is -, none is kept; 'didact bench FILE --keep' measures it.")
    return lines
