"""``didact show``. Imports no torch before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, Json, StorePath, TrustStore
from didact.cli.output import print_json

if TYPE_CHECKING:
    from didact.runs.run import Run, Start
    from didact.store.store import Store


def show(
    run: Annotated[str, Parameter(help="A digest, or the beginning of one, or a folder's name.")],
    *,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    json: Json = False,
) -> int:
    """Read and print. The help text is in :mod:`didact.cli.main`."""
    from didact.report.text import print_details

    values = details(answer.opened(store, trust_store), run)
    if json:
        print_json(values)
    else:
        print_details(values)
    return 0


def details(store: Store, name: str) -> dict[str, Any]:
    """All facts about one run of the store. Without a network built from its Record, only the
    Record's content.

    Raises:
        SpecError: no run, or several runs, with a digest or folder that begins with ``name``.
    """
    from didact.cli.missing import missing_teachers
    from didact.measure.similarity import known
    from didact.store.choice import entry_of
    from didact.store.entries import Finished
    from didact.store.notes import note

    entry = entry_of(store, name)
    record = entry.record
    similar = known(store, entry.run, record) if isinstance(entry, Finished) else None
    missing_teachers(store, [entry.run] if isinstance(entry, Finished) else [])
    built = _built(store, entry.run) if isinstance(entry, Finished) else {"spec": entry.spec, "note": entry.note}
    return {
        "digest": entry.run.digest if isinstance(entry, Finished) else entry.digest,
        "folder": str(record.folder),
        **built,
        "your_note": note(record.folder) or None,
        "environment": record.environment(),
        "final": record.final(),
        "test_top1_by_epoch": [row.get("test_top1") for row in record.metrics()],
        "similarity": similar and similar.plain(),
    }


def _built(store: Store, run: Run) -> dict[str, Any]:
    from didact.data import facts
    from didact.nets.blocks import macs, parameters
    from didact.runs.labels import teacher_label
    from didact.spec import to_json

    deployed = store.deployed(run)
    apart = ("teacher", "start", "peers", *(("recipe", "method") if run.given is not None else ()))
    return {
        "spec": {key: value for key, value in to_json(run).items() if key not in apart},
        "teacher": run.teacher and f"{run.teacher.digest} {teacher_label(run.teacher, run)}",
        "peers": [f"{peer.digest} {peer.net}" for peer in run.group if peer != run] or None,
        "start": run.start and _start(run.start),
        "deployed": {"parameters": parameters(deployed), "MACs": macs(deployed, facts(run.data).image)},
    }


def _start(start: Start) -> str:
    if start.run is not None:
        return f"{start.part} of {start.run.digest}"
    assert start.file is not None
    return f"file {start.file.sha256[:16]}"
