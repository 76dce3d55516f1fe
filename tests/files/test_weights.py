"""Files of weights of any origin: what is found in them, and what is refused."""

import argparse
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from didact.files.weights import WeightsError, candidates, checksum


def state() -> dict[str, torch.Tensor]:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).state_dict()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".tar", ".safetensors", ".bin"])
def test_a_state_dict_in_any_kind_of_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(state(), path)
    else:
        torch.save(state(), path)
    assert candidates(path)[""].keys() == state().keys()


def test_the_older_format_of_torch(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "net.pth", _use_new_zipfile_serialization=False)
    assert candidates(tmp_path / "net.pth")[""].keys() == state().keys()


@pytest.mark.parametrize("wrapper", ["model", "state_dict", "net", "model_state"])
def test_a_network_beside_other_things(tmp_path: Path, wrapper: str) -> None:
    wrapped = {f"module.{key}": value for key, value in state().items()}
    optimiser = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1, momentum=0.9).state_dict()
    options = argparse.Namespace(dataset="cifar100", lr=0.05)
    accuracy = {"best_acc": torch.tensor(79.4), "accuracy": np.float64(79.4), "top5": np.float32(94.0)}
    torch.save({"epoch": 240, wrapper: wrapped, "optimizer": optimiser, "opt": options, **accuracy}, tmp_path / "net.pth")
    found = candidates(tmp_path / "net.pth")
    assert found[f"{wrapper}.module"].keys() == state().keys()


def test_what_a_counter_of_operations_leaves_is_no_weight(tmp_path: Path) -> None:
    torch.save({**state(), "total_ops": torch.zeros(1), "0.total_params": torch.zeros(1)}, tmp_path / "net.pth")
    assert candidates(tmp_path / "net.pth")[""].keys() == state().keys()


def test_a_checksum_is_of_the_content_and_follows_a_change(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes((tmp_path / "a.pth").read_bytes())
    first = checksum(tmp_path / "a.pth")
    assert first == checksum(tmp_path / "b.pth") and len(first) == 64
    torch.save({"more": torch.zeros(9), **state()}, tmp_path / "a.pth")
    assert checksum(tmp_path / "a.pth") != first


class Code:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch ran",)


def refused(path: Path, words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        candidates(path)


def test_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": state(), "more": Code()}, "net.pth")
    refused(Path("net.pth"), r"more than tensors and plain values \(.*system\).*would run code.*torch\.save")
    Path("net.pkl").write_bytes(pickle.dumps({"model": Code()}))
    refused(Path("net.pkl"), "would run code|no file of weights")
    torch.save(nn.Linear(1, 1), "whole.pth")
    refused(Path("whole.pth"), r"torch\.nn\.modules\.linear\.Linear.*save its state dict alone")
    assert not Path("ran").exists()


@pytest.mark.parametrize("kept", [0, 1, 8, 9, 40, 0.5, 0.99])
@pytest.mark.parametrize("name", ["net.pth", "old.pth", "net.safetensors"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    path = tmp_path / name
    if name == "net.safetensors":
        safetensors.torch.save_file(state(), path)
    else:
        torch.save(state(), path, _use_new_zipfile_serialization=name == "net.pth")
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    refused(path, rf"{name} is damaged, truncated or no file of weights")


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_torchscript_archive_is_named_with_its_way_out(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 3), torch.zeros(1, 2)), path)
    refused(path, r"net\.pt is a TorchScript archive, .*save its state dict alone: torch\.save\(torch\.jit\.load\(FILE\)")
    torch.save(torch.jit.load(path).state_dict(), tmp_path / "state.pth")  # as the message says
    assert set(candidates(tmp_path / "state.pth")[""]) == {"weight", "bias"}


def test_the_reason_of_the_reader_is_one_whole_sentence(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(state(), path)
    path.write_bytes(path.read_bytes()[:600])
    refused(path, r"is damaged, truncated or no file of weights \(RuntimeError: [^.]*central directory\)$")


def test_what_is_no_file_of_weights(tmp_path: Path) -> None:
    refused(tmp_path, r"is a folder without model\.safetensors; write the path of a file")
    refused(tmp_path / "missing.pth", "does not exist")
    os.mkfifo(tmp_path / "pipe.pth")
    refused(tmp_path / "pipe.pth", "is no ordinary file")
    (tmp_path / "text.pth").write_text("a text that is long enough to be anything\n" * 9)
    refused(tmp_path / "text.pth", "is damaged, truncated or no file of weights")
    torch.save({"epoch": 3, "acc": 1.0}, tmp_path / "empty.pth")
    refused(tmp_path / "empty.pth", r"holds no tensors by name \(found: epoch, acc\)")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    refused(tmp_path / "list.pth", r"holds no tensors by name \(found: list\)")
    for path in (tmp_path, tmp_path / "missing.pth", tmp_path / "pipe.pth"):
        with pytest.raises(WeightsError):
            checksum(path)
