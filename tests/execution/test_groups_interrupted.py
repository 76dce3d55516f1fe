"""A group that was killed, damaged or failed goes on, is repaired and stops together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from didact.engine.recipe import Recipe
from didact.execution import Execution, execute
from didact.method import StepContext
from didact.peers.dml import DML
from didact.runs.groups import Peer
from didact.runs.run import Run
from didact.spec import spec
from didact.store.record import Record
from didact.store.store import Store
from didact.store.writing import unfinished as storing
from didact.store.writing.unfinished import Unfinished
from support.kept import Killed, same, weights
from support.together import DATA, OTHER, RECIPE, SMALL, pair


def losses(store: Store, run: Run) -> list[dict[str, Any]]:
    record = store.get(run)
    assert record is not None, run.label
    return [{key: row[key] for key in ("epoch", "loss", "terms")} for row in record.metrics()]


@pytest.mark.parametrize(
    "where", ["row", "between", *(pytest.param(place, marks=pytest.mark.slow) for place in ("written", "finished"))]
)
def test_a_group_goes_on_together_wherever_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """One member's files are an epoch ahead of the other's, or half written; twice, so that the way back is gone once."""
    recipe = Recipe(epochs=3, batch_size=20, schedule="one-cycle")
    run = pair(DML(), (OTHER,), net=SMALL, recipe=recipe)
    whole, broken = Store(tmp_path / "whole"), Store(tmp_path / "broken")
    execute([run], whole, Execution(test_every=9))
    steps = {
        "row": (storing, "append_row"),
        "between": (storing, "write_tensors"),
        "written": (Unfinished, "keep"),
        "finished": (Unfinished, "finish"),
    }
    owner, name = steps[where]
    original = getattr(owner, name)
    after = where in ("row", "written", "finished")
    for kill in (
        (1,) if where == "finished" else (3, 1, 2)
    ):  # of the first member in its second epoch, in the next one, of the other
        count = 0

        def dying(*arguments: Any, kill: int = kill, **named: Any) -> Any:
            nonlocal count
            trained = where != "between" or arguments[2].get("total", 0) > 0  # not the beginning that is kept
            count += trained
            if count == kill and trained and not after:
                raise Killed
            done = original(*arguments, **named)
            if count == kill and trained:
                raise Killed
            return done

        monkeypatch.setattr(owner, name, dying)
        with pytest.raises(Killed):
            execute([run], broken, Execution(test_every=9))
        monkeypatch.setattr(owner, name, original)
    said: list[str] = []
    execute([run], Store(broken.root, said.append), Execution(test_every=9))
    assert said
    for member in run.group:
        assert same(weights(whole, member), weights(broken, member))
        assert losses(whole, member) == losses(broken, member)


def test_a_group_with_a_damaged_record_is_trained_again(store: Store) -> None:
    run = pair(DML(), (OTHER,), net=SMALL)
    first = execute([run], store, Execution(test_every=9)).records
    before = {member: weights(store, member) for member in run.group}
    (first[run.group[1].digest].folder / "weights.safetensors").write_bytes(b"x")
    said: list[str] = []
    records = execute([run], Store(store.root, said.append), Execution(test_every=9)).records
    assert set(records) == {member.digest for member in run.group}
    assert any("takes the whole group" in line for line in said)
    assert all(same(before[member], weights(store, member)) for member in run.group)
    assert len(list(Store(store.root).runs())) == 2  # what was moved aside is none


def test_a_record_that_only_lacks_its_seal_is_finished_without_training(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pair(DML(), (OTHER,), net=SMALL)
    finish, calls = Unfinished.finish, []

    def dying(self: Unfinished, *arguments: Any) -> Record:
        calls.append(arguments[0])
        if len(calls) == 2:
            raise Killed
        return finish(self, *arguments)

    monkeypatch.setattr(Unfinished, "finish", dying)
    with pytest.raises(Killed):
        execute([run], store, Execution(test_every=9))
    monkeypatch.setattr(Unfinished, "finish", finish)
    monkeypatch.setattr("didact.execution.work.train", None)
    assert len(execute([run], store, Execution(test_every=9)).records) == 2


@spec
class Poisoned(DML):
    """DML with a loss that is not finite in the second epoch."""

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        terms = super().terms(extras, context)
        return terms | {"ce": terms["ce"] * (float("nan") if context.clock.epoch == 1 else 1)}


def test_one_who_fails_stops_its_group_and_no_other(store: Store) -> None:
    poisoned = Peer(net=OTHER, recipe=RECIPE, method=Poisoned())  # its peer looks at nobody, and would not notice
    sick = Run(net=SMALL, data=DATA, recipe=RECIPE, peers=(poisoned,))
    healthy = pair(DML(), (OTHER,), net=SMALL)
    answer = execute([sick, healthy], store, Execution(test_every=9))
    assert all(member.digest in answer.records for member in healthy.group)
    first, second = (answer.failures[member.digest] for member in sick.group)
    assert second.startswith("epoch 2: term 'ce' was not finite from step 1 on; ")
    assert first.startswith(f"its peer {OTHER}.") and first.endswith(f"stopped in {second}")
    assert all(1 in Unfinished(store, member).kept() for member in sick.group)
    for asked in sick.group:  # asked for again, either says so at once
        again = execute([asked], store, Execution(test_every=9)).failures
        assert all("so it was before" in again[member.digest] for member in sick.group)
    assert set(execute([sick], store, Execution(test_every=9), retry=True).failures) == {
        member.digest for member in sick.group
    }
