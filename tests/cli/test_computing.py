"""``didact train`` and ``didact study`` have the same options of how runs are computed."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from didact.cli.commands import app
from didact.cli.computing import Computing
from didact.execution import Execution
from didact.execution.executors.workers import Workers
from didact.store.answers.series import Keep

WORDS = (
    "--compile --deterministic --test-every 3 --capture auto --streams --cohort-size 4 --workers 2 --keep-features "
    "--answers-limit 1GB --decoders 5"
)


def computing(command: str, words: str) -> Computing:
    _, bound, _ = app.parse_args([*command.split(), *words.split()], exit_on_error=False, print_error=False)
    return bound.arguments["computing"]


@pytest.mark.parametrize("command", ["train --net resnet8", "study crd --scale small"])
def test_every_option_is_taken(command: str) -> None:
    found = computing(command, WORDS).execution("cpu")
    assert found == Execution(
        device="cpu",
        compiled=True,
        deterministic=True,
        test_every=3,
        capture="auto",
        streams=True,
        cohort_size=4,
        executor=Workers(count=2),
        keep=Keep(features=True, limit=10**9),
        decoders=5,
    )


@pytest.mark.parametrize("command", ["train", "study"])
def test_the_usual_ones_are_those_of_an_execution(command: str) -> None:
    names = {name for one in app[command].assemble_argument_collection() for name in one.names}
    assert {f"--{field.name.replace('_', '-')}" for field in fields(Computing)} <= names
    found: Any = Computing().execution("cpu")
    assert found == Execution(executor=found.executor) and type(found.executor).__name__ == "Here"
