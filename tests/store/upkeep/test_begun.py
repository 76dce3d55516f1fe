"""Unfinished runs: how far each is, since when nothing was written, who is at work on it, why it failed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from didact.execution import Execution, execute
from didact.execution.progress import Event, JobBegins, Learned
from didact.files.checked import write_json
from didact.runs.run import Run
from didact.spec import to_json
from didact.store.store import Store
from didact.store.upkeep import locks
from didact.store.upkeep.begun import Begun, begun
from didact.store.upkeep.locks import locked
from support.kept import Killed
from support.recorded import recorded
from support.shelf import Shelf, keep, shelf
from support.tiny import make
from support.training import hears


@pytest.fixture
def full(tmp_path: Path) -> Shelf:
    return shelf(tmp_path)


def half(full: Shelf, run: Run, rows: int = 1) -> Path:
    """Make a finished run of the shelf an unfinished one with so many epochs behind it."""
    folder = full.folder(run)
    for name in ("record.json", "weights.safetensors"):
        (folder / name).unlink()
    (folder / "checkpoint.safetensors").write_bytes(b"x")
    lines = [json.dumps({"epoch": at + 1}) + "\n" for at in range(rows)]
    (folder / "metrics.jsonl").write_text("".join(lines) + '{"epoch": 9')  # a kill truncates the last line
    return folder


def only(store: Store) -> Begun:
    (one,) = begun(store)
    return one


def test_finished_runs_are_none(full: Shelf) -> None:
    assert list(begun(full.store)) == []


def test_a_run_that_was_killed(full: Shelf) -> None:
    folder = half(full, full.loner)
    for path in (folder, *folder.iterdir()):
        os.utime(path, (10**9, 10**9))
    one = only(full.store)
    assert (one.folder, one.digest, one.label, one.run) == (folder, full.loner.digest, full.loner.label, full.loner)
    assert (one.epoch, one.epochs, one.changed) == (1, 2, 10**9)
    assert (one.at_work, one.failure, one.state) == (False, None, "stopped")
    assert [each.digest for each in begun(full.store, full.loner.digest[:5])] == [one.digest]
    assert list(begun(full.store, full.teacher.digest)) == []


def test_a_run_that_ends_while_they_are_listed_is_none(full: Shelf) -> None:
    """It would be said to have stopped: nobody has its lock, and it had begun when the folders were read."""
    folders = [half(full, run) for run in full.students]
    listed = begun(full.store)
    first = next(listed)
    (other,) = (run for run in full.students if run.digest != first.digest)
    shutil.rmtree(full.folder(other))
    keep(full.store.root, other)
    assert list(listed) == [] and first.folder in folders


def test_a_run_that_a_process_is_at_work_on(full: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    half(full, full.loner)
    with locked(full.store, [full.loner]):
        assert (only(full.store).at_work, only(full.store).state) == (True, "in training")

    def refuse(path: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(locks, "if_free", refuse)
    assert (only(full.store).at_work, only(full.store).state) == (None, "unknown")


def test_a_run_that_failed(full: Shelf) -> None:
    folder = half(full, full.loner, rows=0)
    write_json(folder / "failed.json", {"reason": "epoch 1: term 'ce'\x1b", "run": full.loner.digest})
    one = only(full.store)
    assert (one.epoch, one.failure, one.state) == (0, "epoch 1: term 'ce'\\x1b", "failed")
    for damage in ("[]", "null", "{", '{"run": 3}'):
        (folder / "failed.json").write_text(damage)
        assert only(full.store).state == "stopped"


def test_nothing_is_built_of_code_that_is_not_trusted(tmp_path: Path) -> None:
    spec = to_json(make()) | {"net": "not_there:net"}
    folder = recorded(tmp_path, spec).folder
    (folder / "record.json").unlink()
    (folder / "checkpoint.safetensors").write_bytes(b"x")
    one = only(Store(tmp_path))
    assert (one.run, one.epoch, one.epochs, one.state) == (None, 1, 2, "stopped")
    (folder / "spec.json").write_text("[")
    (folder / "metrics.jsonl").unlink()
    assert (only(Store(tmp_path)).epochs, only(Store(tmp_path)).epoch) == (None, 0)


@pytest.mark.usefixtures("few_digits")
def test_a_run_that_goes_on_has_not_failed(store: Store) -> None:
    run = make()

    def kill(event: Learned) -> None:
        raise Killed

    with pytest.raises(Killed):
        execute([run], store, Execution(), hears(kill))
    assert (only(store).epoch, only(store).epochs, only(store).at_work) == (1, 2, False)
    write_json(store.folder(run) / "failed.json", {"reason": "epoch 2: a fault", "run": run.digest})
    assert store.failure(run) == "epoch 2: a fault"
    states: list[tuple[str, str | None]] = []

    def look(event: Event) -> None:
        if isinstance(event, JobBegins):
            states.append((only(store).state, only(store).failure))

    outcome = execute([run], store, Execution(), look, retry=True)
    assert states == [("in training", None)]
    assert run.digest in outcome.records and list(begun(store)) == []
