"""Trainings in bfloat16 whose last maps are smaller than a kernel end with the same weights each time."""

from __future__ import annotations

from pathlib import Path

import torch

from didact import Execution, Store, execute, plan


def test_two_trainings_of_one_run_are_equal(tmp_path: Path) -> None:
    recipe = {"precision": "bf16", "batch_size": 32}
    request = {"net": "resnet8", "data": {"name": "digits", "size": 2, "per_class": 10}, "recipe": recipe, "epochs": 2}
    weights = []
    for name in ("first", "second"):
        store = Store(tmp_path / name)
        runs = plan(request)
        assert not execute(runs, store, Execution()).failures
        weights.append(store.deployed(runs[0]).state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert all(bool(value.isfinite().all()) for value in weights[0].values())
