"""The time of a step, from a few."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from didact.request.plan import plan
from didact.runs.run import Run
from didact.runs.step_time import step_seconds


def run(**settings: Any) -> Run:
    return plan({"net": "resnet8", "recipe": {"batch_size": 4}, **settings})[0]


@pytest.mark.parametrize(
    "settings",
    [{"method": "ce"}, {"teacher": {"net": "resnet8"}, "method": "kd"}, {"teacher": {"net": "resnet8"}, "method": "sskd"}],
    ids=["alone", "with a teacher", "with further views"],
)
def test_a_step_takes_time_and_leaves_no_trace(settings: dict[str, Any]) -> None:
    before = torch.get_rng_state()
    assert step_seconds(run(**settings), steps=1) > 0
    assert torch.equal(before, torch.get_rng_state())


def test_it_wants_a_step() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        step_seconds(run(method="ce"), steps=0)


def test_peers_are_not_timed() -> None:
    with pytest.raises(ValueError, match="without peers"):
        step_seconds(run(method="dml", peers={"net": "resnet8"}))
