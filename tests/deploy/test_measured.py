"""Exported files: measured and computed figures side by side, and what devices make of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from didact.cli.main import main
from didact.deploy import figures
from didact.deploy.bench import Benched, Settings
from didact.deploy.device import Device
from didact.deploy.measured import files_in, measured
from didact.spec import RequestError
from didact.tables.bench import table
from support.exported import written


def test_the_size_of_the_file_decides(tmp_path: Path) -> None:
    devices = [Device(name=str(memory), what="x", memory=memory) for memory in (1499, 1500)]
    found = measured(written(tmp_path / "net.pte"), devices)
    assert (found.arithmetic.weights, found.size, found.activations) == (1000, 1200, 300)
    assert [verdict.fits for verdict in found.verdicts] == [False, True]
    assert [verdict.fits for verdict in found.arithmetic.verdicts] == [True, True], "by arithmetic both would"
    assert found.latency() is None


def test_the_table_says_what_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "a.pte", milliseconds=1.5)
    large = written(tmp_path / "b.pte", 4400, bits=32)
    asked = ["fit", "--files", str(tmp_path), "--target", "pico-2,edge-tpu"]
    assert main([*asked, "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["computed"] == {"parameters": 1000, "weights": 1000, "activations": 300, "activations_of_file": 300}
    assert first["measured"]["bytes"] == 1200 and first["measured"]["bench"]["latency"][0]["median"] == 1.5
    assert second["computed"]["weights"] == 4000 and second["measured"]["bench"] is None
    assert [device["fits"] for device in second["devices"]] == [True, False]
    assert main(asked) == 0
    said = capsys.readouterr().out
    for word in ("file (MB), measured", "weights (MB), computed", "61.25", "1.500", "a board, executorch 1, threads: 2"):
        assert word in said
    assert large.name in said and "Where a latency is -, none is kept" in said


def test_what_an_executorch_file_has_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read from the file, beside the peak that is computed of the network, and in the table of didact bench."""
    written(tmp_path / "a.pte", form="executorch")
    written(tmp_path / "b.tflite", form="tflite")
    assert main(["fit", "--files", str(tmp_path), "--target", "pico-2"]) == 0
    assert "set aside" not in capsys.readouterr().out, "bytes that are no program"
    monkeypatch.setattr("didact.deploy.measured.planned", lambda file: 164_000 if file == b"x" * 1200 else None)
    assert main(["fit", "--files", str(tmp_path), "--target", "pico-2", "--format", "csv"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "set aside beforehand" in line]
    assert row.split('"')[-1].split(",")[-2:] == ["0.164", "-"]
    assert measured(tmp_path / "a.pte", []).plain()["computed"]["planned_by_file"] == 164_000
    found = [
        Benched(tmp_path / name, 1200, "its own", (3, 32, 32), None, "", None, (), of)
        for name, of in (("a", 164_000), ("b", None))
    ]
    shown = table(found, Settings())
    assert [row[shown.columns.index("set aside (kB)")] for row in shown.rows] == ["164.0", "-"]
    assert "set aside (kB)" not in table(found[1:], Settings()).columns


def test_no_device_holds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "net.pte", bits=32)
    assert main(["fit", "--files", str(tmp_path / "net.pte"), "--target", "max78000,edge-tpu"]) == 0
    assert "None of these devices holds any of these networks; try fewer bits" in capsys.readouterr().out.replace("\n", " ")


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = tmp_path / "bare.pte"
    bare.write_bytes(b"x")
    with pytest.raises(RequestError, match=r"has no description next to it, bare\.pte\.json; export it again"):
        measured(bare, [])
    other = written(tmp_path / "other.pte")
    other.write_bytes(b"y")
    with pytest.raises(RequestError, match="is not the file that its description is of"):
        measured(other, [])
    old = written(tmp_path / "old.pte")
    figures.description_of(old).write_text("{}")
    with pytest.raises(RequestError, match="is of another version of didact"):
        measured(old, [])
    figures.description_of(old).write_text('{"format"')
    with pytest.raises(RequestError, match=r"old\.pte has a damaged description next to it, old\.pte\.json"):
        measured(old, [])
    with pytest.raises(RequestError, match="is of a later didact than this one; update didact"):
        measured(written(tmp_path / "later.pte", format=99), [])
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="holds no file of didact export"):
        files_in([tmp_path / "empty"])
    for asked, said in (
        (["--files", str(other), "--bits", "8"], "leave out --bits"),
        ([], "write --pool"),
        (["--files", str(tmp_path / "net.txt")], "names that end in"),
    ):
        assert main(["fit", *asked]) == 2
        assert said in capsys.readouterr().err
