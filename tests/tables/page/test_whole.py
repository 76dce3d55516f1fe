"""The whole report: every section only where it has something to show, whatever a Record holds."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from PIL import Image

from didact.execution import Execution, execute
from didact.files.checked import file_checksum
from didact.runs.run import Run
from didact.store.store import Store
from didact.tables.page import closer, trained, whole
from didact.tables.page.parts import Commands, Gallery
from didact.tables.page.picture import Dots, HeatMap, Picture
from didact.tables.table import Table, text
from support.reported import ended, metrics


def test_sections_by_what_there_is(tiny: Callable[..., Run], store: Store) -> None:
    assert whole.page(store, "empty", [], {}).sections == ()
    ended(store, tiny("ce"), metrics(60.0), command="didact train --net resnet8")
    page = whole.page(store, "one", trained.of_store(store), {})
    assert [one.key for one in page.sections] == ["results", "curves", "runs", "origin"]
    commands = [part for part in page.sections[-1].parts if isinstance(part, Commands)]
    assert [line for _, line in commands[0].lines] == ["didact train --net resnet8"]
    assert commands[1].lines[0][1].startswith("didact train --net resnet8 --method ce --data digits")
    checksums = page.sections[-1].parts[-1]
    assert isinstance(checksums, Table) and len(checksums.rows) == 6
    folder = store.folder(tiny("ce"))
    assert {row[2]: row[3] for row in checksums.rows}["record.json"] == file_checksum(folder / "record.json")


def test_a_record_from_elsewhere(tiny: Callable[..., Run], store: Store) -> None:
    """What is sealed can still be no metrics of didact."""
    rows = [
        5,
        "x",
        {"epoch": "one", "terms": [1]},
        {"epoch": 2, "test_top1": 50.0, "terms": {"kd": "much"}, "seconds": None},
    ]
    for run in (tiny("kd"), tiny({"name": "sftn", "student": "resnet8"}), tiny({"name": "gtn", "pool": "tiny"})):
        record = ended(store, run, rows)  # type: ignore[arg-type]
        (record.folder / "environment.json").write_text("[1]")
        sums = record.sums | {"environment.json": str(file_checksum(record.folder / "environment.json"))}
        (record.folder / "record.json").write_text(json.dumps(sums))
    known = trained.of_store(store)
    page = whole.page(store, "odd", known, {})
    assert len(known) == 3 and "runs" in [one.key for one in page.sections]
    for section in page.sections:
        assert all(text(cell) for part in section.parts if isinstance(part, Table) for row in part.rows for cell in row[:1])


@pytest.mark.usefixtures("few_digits")
def test_a_closer_look(tiny: Callable[..., Run], store: Store) -> None:
    run = tiny("kd")
    execute([run, tiny("kd", seed=1)], store, Execution(device="cpu"))
    known = trained.of_store(store)
    students = closer.chosen(known, 5)
    assert len(students) == 1  # the best one of the only teacher
    section = closer.section(store, students, "cpu")
    calibration, layers, gallery, classes = section.parts
    assert isinstance(calibration, Picture) and isinstance(calibration.panels[0], Dots) and calibration.panels[0].diagonal
    assert sum(int(dot.name.split()[0]) for dot in calibration.panels[0].dots) == 2 * 50
    assert isinstance(layers, Picture) and isinstance(layers.panels[0], HeatMap)
    assert layers.panels[0].rows == layers.panels[0].columns and "logits" in layers.panels[0].rows
    assert isinstance(gallery, Gallery) and isinstance(classes, Table)
    first = gallery.images[0]
    with Image.open(io.BytesIO(first.png)) as picture:
        assert picture.size == (16, 16) or picture.size == (8, 8)
    assert first.lines[0].startswith("image ") and first.lines[1].startswith("teacher: ")


def test_a_look_that_cannot_be_had_is_told(tiny: Callable[..., Run], store: Store) -> None:
    said: list[str] = []
    quiet = Store(store.root, said.append)
    run = tiny("kd")
    assert run.teacher is not None
    for one in (run, run.teacher):
        ended(store, one, metrics(50.0))  # the weights of no network
    students = closer.chosen(trained.of_store(quiet), 1)
    assert [one.digest for one in students] == [run.digest]
    assert closer.section(quiet, students, "cpu").parts == () and said[0].startswith("no closer look at resnet8.kd.s0")
