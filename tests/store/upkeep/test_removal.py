"""Runs are removed as a whole, teachers only when told, and nothing that a training uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from didact.files.sizes import size
from didact.method import Method
from didact.runs.groups import Peer
from didact.runs.run import Run
from didact.spec import choose
from didact.store.upkeep import removal
from didact.store.upkeep.claims import claimed, claims, upkeep
from didact.store.upkeep.locks import locked
from didact.store.upkeep.removal import Member, members, needers, remove, with_needers
from support.shelf import Shelf, keep, shelf
from support.tiny import make


@pytest.fixture
def full(tmp_path: Path) -> Shelf:
    return shelf(tmp_path)


def member(full: Shelf, run: Run) -> Member:
    return next(one for one in members(full.store) if one.digest == run.digest)


def test_a_teacher_is_needed_by_its_students_until_they_go_with_it(full: Shelf) -> None:
    all_ = members(full.store)
    teacher, student = member(full, full.teacher), member(full, full.students[0])
    assert {one.digest for one in needers([teacher], all_)[full.teacher.digest]} == {s.digest for s in full.students}
    assert not needers([student], all_) and not needers([member(full, full.loner)], all_)
    assert len(needers([teacher, student], all_)[full.teacher.digest]) == 1
    assert len(with_needers([teacher], all_)) == 3 and not needers(with_needers([teacher], all_), all_)


def test_a_teacher_of_an_unfinished_student_and_a_peer_are_needed(full: Shelf) -> None:
    folder = full.folder(full.students[0])
    for name in ("record.json", "weights.safetensors"):
        (folder / name).unlink()
    peer = Peer(net="resnet14", recipe=make().recipe, method=choose(Method, "dml"), seed=0)
    group = make("dml", peers=(peer,)).group
    for run in group:
        keep(full.store.root, run)
    all_ = members(full.store)
    needed = needers([member(full, full.teacher), member(full, group[0])], all_)
    assert "unfinished" in {one.state for one in needed[full.teacher.digest]}
    assert [one.digest for one in needed[group[0].digest]] == [group[1].digest]


def test_what_is_removed_is_gone_and_counted(full: Shelf) -> None:
    one = member(full, full.loner)
    bytes_ = size(one.folder)
    done = remove(full.store, [one])
    assert done.gone == (one,) and done.freed == bytes_ > 500 and not done.kept
    assert not one.folder.exists() and len(members(full.store)) == 3
    assert not list(full.store.root.glob("runs/*.aside-*"))


def test_a_run_in_training_and_one_that_a_request_needs_stay(full: Shelf) -> None:
    one, other = member(full, full.loner), member(full, full.teacher)
    with locked(full.store, [full.loner]), claimed(full.store.root, [full.teacher.digest]):
        done = remove(full.store, [one, other])
    assert not done.gone and one.folder.exists() and other.folder.exists()
    assert "being trained by another process" in done.kept[0] and "needed by a training" in done.kept[1]
    assert len(remove(full.store, [one, other]).gone) == 2


def test_an_unfinished_run_that_has_been_finished_since_it_was_listed_stays(full: Shelf) -> None:
    folder = full.folder(full.loner)
    seal = (folder / "record.json").read_bytes()
    (folder / "record.json").unlink()
    (folder / "checkpoint.safetensors").write_bytes(b"x")
    one = member(full, full.loner)
    assert one.state == "unfinished"
    (folder / "record.json").write_bytes(seal)
    done = remove(full.store, [one])
    assert not done.gone and folder.exists()
    assert done.kept == (f"{one.label} ({one.digest}) was unfinished when it was listed, and is not any more",)


def test_a_dead_request_claims_nothing(full: Shelf) -> None:
    root = full.store.root
    (root / "locks").mkdir()
    (root / "locks" / "request-0123.json").write_text('["x"]')
    with upkeep(root):
        assert claims(root) == frozenset()
    assert not list(root.glob("locks/request-*"))
    with claimed(root, ["b", "a"]), upkeep(root):
        assert claims(root) == {"a", "b"}
    assert not list(root.glob("locks/request-*"))


def test_a_kill_in_the_middle_leaves_no_half_a_record(full: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    one = member(full, full.loner)
    monkeypatch.setattr(removal.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        remove(full.store, [one])
    assert not one.folder.exists() and full.store.get(full.loner) is None
    assert len(list(full.store.root.glob("runs/*.aside-*"))) == 1 and not full.said


def test_a_link_is_removed_and_not_followed(full: Shelf, tmp_path: Path, tiny: Callable[..., Run]) -> None:
    outside = tmp_path / "outside"
    one = member(full, full.loner)
    one.folder.rename(outside)
    one.folder.symlink_to(outside)
    remove(full.store, [one])
    assert not one.folder.is_symlink() and (outside / "record.json").exists()


def test_what_another_process_has_removed_meanwhile_is_no_error(full: Shelf) -> None:
    one, other = member(full, full.loner), member(full, full.teacher)
    remove(full.store, [one])
    done = remove(full.store, [one, other])
    assert done.gone == (other,) and not done.kept
