"""Records on disk: damage, full disks, fine-tuning and beginning from branches."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from didact.execution import Execution, execute, work
from didact.files import checked
from didact.files.checked import DamagedError, write
from didact.files.tensors import read_tensors, write_tensors
from didact.runs.build import network
from didact.runs.run import Run, Start
from didact.spec import SpecError, to_json
from didact.store.choice import chosen, entry_of
from didact.store.record import Record
from didact.store.store import Store
from support.recorded import recorded

pytestmark = pytest.mark.usefixtures("few_digits")


Tiny = Callable[..., Run]
Finished = Callable[[Run, Store], Record]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Puts a finished run into a store: trained once for the whole file."""
    shelf = Store(tmp_path_factory.mktemp("finished"))

    def put(run: Run, store: Store) -> Record:
        execute([run], shelf, Execution())
        shutil.copytree(shelf.folder(run), store.folder(run))
        return execute([run], store, Execution()).records[run.digest]

    return put


@pytest.mark.parametrize("name", ["weights.safetensors", "metrics.jsonl", "spec.json", "record.json"])
@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_a_damaged_record_is_detected_and_trained_again(
    tiny: Tiny, store: Store, finished: Finished, name: str, how: str
) -> None:
    run = tiny("ce")
    record = finished(run, store)
    before = record.weights()[0]
    path = record.folder / name
    data = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data if how == "flip" else data[: len(data) // 2])
    said: list[str] = []
    again = execute([run], Store(store.root, said.append), Execution()).records[run.digest]
    assert all(torch.equal(before[k], v) for k, v in again.weights()[0].items())
    if (name, how) != ("record.json", "gone"):  # without its seal it is not a Record, just an unfinished run
        assert "damaged" in said[0]
        assert any(".damaged-" in folder.name for folder in (store.root / "runs").iterdir())


def test_looking_at_a_damaged_record_moves_nothing(tiny: Tiny, store: Store, finished: Finished) -> None:
    run = tiny("ce")
    folder = finished(run, store).folder
    (folder / "weights.safetensors").write_bytes(b"x")
    said: list[str] = []
    with pytest.raises(SpecError, match=r"fits no finished run .*damaged: .*weights\.safetensors is not what was written"):
        chosen(Store(store.root), run.digest[:6])
    (folder / "metrics.jsonl").write_bytes(b"x")
    assert list(Store(store.root, said.append).runs()) == []
    assert "damaged" in said[0]
    for needs in (store.existing, store.load):  # it was trained, and is not said not to have been
        with pytest.raises(LookupError, match=r"^resnet8\S* \(\w{16}\) is damaged in "):
            needs(run)
    assert folder.exists()


def test_a_run_of_another_version_is_named(tiny: Tiny, store: Store, finished: Finished) -> None:
    run = tiny("ce")
    folder = finished(run, store).folder
    folder.rename(folder.with_name("resnet8.ce.s0.0123456789abcdef"))
    said: list[str] = []
    assert list(Store(store.root, said.append).runs()) == []
    assert "another version" in said[0]


@pytest.mark.parametrize("older", [False, True])
def test_a_run_with_a_method_of_ones_own_is_found(tiny: Tiny, store: Store, older: bool) -> None:
    run = tiny("support.owned:Noisy")
    usual = f"resnet8.support.owned-Noisy.s0.{run.digest}"
    assert store.folder(run).name == usual
    folder = recorded(
        store.root, to_json(run), "resnet8.support.owned:Noisy.s0" if older else "resnet8.support.owned-Noisy.s0"
    ).folder
    assert store.folder(run) == folder and (folder.name == usual) != older
    trusted = Store(store.root, trust=True)
    assert [listed.digest for listed, _ in trusted.runs()] == [run.digest]
    for start in ("", run.digest[:6], folder.name[:12], run.label):
        assert chosen(trusted, start)[0] == run
        assert entry_of(store, start).record.folder == folder  # not trusted: only listed


def test_a_student_does_not_begin_as_its_teacher_began(tiny: Tiny) -> None:
    teacher, other = tiny("ce", seed=0), tiny("ce", seed=1)
    weight = [network(r).state_dict()["head.classifier.weight"] for r in (teacher, tiny("kd", teacher=teacher, seed=0))]
    assert not torch.equal(weight[0], weight[1])
    same = [network(r).state_dict()["head.classifier.weight"] for r in (teacher, tiny("kd", teacher=other, seed=0))]
    assert torch.equal(same[0], same[1])


def test_a_damaged_checkpoint_begins_anew(tiny: Tiny, store: Store) -> None:
    run = tiny("ce")
    folder = store.folder(run)
    folder.mkdir(parents=True)
    (folder / "checkpoint.safetensors").write_bytes(b"not what was written")
    said: list[str] = []
    assert run.digest in execute([run], Store(store.root, said.append), Execution()).records
    assert "damaged" in said[0]


def test_weights_carry_their_checksum_and_no_code(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.arange(5.0), "b": torch.ones(2, 3, dtype=torch.bfloat16)}, {"epoch": 3})
    tensors, values = read_tensors(path)
    assert values == {"epoch": 3}
    assert torch.equal(tensors["a"], torch.arange(5.0))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # the last byte of a tensor: the file still opens
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="checksum"):
        read_tensors(path)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write(path, b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checked.os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*No space left.*kept before is intact"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_record_says_what_it_is(tiny: Tiny, store: Store) -> None:
    run = tiny({"name": "sftn", "student": "resnet8"})
    record = execute([run], store, Execution()).records[run.digest]
    assert json.loads((record.folder / "images.json").read_text())["train"]["images"] == 60
    assert len(json.loads((record.folder / "images.json").read_text())["train"]["index"]) == 60
    assert record.environment()["torch"] == torch.__version__
    row = record.final()
    assert row["epoch"] == 2
    assert set(row["terms"]) == {"teacher_ce", "branch_kl", "branch_ce"}
    assert {"test_top1", "test_top5", "train_top1", "train_top5", "test_branch1_top1", "test_branch2_top1"} <= set(row)
    assert {"seconds", "images_per_second", "lr", "loss"} <= set(row)
    deployed = store.deployed(run)
    assert deployed.state_dict().keys() == network(run).state_dict().keys()  # no branches
    assert deployed(torch.zeros(1, 1, 16, 16)).shape == (1, 10)


def test_a_validation_split_is_measured_and_recorded(tiny: Tiny, store: Store) -> None:
    from didact.data import Data

    run = tiny("ce", data=Data(name="digits", per_class=6, validation=0.5))
    record = execute([run], store, Execution()).records[run.digest]
    assert "validation_top1" in record.final()
    assert len(json.loads((record.folder / "images.json").read_text())["validation"]["index"]) == 30


def test_fine_tuning_begins_with_the_trained_teacher(tiny: Tiny, store: Store) -> None:
    standard = tiny("ce", seed=100)
    tuned = tiny({"name": "sftn", "student": "resnet8"}, start=Start(run=standard))
    answer = execute([tuned], store, Execution())
    assert {standard.digest, tuned.digest} <= set(answer.records)


def test_a_student_can_begin_with_its_teachers_branch(tiny: Tiny, store: Store) -> None:
    teacher = tiny({"name": "sftn", "student": "resnet8"})
    student = tiny("kd", teacher=teacher, start=Start(run=teacher, part="branches.0.net"))
    execute([student], store, Execution())
    from didact.runs.build import begin

    net = network(student)
    record = store.get(teacher)
    assert record is not None
    fresh = {k: v.clone() for k, v in net.state_dict().items()}
    begin(net, record.weights()[0], "branches.0.net")
    moved = {k.split(".")[0] + "." + k.split(".")[1] for k, v in net.state_dict().items() if not torch.equal(v, fresh[k])}
    assert moved == {"blocks.2", "blocks.3", "head.classifier"}  # stem and block 1 have no counterpart in a branch


def test_a_start_that_does_not_fit_is_refused_before_training(tiny: Tiny, store: Store) -> None:
    with pytest.raises(ValueError, match="do not fit this network"):
        execute([tiny("ce", net="resnet14", start=Start(run=tiny("ce")))], store, Execution())
    with pytest.raises(ValueError, match=r"no part 'branches\.0\.net'"):
        execute([tiny("ce", start=Start(run=tiny("ce", seed=5), part="branches.0.net"))], store, Execution())


def test_large_memory_is_told_of_before_training(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "LARGE", 1000)
    said: list[str] = []
    store = Store(tmp_path / "store", said.append)
    run = tiny({"name": "crd", "negatives": 8})
    execute([run], store, Execution())
    told = [line for line in said if "remembers" in line]
    assert len(told) == 1
    assert "crd" in told[0]
    assert told[0].endswith("MiB beside its network: bank_s, bank_t")
    assert run.digest in told[0]
