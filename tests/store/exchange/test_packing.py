"""An archive carries Records as they are; a store takes them in whole, and keeps what it has."""

from __future__ import annotations

import os
import shutil
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.files.checked import DamagedError, file_checksum
from didact.files.tensors import write_tensors
from didact.spec import SpecError, to_json
from didact.store.answers.results import Results
from didact.store.exchange import intake, packing, unpacking
from didact.store.exchange.intake import Taken, take
from didact.store.exchange.merging import offers
from didact.store.exchange.packing import pack
from didact.store.exchange.unpacking import Archive
from didact.store.notes import note, put
from didact.store.record import Record
from didact.store.store import Store
from didact.store.upkeep.leftovers import STAGING
from didact.store.upkeep.locks import locked
from support.recorded import recorded
from support.shelf import Shelf, shelf


@pytest.fixture
def full(tmp_path: Path) -> Shelf:
    return shelf(tmp_path / "one")


@pytest.fixture
def target(full: Shelf, tmp_path: Path) -> Shelf:
    """An empty store; its runs are those of the other."""
    said: list[str] = []
    return replace(full, store=Store(tmp_path / "two", said.append), said=said)


def records(full: Shelf) -> list[Record]:
    return [Record(folder) for folder in full.store.folders()]


def packed(full: Shelf) -> Path:
    path = full.store.root.parent / "runs.tar"
    pack(path, records(full))
    return path


def carried(path: Path, target: Shelf) -> Taken:
    return take(target.store, Archive(path).offers())


def contents(store: Store) -> dict[str, bytes]:
    runs = store.root / "runs"
    return {path.relative_to(runs).as_posix(): path.read_bytes() for path in sorted(runs.rglob("*")) if path.is_file()}


def test_there_and_back_with_notes_and_results(full: Shelf, target: Shelf) -> None:
    put(full.folder(full.loner), "mine")
    Results(Record(full.folder(full.loner))).put("similarity", 1, {"kl": 0.5})
    (full.folder(full.teacher) / "checkpoint.safetensors").write_bytes(b"left over")
    (full.folder(full.teacher) / "script.py").write_text("print()")
    (full.folder(full.teacher) / "foreign.json").write_text("{}")
    taken = carried(packed(full), target)
    assert len(taken.new) == 4 and not (taken.same or taken.other or taken.refused)
    kept = {
        k: v
        for k, v in contents(full.store).items()
        if not k.endswith(("checkpoint.safetensors", ".py", "foreign.json", ".lock"))
    }
    assert contents(target.store) == kept
    assert target.store.get(full.students[0]) is not None and note(target.folder(full.loner)) == "mine"
    assert Results(Record(target.folder(full.loner))).get("similarity", 1, lambda x: x["kl"]) == 0.5
    again = carried(full.store.root.parent / "runs.tar", target)
    assert len(again.same) == 4 and not again.new
    assert not list(target.store.root.glob(f"{STAGING}*")) and not list(target.store.root.glob("locks/incoming-*"))


def test_the_same_records_make_the_same_archive(full: Shelf, tmp_path: Path) -> None:
    pack(tmp_path / "a.tar", records(full))
    pack(tmp_path / "b.tar", records(full))
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert tarfile.is_tarfile(tmp_path / "a.tar")
    with pytest.raises(SpecError, match="exists; name another"):
        pack(tmp_path / "a.tar", records(full))


def test_what_a_killed_export_left_goes_with_the_next_one(full: Shelf, tmp_path: Path) -> None:
    for name, idle in ((".a.tar.7.tmp", 3600), (".a.tar.8.tmp", 0), (".b.tar.7.tmp", 3600)):
        (tmp_path / name).write_bytes(b"half")
        when = time.time() - idle
        os.utime(tmp_path / name, (when, when))
    pack(tmp_path / "a.tar", records(full))
    assert {path.name for path in tmp_path.glob("*.t*")} == {".a.tar.8.tmp", ".b.tar.7.tmp", "a.tar"}


def test_a_damaged_record_is_not_packed(full: Shelf, tmp_path: Path) -> None:
    path = full.folder(full.loner) / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DamagedError, match="is not what was written"):
        pack(tmp_path / "a.tar", records(full))
    assert not list(tmp_path.glob("*.tar*")) and not list(tmp_path.glob(".*.tmp"))


def test_a_full_disk_leaves_nothing_of_an_archive(full: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packing.os, "fsync", full_disk)
    with pytest.raises(OSError, match=r"a\.tar: No space left on device; nothing is left of it"):
        pack(tmp_path / "a.tar", records(full))
    assert not list(tmp_path.glob("*.tar*")) and not list(tmp_path.glob(".*.tmp"))


def test_what_is_here_is_kept_and_what_differs_is_said(full: Shelf, target: Shelf) -> None:
    path = packed(full)
    other = recorded(target.store.root, to_json(full.loner), full.loner.label)
    write_tensors(other.folder / "weights.safetensors", {"net.x": torch.ones(1)}, {"samples": 1})
    Record.seal(other.folder)
    half = target.folder(full.students[0])
    half.mkdir(parents=True)
    (half / "checkpoint.safetensors").write_bytes(b"half")
    before = contents(target.store)
    with locked(target.store, [full.students[1]]):
        taken = carried(path, target)
    assert len(taken.new) == 1 and "being trained by another process" in taken.refused[0]
    assert any("has other weights here, and the same results; what is here is kept" in line for line in taken.other)
    assert any("is not finished here" in line for line in taken.other)
    assert contents(target.store).items() >= before.items()
    assert carried(path, target).new == [full.folder(full.students[1]).name]


def test_a_damaged_record_is_set_aside_for_a_whole_one(full: Shelf, target: Shelf) -> None:
    path = packed(full)
    assert len(carried(path, target).new) == 4
    (target.folder(full.loner) / "metrics.jsonl").write_text("")
    assert len(carried(path, target).new) == 1 and "moved" in target.said[0]
    assert target.store.get(full.loner) is not None and list(target.store.root.glob("runs/*.aside-*"))


def test_code_that_a_record_names_is_data_and_stays_it(full: Shelf, target: Shelf) -> None:
    recorded(full.store.root, to_json(full.loner) | {"net": "os:system"}, "strange")
    taken = carried(packed(full), target)
    assert len(taken.new) == 5 and not target.said


def test_a_kill_leaves_whole_records_and_the_next_command_goes_on(
    full: Shelf, target: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, own, count = packed(full), intake.sync_folder, iter(range(100))

    def killed(folder: Path) -> None:
        if next(count) == 4:  # of the third Record, before it is renamed
            raise KeyboardInterrupt
        own(folder)

    with monkeypatch.context() as patched:
        patched.setattr(intake, "sync_folder", killed)
        patched.setattr(intake.shutil, "rmtree", lambda *_, **__: None)  # nothing is tidied up
        with pytest.raises(KeyboardInterrupt):
            carried(path, target)
    assert len(target.store.folders()) == 2 and all(Record.open(folder) for folder in target.store.folders())
    assert list(target.store.root.glob(f"{STAGING}*"))
    taken = carried(path, target)
    assert len(taken.new) == 2 and len(taken.same) == 2


def test_two_stores_are_merged(full: Shelf, target: Shelf) -> None:
    put(full.folder(full.loner), "mine")
    shutil.copytree(full.folder(full.loner), target.folder(full.loner))
    (target.folder(full.loner) / "note.json").unlink()
    damaged = full.folder(full.students[1])
    (damaged / "weights.safetensors").write_bytes(b"x")
    (full.folder(full.students[0]) / "record.json").unlink()
    (full.folder(full.students[0]) / "weights.safetensors").unlink()
    before = contents(full.store)
    taken = take(target.store, offers(full.store))
    assert taken.new == [full.folder(full.teacher).name] and taken.same == [full.folder(full.loner).name]
    assert "weights.safetensors is not what was written" in taken.refused[0] and not taken.other
    assert full.said == [f"1 unfinished in {full.store.root}: only Records are taken"]
    assert note(target.folder(full.loner)) == "mine" and contents(full.store) == before


@pytest.mark.parametrize("way", ["import", "merge"])
def test_results_of_a_run_that_is_here_are_merged(way: str, full: Shelf, target: Shelf) -> None:
    """Both stores have computed something of the same runs: what one of them lacks, it takes."""
    loner, teacher = full.folder(full.loner), full.folder(full.teacher)
    for folder in (loner, teacher):
        shutil.copytree(folder, target.store.root / "runs" / folder.name)
    ours, theirs = Results(Record(target.folder(full.loner))), Results(Record(loner))
    for results, questions in ((ours, (1, 2)), (theirs, (2, 3))):
        for question in questions:
            results.put("probe-a", question, {"top1": [50.0, 10.0 + question]})
    theirs.put("similarity", 1, {"kl": 0.5})
    of_teacher = Results(Record(target.folder(full.teacher)))
    of_teacher.put("similarity", 1, {"record": "one", "kl": 0.5})
    Results(Record(teacher)).put("similarity", 1, {"record": "another", "kl": 0.75})
    before = contents(full.store)
    offered = offers(full.store) if way == "merge" else Archive(packed(full)).offers()
    taken = take(target.store, offered)
    assert sorted(taken.same) == sorted([loner.name, teacher.name]) and not (taken.other or taken.refused)
    assert [ours.get("probe-a", question, lambda x: x["top1"][1]) for question in (1, 2, 3)] == [11.0, 12.0, 13.0]
    assert ours.get("similarity", 1, lambda x: x["kl"]) == 0.5
    assert of_teacher.get("similarity", 1, lambda x: x["kl"]) == 0.5  # another teacher's Record: it is of no use here
    assert contents(full.store) == before


def test_other_results_of_the_same_run_are_said_and_those_here_are_kept(full: Shelf, target: Shelf) -> None:
    shutil.copytree(full.folder(full.loner), target.folder(full.loner))
    ours, theirs = Results(Record(target.folder(full.loner))), Results(Record(full.folder(full.loner)))
    for results, top1, near in ((ours, 50.0, 0.1), (theirs, 51.0, 0.1 + 1e-9)):
        results.put("probe-a", 1, {"top1": [near, top1]})
    theirs.put("probe-a", 2, {"top1": [7.0]})
    taken = take(target.store, offers(full.store))
    (line,) = taken.other
    assert "has other results computed from it here (probe 50 here, 51 there (top1.1)); what is here is kept" in line
    assert not taken.same and len(taken.new) == 3
    assert [ours.get("probe-a", question, lambda x: x["top1"][-1]) for question in (1, 2)] == [50.0, 7.0]


def test_a_file_that_holds_no_results_is_left_out(full: Shelf, target: Shelf) -> None:
    """A number beyond all floats has no checksum."""
    carried(packed(full), target)
    seal = file_checksum(full.folder(full.loner) / "record.json")
    (full.folder(full.loner) / "probe-a.json").write_text(f'{{"of": "{seal}", "answers": [1e999], "sha256": ""}}')
    taken = take(target.store, offers(full.store))
    assert len(taken.same) == 4 and not (target.folder(full.loner) / "probe-a.json").exists()


def test_the_newer_note_wins_and_what_was_cleared_stays_cleared(full: Shelf, target: Shelf) -> None:
    put(full.folder(full.loner), "first")
    carried(packed(full), target)
    ours, theirs = full.folder(full.loner), target.folder(full.loner)
    put(theirs, "")  # cleared there, after the archive was written
    carried(full.store.root.parent / "runs.tar", target)
    take(target.store, offers(full.store))
    assert note(theirs) == "" and note(ours) == "first"
    put(ours, "second")
    take(target.store, offers(full.store))
    assert note(theirs) == "second"
    put(theirs, "third")
    take(full.store, offers(target.store))
    assert note(ours) == "third"
    put(theirs, "")  # the clearing goes along, too
    take(full.store, offers(target.store))
    assert note(ours) == "" and (ours / "note.json").read_bytes() == (theirs / "note.json").read_bytes()
    (theirs / "note.json").write_text('{"note": "by hand"}')  # without a time, older than any other
    take(target.store, offers(full.store))
    assert note(theirs) == ""


def test_imports_at_once_wait_for_each_other(full: Shelf, target: Shelf) -> None:
    path, results = packed(full), list[Taken]()
    threads = [threading.Thread(target=lambda: results.append(carried(path, target))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((len(one.new), len(one.same), len(one.refused)) for one in results) == [(0, 4, 0)] * 3 + [(4, 0, 0)]


def test_a_run_that_was_trained_while_folders_were_listed_is_kept(
    full: Shelf, target: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(full)
    assert len(carried(path, target).new) == 4
    monkeypatch.setattr(Store, "folders", lambda self: [])
    assert len(carried(path, target).same) == 4


def test_a_full_disk_says_what_is_there_and_how_it_goes_on(
    full: Shelf, target: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, own, count = packed(full), intake.copy, iter(range(100))

    def full_disk(*arguments: Any) -> None:
        if next(count) > 8:
            raise OSError(28, "No space left on device")
        own(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(unpacking, "copy", full_disk)
        with pytest.raises(OSError, match="takes no more: No space left on device; 1 run of this command"):
            carried(path, target)
    assert len(target.store.folders()) == 1 and not list(target.store.root.glob(f"{STAGING}*"))
    assert len(carried(path, target).new) == 3
