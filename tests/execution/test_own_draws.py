"""What own networks and methods draw from the process's generators is the run's: the laws hold for dropout and noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from didact import Execution, Store, execute, plan
from didact.execution.progress import Learned
from support import owned
from support.kept import Killed, same, weights
from support.training import hears

TINY = {"classes": 2, "per_class": 4}


def asked(net: str, method: str = "ce", **more: Any) -> list[Any]:
    return plan(
        {
            "net": net,
            "method": method,
            "epochs": 2,
            "precision": "fp32",
            "data": {"name": "digits", **TINY},
            "recipe": {"batch_size": 4, "learning_rate": 0.02},
            **more,
        }
    )


CASES = [
    ("support.owned:dropped", "ce", {}),
    ("support.owned:always", "support.owned:Noisy", {"teacher": {"net": "support.owned:always"}}),
    ("support.owned:paths", "ce", {}),
    ("support.owned:dropped", "dml", {"peers": {"net": "support.owned:dropped"}}),
    (
        "basic-4-1x4",
        "kd",
        {"teacher": {"net": "support.owned:always"}, "route": {"name": "greedy", "anchors": 2, "threshold": 1e-9}},
    ),
]


def nearness(store: Store, run: Any) -> list[float | None]:
    record = store.get(run)
    assert record is not None
    return [row.get("anchor_kl") for row in record.metrics()]


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize(
    ("net", "method", "more"), CASES, ids=["network", "method and teacher", "stochastic depth", "peers", "route"]
)
def test_own_code_draws_the_same_alone_in_a_cohort_and_after_a_kill(
    net: str, method: str, more: dict[str, Any], tmp_path: Path
) -> None:
    runs = asked(net, method, seeds=2, **more)
    together = Store(tmp_path / "together")
    execute(runs, together, Execution())
    torch.manual_seed(5)
    killed = Store(tmp_path / "killed")

    def kill(event: Learned) -> None:
        if event.row["epoch"] == 1 and event.run == runs[0].digest:
            raise Killed

    with pytest.raises(Killed):
        execute(runs[:1], killed, Execution(test_every=9), hears(kill))
    torch.manual_seed(6)
    execute(runs[:1], killed, Execution(test_every=9))
    assert nearness(together, runs[0]) == nearness(killed, runs[0])
    assert same(weights(together, runs[0]), weights(killed, runs[0]))
    assert not same(weights(together, runs[0]), weights(together, runs[1]))


@pytest.mark.usefixtures("few_digits")
def test_a_network_that_was_edited_since_its_training_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = asked("support.owned:dropped", epochs=1)
    store = Store(tmp_path)
    execute([run], store, Execution())
    monkeypatch.setattr(
        owned, "dropped", lambda classes, channels: owned.network(classes, channels, owned.convolution(4, 4))
    )
    with pytest.raises(
        ValueError, match=r"support.owned:dropped is not the network that was trained \(first difference: blocks.2"
    ):
        store.load(run)
