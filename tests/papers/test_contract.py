"""A study that a script trains: its Records name it as the command line's do, and reports find it."""

from __future__ import annotations

from typing import Any

from didact.cli.studied import typed
from didact.execution import Execution
from didact.papers import train
from didact.store.store import Store
from didact.tables.page.trained import of_store

TINY: dict[str, Any] = {
    "scale": "digits",
    "data": {"per_class": 2},
    "recipe": {"epochs": 1, "learning_rate": 0.05},
    "precision": "fp32",
    "pairs": ["resnet8/resnet8"],
    "method": "kd",
    "seeds": 1,
}


def test_the_study_of_a_script_is_in_reports_of_the_whole_store(store: Store) -> None:
    study, outcome = train("crd", TINY, store, Execution())
    assert study.title.startswith("CRD") and len(outcome.records) == 2 and not outcome.failures
    said = {record.environment()["command"] for record in outcome.records.values()}
    assert said == {
        'didact study crd --scale digits --data \'{"per_class":2}\' --recipe \'{"epochs":1,"learning_rate":0.05}\' '
        "--precision fp32 --pairs '[\"resnet8/resnet8\"]' --method kd --seeds 1"
    }
    (found,) = typed(store, of_store(store), "cpu")
    assert found.name == "crd" and found.paper == study and len(found.finished) == 1


def test_a_command_that_is_given_stays(store: Store) -> None:
    _, outcome = train("crd", TINY, store, Execution(command="python mine.py"))
    assert {record.environment()["command"] for record in outcome.records.values()} == {"python mine.py"}
    assert not typed(store, of_store(store), "cpu")
