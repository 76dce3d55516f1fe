"""What no run needs any more is found, and nothing else."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from didact.files.checked import write_json
from didact.store.notes import put
from didact.store.upkeep.claims import claimed
from didact.store.upkeep.leftovers import DAY, STAGING, clear, leftovers
from didact.store.upkeep.locks import lock_path, locked
from support.shelf import Shelf, keep, shelf
from support.tiny import make


@pytest.fixture
def full(tmp_path: Path) -> Shelf:
    return shelf(tmp_path)


def aged(path: Path, days: float) -> None:
    """Make it look as if ``path``, and all below it, was written so many days ago."""
    then = time.time() - days * DAY
    for one in (path, *path.rglob("*")):
        os.utime(one, (then, then))


def unfinished(full: Shelf, run=None) -> Path:
    folder = full.folder(run or full.loner)
    for name in ("record.json", "weights.safetensors"):
        (folder / name).unlink()
    (folder / "checkpoint.safetensors").write_bytes(b"x" * 1000)
    return folder


def kinds(full: Shelf, days: float = 30, **more: bool) -> list[str]:
    return [one.kind for one in leftovers(full.store, days, **more)]


def test_a_store_in_order_has_none(full: Shelf) -> None:
    put(full.folder(full.loner), "a note")
    (full.folder(full.loner) / "similarity.json").write_text("{}")
    before = sorted(full.store.root.rglob("*"))
    assert kinds(full, 0, verify=True) == []
    assert [path for path in sorted(full.store.root.rglob("*")) if path.name != "index.json"] == before


def test_everything_that_can_go_is_found_and_goes(full: Shelf) -> None:
    root, runs = full.store.root, full.store.root / "runs"
    finished, damaged = full.folder(full.teacher), full.folder(full.students[1])
    (finished / "checkpoint.safetensors").write_bytes(b"x" * 3000)
    (finished / "failed.json").write_text("{}")
    aged(unfinished(full), 40)
    (damaged / "metrics.jsonl").write_text("")
    (runs / f"x.{'0' * 16}.damaged-{time.time_ns() - 10**12}").mkdir()
    for name in (".spec.json.123.tmp", "note.json"):
        (finished / name).write_text("{}")
    aged(finished / ".spec.json.123.tmp", 2)
    (root / f"{STAGING}abc").mkdir()
    series = root / "answers" / "gone.0123"
    series.mkdir(parents=True)
    write_json(series / "series.json", {"teacher": "0" * 16, "label": "gone"})
    found = leftovers(full.store)
    assert sorted(one.kind for one in found) == [
        "abandoned run",
        "answers of a teacher",
        "checkpoint of a finished run",
        "damaged Record",
        "set aside",
        "stopped import",
        "temporary file",
    ]
    done = clear(full.store, found)
    assert not done.kept and done.freed == sum(one.bytes for one in found) > 4000
    assert kinds(full, 0) == [] and full.store.get(full.teacher) is not None
    assert (finished / "note.json").exists() and not damaged.exists() and not series.exists()


def test_only_an_unfinished_run_that_nobody_touches_is_abandoned(full: Shelf) -> None:
    folder = unfinished(full)
    assert kinds(full) == [] and kinds(full, 0) == ["abandoned run"]
    aged(folder, 31)
    assert kinds(full) == ["abandoned run"]
    with locked(full.store, [full.loner]):
        assert kinds(full, 0) == []
    found = leftovers(full.store)
    with locked(full.store, [full.loner]):  # between the list and the removal
        assert "another process uses it" in clear(full.store, found).kept[0]
    with claimed(full.store.root, [full.loner.digest]):
        assert "a training that is running needs it" in clear(full.store, found).kept[0]
    assert folder.exists() and clear(full.store, found).freed > 1000 and not folder.exists()


def test_what_another_process_has_changed_since_the_list_stays(full: Shelf) -> None:
    """It trains the unfinished run to its end, goes on with one, and trains a damaged one anew."""
    first, second = full.students
    folders = [unfinished(full), unfinished(full, first), full.folder(second), full.folder(full.teacher)]
    for folder in folders[:2]:
        aged(folder, 40)
    seal, weights = folders[3] / "record.json", folders[2] / "weights.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + b"x")
    (folders[3] / "checkpoint.safetensors").write_bytes(b"x")
    found = leftovers(full.store, verify=True)
    shutil.rmtree(folders[0])
    keep(full.store.root, full.loner)
    (folders[1] / "checkpoint.safetensors").write_bytes(b"y")
    weights.write_bytes(good)
    seal.unlink()
    done = clear(full.store, found)
    assert done.freed == 0 and len(done.kept) == 4
    assert all(line.endswith(": another process has changed it since it was listed") for line in done.kept)
    assert all(folder.exists() for folder in folders) and full.store.get(full.loner) is not None
    assert (folders[3] / "checkpoint.safetensors").exists()


def test_a_run_with_a_lock_that_cannot_be_tried_stays(full: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without locks nobody knows whether another process trains it."""

    def refuse(path: Path) -> None:
        raise NotImplementedError

    unfinished(full)
    with locked(full.store, [full.loner]):
        pass
    assert kinds(full, 0) == ["abandoned run"]
    lock_path(full.store.root, full.loner.digest).touch()
    monkeypatch.setattr("didact.store.upkeep.locks.if_free", refuse)
    assert kinds(full, 0) == []


def test_only_all_files_are_read_when_asked(full: Shelf) -> None:
    path = full.folder(full.loner) / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert kinds(full) == [] and kinds(full, verify=True) == ["damaged Record"]


def test_a_record_of_another_version_is_no_damage(full: Shelf) -> None:
    folder = full.folder(full.loner)
    folder.rename(folder.with_name("renamed.0123456789abcdef"))
    keep(full.store.root, make("kd", seed=77))
    assert kinds(full, 0, verify=True) == []


def test_answers_of_a_teacher_that_is_there_stay_while_its_weights_are(full: Shelf) -> None:
    series = full.store.root / "answers" / "there.0123"
    series.mkdir(parents=True)
    record = full.store.get(full.teacher)
    assert record is not None
    write_json(series / "series.json", {"teacher": full.teacher.digest, "weights": record.sums["weights.safetensors"]})
    assert kinds(full) == []
    write_json(series / "series.json", {"teacher": full.teacher.digest, "weights": "0" * 64})
    assert kinds(full) == ["answers of a teacher"]


def test_what_was_just_set_aside_is_left_alone(full: Shelf) -> None:
    (full.store.root / "runs" / f"x.{'0' * 16}.aside-{time.time_ns()}").mkdir()
    assert kinds(full) == []
