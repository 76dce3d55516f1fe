"""The front of a search next to exported files: measured figures, and files that are beyond a limit."""

from __future__ import annotations

from pathlib import Path

from didact.deploy.device import Device
from didact.deploy.measured import measured
from didact.search.costs import SearchSettings
from didact.search.pareto import Member, ParetoFront
from didact.tables.front import beyond, table
from support.exported import written
from support.tiny import make

MEMBERS = (Member("resnet8", 60.0, 1000, 1000, 10**6), Member("resnet14", 62.0, 2000, 2000, 2 * 10**6))


def front(**limits: object) -> ParetoFront:
    return ParetoFront("1f0c", SearchSettings(**limits), MEMBERS, (), 2, 100, 10.0)  # type: ignore[arg-type]


def test_a_student_with_a_file_shows_what_was_measured(tmp_path: Path) -> None:
    files = [measured(written(tmp_path / "net.pte", milliseconds=1.25), ())]
    plain, shown = table(front(), make("ce"), []), table(front(), make("ce"), [], files)
    assert shown.columns[: len(plain.columns)] == plain.columns
    more = shown.columns[len(plain.columns) :]
    assert more[:3] == ("file at 8 bit", "accuracy of file (%) at 8 bit", "ms of file at 8 bit")
    first, second = (row[len(plain.columns) :] for row in shown.rows)
    assert first == ("1.2 KB", "61.25", "1.250", "-", "-", "-") and set(second) == {"-"}
    assert "Measured: file" in shown.note and "Measured" not in plain.note and "NOT WITHIN" not in shown.note


def test_every_form_has_columns(tmp_path: Path) -> None:
    """Files of two forms are side by side; a second file of one form is named below."""
    paths = (
        written(tmp_path / "a.pte", form="executorch"),
        written(tmp_path / "b.tflite", 1500, form="tflite"),
        written(tmp_path / "c.pte", 1600, form="executorch"),
    )
    shown = table(front(), make("ce"), [], [measured(path, ()) for path in paths])
    at = shown.columns.index("file at 8 bit, executorch")
    assert shown.columns[at : at + 9 : 3] == (
        "file at 8 bit, executorch",
        "file at 8 bit, tflite",
        "file at 32 bit, executorch",
    )
    assert shown.rows[0][at : at + 9 : 3] == ("1.2 KB", "1.5 KB", "-")
    assert "Not shown: c.pte, another executorch file of resnet8 at 8 bit." in shown.note


def test_a_file_beyond_a_limit_that_arithmetic_keeps(tmp_path: Path) -> None:
    files = [measured(written(tmp_path / "net.pte", milliseconds=1.25), ())]
    board = Device(name="board", what="x", memory=1499)
    for limits, said in (
        ({"max_bytes": 1100}, "the file of resnet8 has 1,200 bytes, of 1,100 (net.pte)."),
        ({"target": board}, "board lacks 1 bytes for memory for the file of resnet8"),
        ({"max_latency": 1.0}, "takes 1.250 ms for an image, of 1"),
    ):
        (line,) = beyond(front(**limits), files)
        assert line.startswith("NOT WITHIN THE LIMIT: ") and said in line
    assert beyond(front(max_bytes=1100, bits=32), files) == [], "the limit is for another bit width"
