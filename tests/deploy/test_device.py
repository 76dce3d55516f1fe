"""The catalogue, and devices of one's own."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from didact.deploy.catalogue import DEVICES
from didact.deploy.device import Device, choose, joined, own
from didact.spec import SpecError, from_json, to_json

MINE = {"name": "mine", "what": "a board", "memory": "320 KiB", "weight_memory": 1_000_000, "bits": [8]}


def test_every_device_of_the_catalogue_has_its_source() -> None:
    assert len(DEVICES) >= 10
    assert joined(DEVICES) == DEVICES  # no name twice
    for device in DEVICES:
        assert re.search(r"https://\S+$", device.source), device.name
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", device.date)
        assert re.fullmatch(r"[a-z0-9-]+", device.name)
        assert from_json(Device, to_json(device)) == device


def test_the_poster_s_devices() -> None:
    small, large, edge, pi = choose(["ethos-n77-1mb", "Ethos N77", "EDGE_TPU", "raspberry-pi"], DEVICES)
    assert (small.memory, large.memory, edge.memory, pi.memory) == (2**20, 4 * 2**20, 8_000_000, 2**30)
    assert not edge.executes(32) and edge.executes(8) and large.executes(16) and pi.executes(32) and pi.executes(3)


def test_choose() -> None:
    assert [device.name for device in choose(["pico-2", "edge-tpu", "pico 2"], DEVICES)] == ["pico-2", "edge-tpu"]
    with pytest.raises(SpecError, match="unknown device 'edge-tpv'; did you mean 'edge-tpu'"):
        choose(["edge-tpv"], DEVICES)
    with pytest.raises(SpecError, match="name at least one device; known: edge-tpu"):
        choose([], DEVICES)


def write(folder: Path, value: Any) -> str:
    path = folder / "my.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def test_a_file_of_one_s_own(tmp_path: Path) -> None:
    (mine,) = own(write(tmp_path, [MINE]))
    assert mine == Device(name="mine", what="a board", memory=320 * 1024, weight_memory=1_000_000, bits=(8,))
    assert own(write(tmp_path, [MINE | {"memory": "1.5 MB"}]))[0].memory == 1_500_000


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([MINE | {"memroy": 3}], r"device 1\.memroy: no such setting; did you mean 'memory'"),
        ([MINE, {"name": "b", "memory": 3}], r"device 2\.what: is missing; it has no default"),
        (
            [MINE | {"memory": "320 KB"}],
            r"device 1\.memory: a number of bytes, or a text such as '512 KiB'; units: B, kB, MB",
        ),
        ([MINE | {"memory": 0}], "memory: expected 1 or more"),
        ([MINE | {"memory": -5}], "memory: expected 1 or more"),
        ([MINE | {"bits": [64]}], r"bits\.0: expected at most 32"),
        ([MINE | {"name": ""}], "name: expected a text that is not empty"),
        ([MINE, MINE], "two devices called 'mine'"),
        (["mine"], "device 1"),
        ([], "a list of devices"),
        (MINE, "a list of devices"),
        ("{", "is not JSON"),
    ],
)
def test_a_file_with_a_fault(value: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=said):
        own(write(tmp_path, value))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"cannot read devices from .*No such file"):
        own(str(tmp_path / "none.json"))
    with pytest.raises(SpecError, match="cannot read devices from"):
        own(str(tmp_path))


def test_devices_from_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("boards_of_mine")
    board = Device(name="board", what="x", memory=5)
    module.__dict__.update(BOARD=board, BOARDS=[board], WRONG=[3], EMPTY=[])
    monkeypatch.setitem(sys.modules, "boards_of_mine", module)
    assert own("boards_of_mine:BOARD") == own("boards_of_mine:BOARDS") == (board,)
    with pytest.raises(SpecError, match="holds no 'BORDS'; did you mean 'BOARDS'"):
        own("boards_of_mine:BORDS")
    for name in ("WRONG", "EMPTY"):
        with pytest.raises(SpecError, match="should be a didact"):
            own(f"boards_of_mine:{name}")
    with pytest.raises(SpecError, match="cannot import 'no_such_module'"):
        own("no_such_module:X")


def test_a_name_that_is_taken() -> None:
    with pytest.raises(SpecError, match="two devices called 'Edge TPU'; give yours another name"):
        joined(DEVICES, [Device(name="Edge TPU", what="mine", memory=1)])
