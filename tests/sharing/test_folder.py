"""A run that leaves as a folder or a tar, and comes back with the same logits."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch

from didact import plan
from didact.execution import Execution, execute
from didact.files import packed as files
from didact.files.disk import UnwritableError
from didact.files.weights import WeightsError
from didact.nets.splitting import own_state
from didact.runs.given import Given, Inputs, seen
from didact.runs.run import Run
from didact.sharing import load, pack_run
from didact.spec import RequestError
from didact.store.store import Store
from support.tiny import DATA, make

IMAGES = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
OWN = "hf:resnet+depths=1/1+embedding_size=8+hidden_sizes=8/8+layer_type=basic"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIDACT_DATA", str(tmp_path_factory.mktemp("cache")))
        records = Store(tmp_path_factory.mktemp("store"))
        execute([make("kd"), make("simkd")], records, Execution())
        yield records


def packed(store: Store, run: Run, path: Path) -> Path:
    record = store.get(run)
    assert record is not None
    pack_run(store, run, record, path)
    return path


@torch.no_grad()
@pytest.mark.parametrize("name", ["net", "net.tar"])
def test_it_comes_back_with_the_same_logits(store: Store, tmp_path: Path, name: str) -> None:
    run = make("kd")
    path = packed(store, run, tmp_path / name)
    assert torch.equal(load(path)(IMAGES), store.load(run)[0](IMAGES))
    teacher, student = plan({"net": "vgg8", "data": "digits", "teacher": {"weights": str(path)}})[0].teacher, run
    assert teacher is not None and (teacher.net, teacher.given) == (student.net, Given(sha256=seen(path)))
    assert plan({"weights": str(path), "data": "digits"})[0].net == "resnet8"


def test_a_folder_and_its_tar_are_the_same_weights(store: Store, tmp_path: Path) -> None:
    one, other = (packed(store, make("kd"), tmp_path / name) for name in ("one", "two.tar"))
    assert seen(one) == seen(other) == seen(one / "model.safetensors")
    assert packed(store, make("kd"), tmp_path / "again" / "two.tar").read_bytes() == other.read_bytes()


def test_the_card_and_the_description_hold_what_was_measured(store: Store, tmp_path: Path) -> None:
    run = make("kd")
    path = packed(store, run, tmp_path / "net")
    record = store.get(run)
    assert record is not None
    top1, card = record.final()["test_top1"], (path / "README.md").read_text()
    for text in (
        f"{top1:.2f} % top-1",
        "`resnet8`, 77,754 parameters",
        run.digest,
        "standard resnet8, seed 100",
        "didact train",
    ):
        assert text in card
    assert f"seed {run.seed}" in card and "mean (0.30" in card
    known = json.loads((path / "didact.json").read_text())
    assert known["final"]["test_top1"] == top1 and known["run"]["net"] == "resnet8"
    assert known["sha256"] == seen(path) and known["mean"] == pytest.approx([0.3053], abs=0.01)
    assert safetensors.torch.load_file(path / "model.safetensors").keys() == store.load(run)[0].state_dict().keys()
    assert sorted(p.name for p in path.iterdir()) == ["README.md", "didact.json", "model.safetensors"]


@torch.no_grad()
def test_a_network_with_its_own_inputs(store: Store, tmp_path: Path) -> None:
    first = packed(store, make("kd"), tmp_path / "first")
    run = Run(net="resnet8", data=DATA, given=Given(sha256=seen(first)), inputs=Inputs(mean=(0.5,), size=12))
    execute([run], store, Execution())
    second = packed(store, run, tmp_path / "second")
    assert seen(second) == seen(first)
    assert torch.equal(load(second)(IMAGES), store.load(run)[0](IMAGES))
    card = (second / "README.md").read_text()
    assert "| is shown | mean [0.5], size 12 |" in card
    assert "--teacher.weights FOLDER --teacher.mean 0.5 --teacher.size 12" in card


def test_a_network_that_hands_on_another_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(
        RequestError, match=r"hands on another network than resnet8: 'simkd' answers with parts of its teacher"
    ):
        packed(store, make("simkd"), tmp_path / "net")
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(store: Store, tmp_path: Path) -> None:
    for name in ("there", "there.tar"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(RequestError, match=r"output: .*there.* exists"):
            packed(store, make("kd"), tmp_path / name)
        assert (tmp_path / name).read_text() == "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="output: ") as error:
        packed(store, make("kd"), tmp_path / "file" / "net")
    assert not isinstance(error.value, UnwritableError)  # a wrong name


def test_a_full_disk_is_no_wrong_request(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, f"cannot write {path}: No space left on device")

    monkeypatch.setattr(files, "write", full)
    for name in ("net", "net.tar"):
        with pytest.raises(UnwritableError, match=r"^output: cannot write .*No space left on device$"):
            packed(store, make("kd"), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_of_what_ctrl_c_or_a_kill_ended(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(handle: int) -> None:
        raise KeyboardInterrupt

    for name in ("net", "net.tar"):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", interrupted)
            with pytest.raises(KeyboardInterrupt):
                packed(store, make("kd"), tmp_path / name)
        assert not list(tmp_path.iterdir())
    left = tmp_path / ".net.tmp" / ".model.safetensors.1.tmp"  # of a kill
    left.parent.mkdir()
    left.write_text("half")
    packed(store, make("kd"), tmp_path / "net")
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    assert {path.name for path in (tmp_path / "net").iterdir()} == {"README.md", "didact.json", "model.safetensors"}


def test_a_network_of_a_library_leaves_under_its_own_names(store: Store, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers builds the network")
    run = make("ce", net=OWN)
    execute([run], store, Execution())
    path = packed(Store(store.root, trust=True), run, tmp_path / "net")
    tensors = safetensors.torch.load_file(path / "model.safetensors")
    net = Store(store.root, trust=True).load(run)[0]
    assert tensors.keys() == own_state(net).keys() and "resnet.embedder.embedder.convolution.weight" in tensors
    with pytest.raises(RequestError, match="where you trust that code, name it: --net, in Python net="):
        load(path)
    with torch.no_grad():
        assert torch.equal(load(path, net=run.net)(IMAGES), net(IMAGES))
    with pytest.raises(RequestError, match=r"teacher\.net: say which network teaches"):
        plan({"net": "resnet8", "data": "digits", "teacher": {"weights": str(path)}})


def damaged(path: Path, name: str, data: bytes) -> Path:
    (path / name).write_bytes(data)
    return path


def test_what_is_damaged_or_something_else(store: Store, tmp_path: Path) -> None:
    path = packed(store, make("kd"), tmp_path / "net")
    whole = (path / "didact.json").read_bytes()
    for data in (b"{", b"[]", b'{"format": 1}', whole.replace(b'"format": 1', b'"format": 2'), whole.replace(b"10", b"-1")):
        with pytest.raises(WeightsError, match=r"didact\.json"):
            load(damaged(path, "didact.json", data))
    damaged(path, "didact.json", whole)
    damaged(path, "model.safetensors", (path / "model.safetensors").read_bytes()[:-9])
    with pytest.raises(WeightsError, match="damaged, truncated"):
        load(path)
    with pytest.raises(WeightsError, match=r"holds no didact\.json"):
        load(tmp_path)
    tar = packed(store, make("kd"), tmp_path / "net.tar")
    tar.write_bytes(tar.read_bytes()[:9000])
    for ask in (load, seen):
        with pytest.raises(WeightsError):
            ask(tar)
