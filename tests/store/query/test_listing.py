"""The list of a store: read once, remembered by sizes and times, never believed where anything differs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import didact
from didact.runs.run import Run
from didact.spec import to_json
from didact.store.entries import Lost
from didact.store.query import listing
from didact.store.query.listing import FILE, Row, rows
from didact.store.store import Store
from support.recorded import recorded


@pytest.fixture
def store(tmp_path: Path) -> Store:
    for seed in range(3):
        run = Run(net="resnet8", seed=seed)
        recorded(tmp_path, to_json(run), run.label)
    return Store(tmp_path)


def entries_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Row | Lost], int]:
    """The rows of a new process's list, and how many Records it read."""
    read: list[Path] = []
    own = Store.entry

    def entry(self: Store, folder: Path):
        read.append(folder)
        return own(self, folder)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "entry", entry)
        return list(rows(Store(store.root, store.say))), len(read)


def test_a_row_says_what_the_run_is(store: Store) -> None:
    run = Run(net="resnet8", seed=1)
    row = list(rows(store))[1]
    assert isinstance(row, Row)
    assert (row.digest, row.label, row.how, row.data, row.teacher) == (
        run.digest,
        "resnet8.ce.s1",
        "alone (ce)",
        "digits",
        "",
    )
    assert row.recipe == "240 epochs, batch 64, steps 0.05, fp32"
    assert (row.top1, row.code, row.trusted) == (50.0, (), True)


def test_a_record_is_read_once_and_again_when_it_changes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, read = entries_read(store, monkeypatch)
    assert read == 3
    assert entries_read(store, monkeypatch) == (first, 0)
    folder = store.folders()[1]
    time = (folder / "weights.safetensors").stat()
    os.utime(folder / "weights.safetensors", ns=(time.st_atime_ns, time.st_mtime_ns + 1))
    assert entries_read(store, monkeypatch) == (first, 1)
    (folder / "metrics.jsonl").write_text(json.dumps({"epoch": 1, "test_top1": 99.0}) + "\n")
    changed, read = entries_read(store, monkeypatch)
    assert read == 1 and isinstance(changed[1], Lost) and "metrics.jsonl is not what was written" in changed[1].why
    assert entries_read(store, monkeypatch) == (changed, 1)  # what is damaged is looked at every time


def test_a_removed_record_and_an_unfinished_one_are_not_remembered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    entries_read(store, monkeypatch)
    first, second, _ = store.folders()
    for file in first.iterdir():
        file.unlink()
    first.rmdir()
    (second / "record.json").unlink()
    (second / "weights.safetensors").unlink()
    found, _ = entries_read(store, monkeypatch)
    assert [isinstance(row, Lost) and row.running for row in found] == [True, False]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"by": 1, "rows": {}}', "folder", "text", "escape"],
)
def test_a_file_that_is_not_what_was_written_is_made_again(
    store: Store, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = entries_read(store, monkeypatch)
    path = store.root / FILE
    whole = json.loads(path.read_text())
    if content == "folder":
        whole["rows"] = dict.fromkeys(whole["rows"], "no row")
    elif content == "text":
        for row in whole["rows"].values():
            row["data"] = 3
    elif content == "escape":
        for row in whole["rows"].values():
            row["data"] = "\x1b[31mdigits"
    path.write_text(json.dumps(whole) if content in ("folder", "text", "escape") else content)
    found, read = entries_read(store, monkeypatch)
    assert read == (0 if content == "escape" else 3)
    assert all(isinstance(row, Row) and "\x1b" not in row.data for row in found)
    assert content == "escape" or found == first


def test_a_changed_module_of_any_room_is_another_version() -> None:
    assert {"runs/labels.py", "spec/__init__.py", "store/record.py"} <= {name for name, _ in listing.own_files()}


def test_another_version_of_didact_makes_its_own_rows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    entries_read(store, monkeypatch)
    monkeypatch.setattr(didact, "__version__", "0.0")
    listing.version.cache_clear()
    assert entries_read(store, monkeypatch)[1] == 3
    listing.version.cache_clear()


def test_own_code_is_listed_as_this_request_trusts_it(tmp_path: Path) -> None:
    recorded(tmp_path, to_json(Run(net="resnet8")) | {"net": "nosuch:net"})
    (row,) = rows(Store(tmp_path))
    assert isinstance(row, Row) and not row.trusted and row.code == ("nosuch:net",)
    (again,) = rows(Store(tmp_path))
    assert again == row
    (lost,) = rows(Store(tmp_path, trust=True))
    assert isinstance(lost, Lost)  # a Run is tried now


def test_what_cannot_be_remembered_is_listed_all_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(listing, "write", full)
    messages: list[str] = []
    again = Store(store.root, messages.append)
    assert len(list(rows(again))) == len(list(rows(again))) == 3
    assert messages == [
        f"the list cannot be remembered in {store.root}: No space left on device; the next one reads every Record again"
    ]
