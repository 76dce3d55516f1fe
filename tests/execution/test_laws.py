"""The laws: alone equals cohort, the teacher is frozen, same spec same Record, nothing is lost, any pair works or says why."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from didact.engine.recipe import Recipe
from didact.engine.teach import teach
from didact.execution import Execution, execute
from didact.execution.progress import Learned
from didact.files.tensors import read_tensors
from didact.method import Method, StepContext
from didact.methods.kd import KD
from didact.nets.blocks import BlockNet
from didact.runs.run import Run
from didact.spec import SpecError, spec
from didact.store.store import Store
from support.kept import Killed, same, weights
from support.training import hears

pytestmark = pytest.mark.usefixtures("few_digits")


Tiny = Callable[..., Run]
METHODS = ["ce", "kd", "fitnet", "fitnet+kd", "at", "sp", {"name": "sftn", "student": "resnet8"}]


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_alone_equals_cohort_bitwise(tiny: Tiny, tmp_path: Any, precision: str) -> None:
    """Every method, two seeds of one, and another network, all in one cohort and each for itself: the same bits."""
    recipe = Recipe(epochs=2, batch_size=16, schedule="one-cycle", precision=precision)  # type: ignore[arg-type]
    teacher = tiny(seed=100, recipe=recipe)
    runs = [tiny(m, recipe=recipe, **({"teacher": teacher} if m in METHODS[1:-1] else {})) for m in METHODS]
    runs += [tiny("kd", seed=1, recipe=recipe, teacher=teacher)]
    if precision == "fp32":
        runs.append(tiny("kd", net="basic-8-1x8-1x16-1x32", recipe=recipe, teacher=teacher))
    else:  # many times slower on processors that only emulate it
        runs = [run for run in runs if run.label.split(".")[1] not in ("fitnet", "fitnet+kd", "sp")]
    together = Store(tmp_path / "together")
    execute(runs, together, Execution(test_every=9))
    alone = Store(tmp_path / "alone")
    for run in runs:
        execute([run], alone, Execution(cohort_size=1, test_every=9))
        assert same(weights(alone, run), weights(together, run)), run.label


def test_cohort_is_really_shared(tiny: Tiny, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One teacher pass a step, however many students."""
    passes: list[int] = []

    def counted(net: Any, batch: Any, learners: Any, *others: Any) -> Any:
        passes.append(len(learners))
        return teach(net, batch, learners, *others)

    monkeypatch.setattr("didact.engine.whole.teach", counted)
    execute([tiny("kd", seed=s) for s in range(3)] + [tiny("at")], store, Execution())
    assert passes.count(4) == 2 * 4  # two epochs of four batches, four learners each


def test_the_teacher_is_frozen(tiny: Tiny, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every method, the teacher's parameters and buffers are the same bits after training, and got no gradient."""
    context: list[tuple[nn.Module, str]] = []
    original = Store.load

    def spy(self: Store, run: Run) -> tuple[BlockNet, nn.Module]:
        net, extras = original(self, run)
        context.append((net, state_hash(net)))
        return net, extras

    monkeypatch.setattr(Store, "load", spy)
    execute([tiny(m) for m in METHODS[1:-1]], store, Execution())
    assert context
    for net, before in context:
        assert state_hash(net) == before
        assert not net.training
        assert all(p.grad is None and not p.requires_grad for p in net.parameters())


def state_hash(net: nn.Module) -> str:
    total = hashlib.sha256()
    for value in net.state_dict().values():
        total.update(value.contiguous().numpy().tobytes())
    return total.hexdigest()


def test_same_spec_is_trained_once(tiny: Tiny, store: Store) -> None:
    run = tiny("kd")
    first = execute([run], store, Execution()).records[run.digest]
    stamp = (first.folder / "record.json").stat().st_mtime_ns
    trained: list[str] = []
    again = execute([tiny("kd")], store, Execution(), hears(lambda event: trained.append(event.run)))
    assert again.records[run.digest].folder == first.folder
    assert (first.folder / "record.json").stat().st_mtime_ns == stamp
    assert trained == []


def test_the_teacher_is_trained_once_for_everybody(tiny: Tiny, store: Store) -> None:
    runs = [tiny("kd"), tiny("at", seed=3), tiny("sp")]
    answer = execute(runs, store, Execution())
    assert len(answer.records) == 4
    assert len({r.teacher.digest for r in runs if r.teacher}) == 1


@pytest.mark.parametrize("method", ["fitnet+kd", {"name": "sftn", "student": "resnet8"}])
def test_killed_and_asked_again_ends_with_the_same_weights(tiny: Tiny, tmp_path: Any, method: Any) -> None:
    recipe = Recipe(epochs=3, batch_size=16, schedule="one-cycle")
    runs = [tiny(method, recipe=recipe), tiny(method, recipe=recipe, seed=1)]
    whole = Store(tmp_path / "whole")
    execute(runs, whole, Execution())
    broken = Store(tmp_path / "broken")
    killed(runs, broken, 2)
    execute(runs, broken, Execution())
    for run in runs:
        assert same(weights(whole, run), weights(broken, run))
        assert timeless(whole, run) == timeless(broken, run)


def killed(runs: list[Run], store: Store, kills: int) -> None:
    """Ask for the runs as often as they are killed: in the middle of an epoch's keeping, one learner kept, the other not."""
    for kill in range(1, kills + 1):
        count = 0

        def after(event: Learned, limit: int = kill) -> None:
            nonlocal count
            count += event.run in {run.digest for run in runs}
            if count == 2 * limit - 1:
                raise Killed

        with pytest.raises(Killed):
            execute(runs, store, Execution(), hears(after))


def timeless(store: Store, run: Run) -> list[dict[str, Any]]:
    """A run's metrics without what depends on the clock and the company."""
    record = store.get(run)
    assert record is not None
    left_out = ("seconds", "cpu_seconds", "images_per_second", "learners")
    return [{k: v for k, v in row.items() if k not in left_out} for row in record.metrics()]


@spec
class Poisoned(Method):
    """Cross entropy whose second term turns to NaN in an epoch of choice."""

    epoch: int

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None
        loss = nn.functional.cross_entropy(context.own.logits, context.batch.labels)
        bad = context.clock.epoch == self.epoch and context.clock.step == 1
        return {"fine": loss, "poison": loss * (float("nan") if bad else 0.0)}


def test_nan_stops_one_learner_and_no_other(tiny: Tiny, store: Store) -> None:
    sick, healthy = Run(net="resnet8", data=tiny().data, recipe=tiny().recipe, method=Poisoned(epoch=1)), tiny("ce")
    answer = execute([sick, healthy], store, Execution())
    assert healthy.digest in answer.records
    assert "term 'poison' was not finite from step 2" in answer.failures[sick.digest]
    assert answer.failures[sick.digest].startswith("epoch 2")
    tensors, values = read_tensors(store.folder(sick) / "checkpoint.safetensors")
    assert values["total"] == 1  # the last good state: after the first epoch
    assert all(t.isfinite().all() for t in tensors.values())
    # asked again, it says so at once; asked to retry, it goes on from the last good state
    trained: list[str] = []
    again = execute([sick], store, Execution(), hears(lambda event: trained.append(event.run)))  # type: ignore[arg-type]
    first = answer.failures[sick.digest]
    assert f"try a learning_rate below {sick.recipe.learning_rate:g} in its recipe" in first
    assert again.failures[sick.digest].startswith(f"{first} (so it was before; --retry")
    assert trained == []
    assert sick.digest in execute([sick], store, Execution(), retry=True).failures


def test_students_of_a_failed_teacher_are_not_trained(tiny: Tiny, store: Store) -> None:
    teacher = Run(net="resnet8", data=tiny().data, recipe=tiny().recipe, method=Poisoned(epoch=0))
    student = tiny("kd", teacher=teacher)
    answer = execute([student], store, Execution())
    assert "needs" in answer.failures[student.digest]
    assert teacher.digest in answer.failures


def test_what_cannot_work_says_so_before_anything_is_trained(tiny: Tiny, store: Store) -> None:
    good, bad = tiny("ce"), tiny({"name": "fitnet", "hint": 9})
    with pytest.raises(SpecError, match=r"resnet8.fitnet.*hint after block 9.*3 blocks"):
        execute([good, bad], store, Execution())
    assert not (store.root / "runs").exists()


def test_a_run_says_when_method_and_teacher_do_not_fit() -> None:
    with pytest.raises(ValueError, match="learns from a teacher and none is given"):
        Run(net="resnet8", method=KD())
    with pytest.raises(ValueError, match="reads no teacher"):
        Run(net="resnet8", teacher=Run(net="resnet8"))


def test_the_digest_says_nothing_of_the_cohort_or_the_machine(tiny: Tiny) -> None:
    assert tiny("kd").digest == tiny("kd").digest
    others = [tiny("kd", seed=1), tiny("kd", data_seed=1), tiny("kd", net="resnet14"), tiny({"name": "kd", "alpha": 0.5})]
    assert len({r.digest for r in [tiny("kd"), *others]}) == 5
    assert tiny("kd").cohort == tiny("at", seed=4).cohort
    assert tiny("kd").cohort != tiny("kd", data_seed=1).cohort


def test_data_seed_moves_the_batches_and_seed_does_not(tiny: Tiny, store: Store) -> None:
    """``seed`` covers initialisation; ``data_seed`` order and augmentation."""
    from didact import data

    dataset = data.load(tiny().data)
    first, again, other = (next(iter(data.Loader(dataset, batch_size=8, data_seed=s).epoch(0))) for s in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.index, other.index)
