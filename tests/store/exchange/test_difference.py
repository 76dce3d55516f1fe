"""Two Records of the same run: what counts as a difference, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from didact.execution import Execution, execute
from didact.files.checked import DamagedError
from didact.spec import to_json
from didact.store.exchange.difference import difference
from didact.store.exchange.intake import Taken, take
from didact.store.exchange.merging import offers
from didact.store.exchange.packing import pack
from didact.store.exchange.unpacking import Archive
from didact.store.notes import note, put
from didact.store.record import Record
from didact.store.store import Store
from support.recorded import recorded
from support.tiny import make

RUN = make(seed=5)

ROWS: list[dict[str, Any]] = [
    {"epoch": 1, "loss": 2.0, "terms": {"ce": 2.0}, "seconds": 1.0, "learners": 1},
    {"epoch": 2, "loss": 1.0, "terms": {"ce": 1.0}, "test_top1": 50.0, "test_top5": 90.0, "seconds": 1.0, "learners": 1},
]


def with_rows(root: Path, rows: list[Any]) -> Record:
    """A Record of the same run with these metrics."""
    record = recorded(root, to_json(RUN), RUN.label)
    (record.folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Record.seal(record.folder)


def found(tmp_path: Path, ours: list[Any], theirs: list[Any]) -> str | None:
    other = with_rows(tmp_path / "theirs", theirs)
    return difference(with_rows(tmp_path / "ours", ours), other.sums, other.content)


def changed(row: int, **values: Any) -> list[dict[str, Any]]:
    return [one | values if number == row else one for number, one in enumerate(ROWS)]


@pytest.mark.parametrize(
    "theirs",
    [
        ROWS,
        changed(1, seconds=9.0, cpu_seconds=9.0, images_per_second=9.0, learners=4),
        changed(1, loss=1.0 + 9e-6, terms={"ce": 1.0 - 9e-6}),
        changed(0, test_top1=40.0),
    ],
    ids=["equal", "what it took", "rounding", "tested more often"],
)
def test_what_is_the_same(tmp_path: Path, theirs: list[Any]) -> None:
    assert found(tmp_path, ROWS, theirs) is None


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (changed(1, test_top1=50.01), "(test_top1 50 here, 50.01 there)"),
        (changed(0, loss=2.5), "(loss 2 here, 2.5 there after epoch 1)"),
        (changed(1, terms={"ce": 1.5}), "(terms.ce 1 here, 1.5 there)"),
        (changed(1, loss=None), "(loss 1 here, null there)"),
        (changed(1, loss=10**400), "(loss 1 here, 1000000"),
        (ROWS[:1], "(2 epochs here, 1 there)"),
        (["x", ROWS[1]], "after epoch 1)"),
        (
            [ROWS[0] | {"loss": 3.0}, {"loss": 1.5, "terms": {"ce": 1.5}, "test_top5": 80.0, "test_top1": 40.0}],
            "(test_top1 50 here, 40 there; test_top5 90 here, 80 there; loss 1 here, 1.5 there; and 2 more values)",
        ),
    ],
)
def test_what_differs_is_said(tmp_path: Path, theirs: list[Any], said: str) -> None:
    line = found(tmp_path, ROWS, theirs)
    assert line is not None and line.startswith("has other results here (") and said in line


def test_other_files_differ_by_their_checksums(tmp_path: Path) -> None:
    ours, theirs = with_rows(tmp_path / "ours", ROWS), with_rows(tmp_path / "theirs", changed(1, test_top1=60.0))
    (theirs.folder / "images.json").write_text('{"train": {"images": 60}}')
    (theirs.folder / "weights.safetensors").write_bytes(b"w")
    for record, content in ((ours, b"a"), (theirs, b"b")):
        (record.folder / "route").mkdir()
        (record.folder / "route" / "0001.safetensors").write_bytes(content)
    ours, theirs = Record.seal(ours.folder), Record.seal(theirs.folder)
    line = difference(ours, theirs.sums, theirs.content)
    assert line == "has other weights, networks of its route and results here (test_top1 50 here, 60 there)"
    (ours.folder / "images.json").write_text('{"train": {"images": 50}}')
    ours = Record.seal(ours.folder)
    assert "networks of its route, images and results here" in (difference(ours, theirs.sums, theirs.content) or "")


def merged(target: Store, source: Store) -> Taken:
    return take(target, offers(source))


def imported(target: Store, source: Store) -> Taken:
    path = source.root.parent / "runs.tar"
    pack(path, [Record(folder) for folder in source.folders()])
    return take(target, Archive(path).offers())


@pytest.mark.parametrize("way", [merged, imported])
def test_the_run_with_other_results_is_named_and_the_others_are_taken(
    tmp_path: Path, way: Callable[[Store, Store], Taken]
) -> None:
    ours, theirs = with_rows(tmp_path / "ours", ROWS), with_rows(tmp_path / "theirs", changed(1, test_top1=60.0))
    put(theirs.folder, "of the other Record")
    more = make(seed=6)
    recorded(tmp_path / "theirs", to_json(more), more.label)
    before = {path.name: path.read_bytes() for path in ours.folder.iterdir()}
    taken = way(Store(tmp_path / "ours"), Store(tmp_path / "theirs"))
    name = ours.folder.name
    assert taken.other == [f"{name} has other results here (test_top1 50 here, 60 there); what is here is kept"]
    assert taken.new == [f"{more.label}.{more.digest}"] and not taken.same and not taken.refused
    assert {path.name: path.read_bytes() for path in ours.folder.iterdir()} == before and note(ours.folder) == ""


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with_rows(tmp_path / "ours", ROWS)
    theirs = with_rows(tmp_path / "theirs", ROWS)
    (theirs.folder / "images.json").write_text('{"train": {"images": 60}}')
    Record.seal(theirs.folder)
    (theirs.folder / "images.json").write_text("{}")
    taken = merged(Store(tmp_path / "ours"), Store(tmp_path / "theirs"))
    assert "images.json is not what was written" in taken.refused[0] and not taken.same and not taken.other
    with pytest.raises(DamagedError, match="missing"):
        difference(Record(tmp_path / "ours" / "runs" / theirs.folder.name), {}, _nothing)


def _nothing(name: str) -> bytes:
    raise DamagedError(f"{name} is missing")


def test_a_run_that_is_trained_twice_is_the_same(tmp_path: Path) -> None:
    """Times differ, and in a cohort the number of learners: no value that is compared."""
    alone, together = Store(tmp_path / "alone"), Store(tmp_path / "together")
    execute([RUN], alone, Execution())
    execute([RUN, make(seed=6)], together, Execution())
    assert alone.get(RUN) is not None
    taken = merged(alone, together)
    assert len(taken.same) == len(taken.new) == 1 and not taken.other
