"""``auto`` is the faster precision by a clear margin, measured once and kept; what cannot be kept or read is measured again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pooch
import pytest
import torch

from didact.engine import precision
from didact.engine.precision import Times, best_precision, times
from didact.request.plan import plan

FILE, MEASURE = precision.file, precision.measure
"""The real ones, in place of which other tests have a file and figures of their own."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which times are kept, in a cache folder of the test's own."""
    monkeypatch.setattr(precision, "file", FILE)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    return tmp_path / "cache" / "didact" / "precision.json"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], list[Times]]:
    """Says what is measured from now on; the list grows by one with each measurement."""

    def inject(fp32: float, bf16: float) -> list[Times]:
        calls: list[Times] = []

        def one() -> Times:
            calls.append(Times(fp32, bf16))
            return calls[-1]

        monkeypatch.setattr(precision, "measure", one)
        return calls

    return inject


@pytest.mark.parametrize(
    ("fp32", "bf16", "best"),
    [(1.0, 0.5, "bf16"), (1.0, 0.9, "bf16"), (1.0, 0.95, "fp32"), (1.0, 1.0, "fp32"), (1.0, 1.4, "fp32")],
)
def test_bf16_is_taken_where_it_is_clearly_faster(
    cache: Path, measured: Callable[[float, float], list[Times]], fp32: float, bf16: float, best: str
) -> None:
    measured(fp32, bf16)
    assert best_precision("cpu") == plan({"net": "resnet8"})[0].recipe.precision == best
    assert plan({"net": "resnet8", "precision": "fp32"})[0].recipe.precision == "fp32"
    assert plan({"net": "resnet8", "precision": "bf16"})[0].recipe.precision == "bf16"


def test_one_measurement_for_a_processor_and_a_torch(
    cache: Path, measured: Callable[[float, float], list[Times]], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = measured(1.0, 0.5)
    assert times() == times() == Times(1.0, 0.5) and len(calls) == 1
    measured(1.0, 2.0)
    assert times() == Times(1.0, 0.5)  # kept: a later measurement would say otherwise
    monkeypatch.setattr(precision, "processor", lambda: "another")
    assert times() == Times(1.0, 2.0)
    assert len(json.loads(cache.read_text())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[1]",
        "[" * 100_000,
        '{"%s": 1}',
        '{"%s": {"fp32": 1.0}}',
        '{"%s": {"fp32": 1.0, "bf16": -1.0}}',
        '{"%s": {"fp32": NaN, "bf16": 1.0}}',
    ],
    ids=["empty", "torn", "list", "deep", "number", "half", "negative", "nan"],
)
def test_a_damaged_file_is_measured_again(cache: Path, measured: Callable[[float, float], list[Times]], damage: str) -> None:
    measured(1.0, 0.5)
    times()
    (machine,) = json.loads(cache.read_text())
    cache.write_text(damage % machine if "%s" in damage else damage)
    calls = measured(1.0, 2.0)
    assert times() == times() == Times(1.0, 2.0) and len(calls) == 1
    assert json.loads(cache.read_text())[machine] == {"fp32": 1.0, "bf16": 2.0}


def test_a_folder_that_cannot_be_written_is_no_error(cache: Path, measured: Callable[[float, float], list[Times]]) -> None:
    cache.parent.parent.write_text("a file where the folder would be")
    calls = measured(1.0, 0.5)
    assert times() == times() == Times(1.0, 0.5) and len(calls) == 1  # once a process


def test_a_measurement_leaves_everything_as_it_was() -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    with torch.no_grad():
        found = MEASURE()
        assert not torch.is_grad_enabled()
    assert found.fp32 > 0 and found.bf16 > 0
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
