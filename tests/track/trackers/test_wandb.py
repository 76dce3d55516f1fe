"""Runs of Weights & Biases, offline, read back from the files it writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from didact.spec import RequestError
from didact.track.choice import trackers
from support.followed import FIRST, SECOND, followed

wandb = pytest.importorskip("wandb", reason="wandb is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")


BLOCK, HEADER = 32768, 7
"""Of a .wandb file: a log as LevelDB has it, after a head of 7 bytes."""


def records(data: bytes) -> Iterator[bytes]:
    """The records of a .wandb file; one may be spread over several blocks."""
    at, whole = HEADER, b""
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def history(folder: Path) -> list[dict[str, Any]]:
    """The rows that an offline run has logged."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("*.wandb")
    rows = []
    for data in records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return rows


def test_an_offline_run_for_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")  # the environment does not send anything anywhere
    (tracker,) = trackers(["wandb"], tmp_path).values()
    assert followed(tracker) == []
    wandb.teardown()  # the process of the library has written everything
    folders = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert {folder.name.rpartition("-")[2] for folder in folders} == {FIRST.digest, SECOND.digest}
    rows = history(next(folder for folder in folders if folder.name.endswith(FIRST.digest)))
    assert [(row["_step"], row["loss"]) for row in rows] == [(1, 1.0), (2, 0.5)] and rows[1]["test_top1"] == 61.5


def test_online_needs_somebody_who_is_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb, "login", lambda **_: False)
    with pytest.raises(RequestError, match="nobody is logged in"):
        trackers(["wandb:online"], tmp_path)
