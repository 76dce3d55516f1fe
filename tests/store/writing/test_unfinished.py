"""A half-trained run, damaged or killed wherever it writes, goes on or begins anew, and ends with the bits of an unbroken one."""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.execution import Execution, checks, execute
from didact.execution.progress import Event, JobBegins, Learned
from didact.files import checked
from didact.files.checked import file_checksum, read_json, write_json
from didact.files.tensors import read_tensors, write_tensors
from didact.methods.kd import KD
from didact.peers.dml import DML
from didact.runs.run import Run, everything
from didact.spec import RequestError, canonical
from didact.store.store import Store
from didact.store.writing import unfinished
from didact.teaching.route import Route
from support.kept import Killed, same, weights
from support.together import pair
from support.training import hears

DATA = Data(name="digits", classes=2, per_class=4)
RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.02, schedule="one-cycle")
NET = "basic-4-1x4-1x8"
ALONE = Run(net=NET, data=DATA, recipe=RECIPE)
OTHER = Run(net=NET, data=DATA, recipe=RECIPE, seed=7)
PEERS = pair(DML(), ["basic-4-1x4-1x4"], net=NET, recipe=RECIPE, data=DATA)
ALONG = Run(net=NET, data=DATA, recipe=RECIPE, method=KD(), teacher=ALONE, route=Route(anchors=3))
WHERE = Execution(test_every=9)
JOBS = {"alone": ALONE, "peers": PEERS, "route": ALONG}


def _until(run: Run, store: Store, epochs: int) -> None:
    """Train ``run`` until a learner has ``epochs`` epochs behind it, then kill."""

    def after(event: Learned) -> None:
        if event.row["epoch"] == epochs and (not run.peers or event.run == run.group[-1].digest):
            raise Killed

    # progress is shown after the store has the epoch
    with pytest.raises(Killed):
        execute([run], store, WHERE, hears(after))


@pytest.fixture(scope="module", autouse=True)
def unchecked() -> Iterator[None]:
    """The rehearsal of runs before training takes a third of the time here. It has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "check", lambda run, memory: [])
        yield


@pytest.fixture(scope="module")
def shelves(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each job whole and half-trained, and another run half-trained: made once, copied by each test."""
    root = tmp_path_factory.mktemp("shelves")
    execute(list(JOBS.values()), Store(root / "whole"), WHERE)
    for name, run in JOBS.items():
        _until(run, Store(root / name), 2)
    _until(OTHER, Store(root / "other"), 2)
    return {path.name: path for path in root.iterdir()}


def _digit(path: Path, other: Path) -> None:
    data = bytearray(path.read_bytes())
    at = next(i for i in reversed(range(len(data))) if chr(data[i]).isdigit())
    data[at] = ord("0") + (data[at] - ord("0") + 1) % 10
    path.write_bytes(data)


def _folder(path: Path, other: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "any").touch()


def _link(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _unreadable(path: Path, other: Path) -> None:
    """A file that cannot be opened, whoever asks: for an administrator, permissions are no hindrance."""
    path.unlink()
    with (
        contextlib.chdir(path.parent),
        socket.socket(socket.AF_UNIX) as end,
    ):  # the path of a socket has room for 100 letters
        end.bind(path.name)


DAMAGES: dict[str, Callable[[Path, Path], Any]] = {
    "cut": lambda path, other: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "digit": _digit,
    "empty": lambda path, other: path.write_bytes(b""),
    "gone": lambda path, other: path.unlink(),
    "folder": _folder,
    "another run's": lambda path, other: shutil.copy(other / path.name.replace("previous", "checkpoint"), path),
    "null": lambda path, other: path.write_bytes(b"null"),
    "link": _link,
    "unreadable": _unreadable,
}
BESIDE = ["spec.json", "images.json", "environment.json", "metrics.jsonl"]
GRID = [("alone", file, damage) for file in (*BESIDE, "checkpoint.safetensors") for damage in DAMAGES]
GRID += [("peers", f"{name}.safetensors", damage) for name in ("checkpoint", "previous") for damage in DAMAGES]
GRID += [("route", "route/0001.safetensors", damage) for damage in DAMAGES if damage != "another run's"]
# by four: every file and every damage is among them
SPREAD = [case if at % 4 == 0 else pytest.param(*case, marks=pytest.mark.slow) for at, case in enumerate(GRID)]


def _ended(run: Run, store: Store, whole: Store) -> None:
    """All of the run's Records are those of an unbroken training, and hold no file of a dead process."""
    for one in everything([run]):
        assert same(weights(store, one), weights(whole, one)), one.label
        folder = store.folder(one)
        assert (folder / "spec.json").read_text() == canonical(one)
        assert (folder / "images.json").read_bytes() == (whole.folder(one) / "images.json").read_bytes()
        losses = [[row["loss"] for row in shelf.get(one).metrics()] for shelf in (store, whole)]  # type: ignore[union-attr]
        assert losses[0] == losses[1]
        names, others = (
            {path.relative_to(top).as_posix() for path in top.rglob("*")} for top in (folder, whole.folder(one))
        )
        assert names <= others and all(name.startswith("route") for name in others - names)  # a kept route is another job's
        for name in names - {"route", "environment.json", "metrics.jsonl", "record.json"}:  # these hold times
            assert file_checksum(folder / name) == file_checksum(whole.folder(one) / name), name


@pytest.mark.parametrize(("job", "file", "damage"), SPREAD)
def test_damage_is_told_and_changes_nothing(
    tmp_path: Path, shelves: dict[str, Path], job: str, file: str, damage: str
) -> None:
    run = JOBS[job]
    root = shutil.copytree(shelves[job], tmp_path / "store")
    said: list[str] = []
    store, whole = Store(root, said.append), Store(shelves["whole"])
    path = store.folder(ALONE if job == "route" else run) / file
    before = file_checksum(path)
    DAMAGES[damage](path, Store(shelves["other"]).folder(OTHER))
    changed = file_checksum(path) != before
    execute([run], store, WHERE)
    _ended(run, store, whole)
    missing_before = file == "previous.safetensors" or (job == "peers" and damage == "gone")  # a kill leaves that, too
    told = [line for line in said if line.startswith("damaged: ") and Path(file).name in line]
    assert len(told) == (1 if changed and not (missing_before and damage == "gone") else 0), said


def test_an_anchor_that_was_not_kept_is_not_believed(tmp_path: Path, shelves: dict[str, Path]) -> None:
    """Somebody else's, of an epoch after which none was kept."""
    root = shutil.copytree(shelves["alone"], tmp_path / "store")
    said: list[str] = []
    store = Store(root, said.append)
    (store.folder(ALONE) / "route").mkdir()
    strange = Store(shelves["whole"]).folder(ALONE) / "route" / "0002.safetensors"
    shutil.copy(strange, store.folder(ALONE) / "route" / "0001.safetensors")
    execute([ALONE], store, WHERE)
    assert same(weights(store, ALONE), weights(Store(shelves["whole"]), ALONE))
    assert not list((store.folder(ALONE) / "route").iterdir())
    assert any("0001.safetensors was not kept by this run" in line for line in said)


def _points(monkeypatch: pytest.MonkeyPatch, last: int) -> list[str]:
    """Die at the ``last``-th point at which a run writes: in half a file, or in half a line. Returns what was written."""
    done: list[str] = []
    write, append = checked.write, unfinished.append_row

    def dying(path: Path, data: bytes) -> None:
        done.append(path.name)
        if len(done) == last:
            path.with_name(f".{path.name}.999999.tmp").write_bytes(data[: len(data) // 2])
            raise Killed
        write(path, data)

    def torn(path: Path, row: dict[str, Any]) -> None:
        done.append(path.name)
        if len(done) == last:
            with open(path, "a") as file:
                file.write('{"epoch": 1, "lo')
            raise Killed
        append(path, row)

    for module in (checked, unfinished):
        monkeypatch.setattr(module, "write", dying)
    monkeypatch.setattr(unfinished, "append_row", torn)
    return done


KILLS = {
    "alone": ["spec.json", "metrics.jsonl", "checkpoint.safetensors", "weights.safetensors", "record.json"],
    "peers": ["metrics.jsonl", "checkpoint.safetensors", "record.json"],
    "route": ["0001.safetensors", "0002.safetensors"],
}
"""At the last time of writing which files a job is killed: the first and the last file, and what only this job has."""


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("all_points", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_killed_at_the_points_at_which_it_writes(
    tmp_path: Path, shelves: dict[str, Path], monkeypatch: pytest.MonkeyPatch, job: str, all_points: bool
) -> None:
    run, whole = JOBS[job], Store(shelves["whole"])
    with monkeypatch.context() as patch:
        written = _points(patch, 0)
        execute([run], Store(tmp_path / "count"), WHERE)
    assert len(written) >= 13
    last = {name: point for point, name in enumerate(written, 1)}
    for point in range(1, len(written) + 1) if all_points else [last[name] for name in KILLS[job]]:
        store = Store(tmp_path / str(point))
        with monkeypatch.context() as patch:
            _points(patch, point)
            with pytest.raises(Killed):
                execute([run], store, WHERE)
        execute([run], store, WHERE)
        _ended(run, store, whole)


def _tree(root: Path) -> dict[Path, str | None]:
    return {path: file_checksum(path) for path in root.rglob("*")}


@pytest.mark.parametrize("job", ["alone", "peers"])
def test_another_kind_of_device_is_refused(tmp_path: Path, shelves: dict[str, Path], job: str) -> None:
    """Before anything is trained or moved; and not on another device of the kind."""
    store = Store(shutil.copytree(shelves[job], tmp_path / "store"))
    path = store.folder(JOBS[job]) / "environment.json"
    write_json(path, read_json(path) | {"device": "cuda:1"})
    before = _tree(store.root / "runs")
    with pytest.raises(
        RequestError, match=r"was begun on cuda:1, .* cannot go on on cpu; ask again with --device cuda:1, or move "
    ):
        execute([OTHER, JOBS[job]], store, WHERE)
    assert _tree(store.root / "runs") == before
    unfinished.Unfinished(store, JOBS[job]).check_device("cuda:0")


def test_random_numbers_of_another_kind_of_device_begin_anew(tmp_path: Path, shelves: dict[str, Path]) -> None:
    """Where environment.json does not say which device it was."""
    said: list[str] = []
    store, whole = Store(shutil.copytree(shelves["alone"], tmp_path / "store"), said.append), Store(shelves["whole"])
    path = store.folder(ALONE) / "checkpoint.safetensors"
    tensors, values = read_tensors(path)
    write_tensors(path, tensors | {"random": tensors["random"][:16]}, values)
    execute([ALONE], store, WHERE)
    assert [
        line for line in said if "random numbers of another kind of device" in line and "the run is trained again" in line
    ]
    _ended(ALONE, store, whole)


def test_another_number_of_threads_is_said_and_kept(
    shelves: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each change. Peers, too, whose checkpoints are two."""
    threads = torch.get_num_threads()
    root = tmp_path / "store"
    shutil.copytree(shelves["peers"], root)
    lines: list[str] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 1)
    with pytest.raises(Killed):
        execute([PEERS], Store(root, lines.append), WHERE, _kill_at_the_beginning)
    execute([PEERS], Store(root, lines.append), WHERE)
    assert sum("another number of threads" in line for line in lines) == len(PEERS.group)
    assert not any("damaged" in line for line in lines)
    for run in PEERS.group:
        record = Store(root).get(run)
        assert record is not None
        assert record.environment()["threads"] == threads
        assert record.environment()["threads_later"] == [{"after_epoch": 2, "threads": threads + 1}]
        assert same(weights(Store(root), run), weights(Store(shelves["whole"]), run))  # in truth it is the same number


def _kill_at_the_beginning(event: Event) -> None:
    if isinstance(event, JobBegins):
        raise Killed
