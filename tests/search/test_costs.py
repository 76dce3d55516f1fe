"""The search for students: limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from didact.deploy.catalogue import DEVICES
from didact.deploy.device import Device
from didact.deploy.fit import footprint
from didact.nets import create
from didact.nets.blocks import macs, parameters
from didact.search.costs import Costs, SearchSettings, weights
from didact.search.pareto import ParetoFront
from didact.search.search import search
from didact.spec import SpecError, from_json
from didact.store.store import Store
from didact.tables.front import table
from support.searched import SPACE, TEACHER


@pytest.mark.slow
def test_several_limits_hold_together(trained: Path, whole: ParetoFront) -> None:
    wanted = SearchSettings(trials=96, cost="bytes", bits=4, max_parameters=9000, max_macs=700_000, max_bytes=3500)
    found = search(Store(trained), TEACHER, wanted)
    students = {one.name for one in (*found.members, *found.others)}
    everyone = [*whole.members, *whole.others]
    kept = {one.name for one in everyone if one.parameters <= 7000 and one.macs <= 700_000}  # 7000 at 4 bit: 3500 bytes
    assert students == kept and 0 < len(kept) < 96
    assert all(one.cost == -(-one.parameters // 2) for one in found.members)
    sampled = search(Store(trained), TEACHER, replace(wanted, trials=12))
    assert {one.name for one in (*sampled.members, *sampled.others)} <= kept


def test_a_device_is_a_limit(trained: Path) -> None:
    board = Device(name="board", what="a test's", memory=5000, weight_memory=8000, bits=(8,))
    costs = Costs(SearchSettings(target=board), 10, (1, 16, 16), lambda name: 0.0)
    kept = {
        "basic-4-1x4-1x16": (),  # 3,582 parameters, at most 3,072 activations
        "basic-4-1x8-1x12": ("activations",),  # 3,446 and 6,144
        "basic-4-2x4-2x16": ("weights",),  # 8,558 and 3,072
        "basic-8-1x8-2x16": ("weights",),  # 9,874 and 6,144: the weights alone are enough to say no
    }
    for name, lacking in kept.items():
        need = footprint(create(name, 10, 1), (1, 16, 16))
        has = {"weights": need.parameters, "activations": need.peak}
        most = {"weights": 8000, "activations": 5000}
        told = [("board", has[what], most[what], f"{what} at 8 bit") for what in lacking]
        assert [(one.limit, one.has, one.most, one.unit) for one in costs.excess(name)] == told
    found = search(Store(trained), TEACHER, SearchSettings(trials=4, target=board))
    for one in (*found.members, *found.others):
        assert footprint(create(one.name, 10, 1), (1, 16, 16)).peak <= 5000 and one.parameters <= 8000
    with pytest.raises(SpecError, match=r"board: 100 bytes for activations at 8 bit, .* needs 3,072; write another"):
        search(Store(trained), TEACHER, SearchSettings(trials=4, target=replace(board, memory=100)))


def test_latency_is_measured_last_and_once() -> None:
    times = {"basic-4-1x4-1x8": 2.0, "basic-4-1x4-1x16": 8.0}
    measured: list[str] = []

    def time(name: str) -> float:
        measured.append(name)
        return times[name]

    costs = Costs(SearchSettings(cost="latency", max_latency=5, max_parameters=4000), 10, (1, 16, 16), time)
    assert costs.excess("basic-4-1x4-1x8") == () and costs.value("basic-4-1x4-1x8") == 2.0
    (slow,) = costs.excess("basic-4-1x4-1x16")
    assert (slow.limit, slow.has, slow.most, slow.share) == ("max_latency", 8.0, 5.0, 0.6)
    (large,) = costs.excess("basic-8-1x8-2x16")
    assert large.limit == "max_parameters" and measured == list(times)


def test_the_latency_of_a_student(trained: Path) -> None:
    found = search(Store(trained), TEACHER, SearchSettings(trials=3, cost="latency", max_latency=10_000))
    assert all(one.latency is not None and 0 < one.latency == one.cost for one in found.members)
    assert search(Store(trained), TEACHER, SearchSettings(trials=3, cost="latency", max_latency=10_000)) == found


def test_the_latency_of_a_students_file(trained: Path) -> None:
    for library in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(library, reason="the extra onnx is not installed")
    settings = SearchSettings(trials=2, cost="latency", runtime="onnx", bits=8)
    found = search(Store(trained), TEACHER, settings)
    assert all(one.latency is not None and 0 < one.latency == one.cost for one in found.members)
    assert "ms for one image, ONNX Runtime" in table(found, TEACHER, []).columns


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"runtime": "onnx"}, "runtime: measures latencies; write --cost latency or --max-latency, too"),
        ({"runtime": "onnx", "cost": "latency", "bits": 4}, "bits: files have 8 or 32, found 4"),
    ],
)
def test_files_that_there_are_not(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        from_json(SearchSettings, settings)


@pytest.mark.parametrize("trials", [20, 96])
def test_what_no_student_keeps_to(trained: Path, trials: int) -> None:
    store, smallest = Store(trained), create(SPACE.smallest, 10, 1)
    has, work = parameters(smallest), macs(smallest, (1, 16, 16))
    with pytest.raises(SpecError) as error:
        search(store, TEACHER, SearchSettings(trials=trials, max_parameters=100, max_macs=200))
    assert SPACE.smallest in str(error.value)
    assert f"max-parameters: at most 100 parameters, {SPACE.smallest} has {has:,}; write {has} or more" in str(error.value)
    assert f"max-macs: at most 200 multiply-accumulates, {SPACE.smallest} has {work:,}; write {work} or more" in str(
        error.value
    )
    found = search(store, TEACHER, SearchSettings(trials=trials, max_parameters=has, max_macs=work))
    assert [one.name for one in found.members] == [SPACE.smallest] and not found.others
    with pytest.raises(SpecError, match=rf"max-bytes: at most 1,000 bytes at 32 bit, .* has {weights(has, 32):,}"):
        search(store, TEACHER, SearchSettings(trials=trials, max_bytes=1000, bits=32))
    with pytest.raises(SpecError, match=r"max-latency: at most 0\.0001 ms for one image on this machine"):
        search(store, TEACHER, SearchSettings(trials=20, max_latency=0.0001))


def test_a_device_that_does_not_compute_so() -> None:
    device = next(one for one in DEVICES if one.name == "edge-tpu")
    with pytest.raises(ValueError, match="bits: edge-tpu computes in 8 bit, not in 32; write 8"):
        SearchSettings(target=device, bits=32)
