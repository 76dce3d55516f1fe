"""A table of what exported files need: size, memory, latency."""

from __future__ import annotations

from collections.abc import Sequence

from didact.deploy.bench import Benched, Settings
from didact.machine import processor
from didact.spec import clean, plural
from didact.tables.table import Cell, Quantity, Table


def table(files: Sequence[Benched], settings: Settings) -> Table:
    """A row for each file; the note says how it was measured."""
    batches = sorted({one.batch for each in files for one in each.latencies})
    planned = any(each.planned is not None for each in files)
    columns = ["file", "size (kB)", "activations (kB)", *(["set aside (kB)"] if planned else []), "memory (MB)"]
    columns += [head for batch in batches for head in (f"ms, batch {batch}", f"p95, batch {batch}")]
    rows = tuple(_row(each, batches, planned) for each in files)
    return Table((*columns, "runtime"), rows, note=_note(files, settings))


def _row(file: Benched, batches: Sequence[int], planned: bool) -> tuple[Cell, ...]:
    by_batch = {one.batch: one for one in file.latencies}
    cells: list[Cell] = [clean(file.path), f"{file.size / 1000:,.1f}"]
    cells.append("-" if file.activations is None else f"{file.activations / 1000:,.1f}")
    if planned:
        cells.append("-" if file.planned is None else f"{file.planned / 1000:,.1f}")
    cells.append("-" if file.memory is None else f"{file.memory / 1e6:.1f}")
    for batch in batches:
        one = by_batch.get(batch)
        cells += ["-", "-"] if one is None else [Quantity.single(one.median, 3), Quantity.single(one.p95, 3)]
    return (*cells, file.runtime)


def _note(files: Sequence[Benched], settings: Settings) -> str:
    lines = [
        f"Measured here, on {processor()}: {plural(settings.threads, 'thread')}, {settings.passes} passes after a warm-up of "
        f"{settings.warm_up}, files in turns; median and 95th percentile.",
        "Size: the file. Activations: their peak for one image, computed from the file's graph, not measured. Memory: growth",
        "of the peak resident memory of the process from before the file is opened, at the smallest batch; weights, the",
        "runtime's copies of them and its working memory included.",
    ]
    lines += [f"Activations unknown: {each.unknown}" for each in files if each.unknown]
    if any(each.planned is not None for each in files):
        lines.append(
            "Set aside: what ExecuTorch allocates before the first pass, as the file says; XNNPACK's own comes on top."
        )
    fixed = [clean(each.path.name) for each in files if len(each.latencies) < len(set(settings.batches))]
    if fixed:
        lines.append(f"Takes a fixed number of images: {', '.join(fixed)}")
    return "\n".join(lines)
