"""The search for students: fronts against brute force, limits, what is kept, what is refused."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as some

from didact.data import Data, Split, load
from didact.deploy.catalogue import DEVICES
from didact.deploy.device import Device
from didact.deploy.fit import footprint
from didact.engine.recipe import Recipe
from didact.nets import create
from didact.nets.blocks import macs, parameters
from didact.nets.supernet import Choices, Pool, Space
from didact.spec import SpecError
from didact.studies import predict
from didact.studies.execute import Where, ask
from didact.studies.front import Front, Member, front
from didact.studies.limits import Costs, Search, weights
from didact.studies.predict import Predictor, kendall, pool_of, rank_correlation
from didact.studies.run import Run
from didact.studies.search import search
from didact.studies.store import Store
from didact.teaching.gtn import GTN

DATA = Data(name="digits", per_class=40, validation=0.4)
RECIPE = Recipe(epochs=8, batch_size=16, schedule="one-cycle", learning_rate=0.1)
SPACE = Space(
    kind="basic",
    stem=(4, 8),
    stages=(
        Choices(depth=(1, 2), width=(4, 8), expansion=(1.0,)),
        Choices(depth=(2, 1), width=(8, 12, 16), expansion=(0.5, 1.0)),
    ),
)  # 96 students
TEACHER = Run(net="resnet8", data=DATA, recipe=RECIPE, method=GTN(pool=SPACE, after=(0, 1)))
MEMBERS = Pool(members=("resnet8", "basic-4-1x4-1x8", "basic-4-1x4-1x16", "basic-8-1x8-2x16"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the teacher in it. Tests that count predictions copy it."""
    root = tmp_path_factory.mktemp("trained")
    assert not ask([TEACHER], Store(root), Where(test_every=8)).failures
    return root


@pytest.fixture
def fresh(trained: Path, tmp_path: Path) -> Store:
    """The trained teacher, of whose students nothing is known."""
    forgets = shutil.ignore_patterns("predicted-*", "search-*")
    return Store(shutil.copytree(trained, tmp_path / "store", ignore=forgets))


@pytest.fixture(scope="module")
def whole(trained: Path) -> Front:
    """All 96 students predicted."""
    return search(Store(trained), TEACHER, Search(trials=96))


def dominated(one: Member, students: Sequence[Member]) -> bool:
    return any(
        other.cost <= one.cost
        and other.accuracy >= one.accuracy
        and (other.cost < one.cost or other.accuracy > one.accuracy)
        for other in students
    )


def covered(members: Sequence[Member], low: float, high: float) -> float:
    """The area under a front's steps, by rising logarithm of the cost between ``low`` and ``high``."""
    edges = [math.log(one.cost / low) for one in members] + [math.log(high / low)]
    return sum(one.accuracy * (b - a) for one, a, b in zip(members, edges, edges[1:], strict=False))


# ------------------------------------------------------------------------------------------------ the front


def test_a_small_pool_is_searched_completely(whole: Front) -> None:
    students = [*whole.members, *whole.others]
    assert len(students) == len({one.name for one in students}) == whole.size == SPACE.size == 96
    assert not any(dominated(one, students) for one in whole.members)
    assert all(dominated(one, students) or _twin(one, whole.members) for one in whole.others)
    assert [one.cost for one in whole.members] == sorted(one.cost for one in whole.members)
    for one in students[::7]:
        net = create(one.name, 10, 1)
        assert (one.parameters, one.macs) == (parameters(net), macs(net, (1, 16, 16)))
        assert one.cost == one.parameters == one.bytes(8) == one.bytes(32) / 4 and one.latency is None


def _twin(one: Member, members: Sequence[Member]) -> bool:
    return any((one.cost, one.accuracy) == (other.cost, other.accuracy) for other in members)


def test_sampled_it_comes_close_to_the_whole_front(trained: Path, whole: Front) -> None:
    store = Store(trained)
    found = search(store, TEACHER, Search(trials=40))
    students = [*found.members, *found.others]
    assert len({one.name for one in students}) == len(students) == 40
    assert not any(dominated(one, students) for one in found.members)
    everyone = {one.name: one for one in (*whole.members, *whole.others)}
    assert all(everyone[one.name] == one for one in students)  # predicted the same, whichever search asks
    low, high = whole.members[0].cost, max(one.cost for one in everyone.values())
    assert found.members[0] == whole.members[0]  # the smallest is always tried
    assert covered(found.members, low, high) >= 0.97 * covered(whole.members, low, high)
    assert search(store, TEACHER, Search(trials=40, seed=1)).others != found.others


def test_it_is_the_same_every_time(fresh: Store, trained: Path) -> None:
    wanted = Search(trials=20, cost="macs", max_parameters=9000)
    assert search(fresh, TEACHER, wanted) == search(Store(trained), TEACHER, wanted)


def test_done_once_then_read(fresh: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    first = search(fresh, TEACHER, Search(trials=5), tell=lambda done, most: told.append((done, most)))
    assert told == [(done, 5) for done in range(1, 6)]
    monkeypatch.setattr(Predictor, "student", None)  # nothing is predicted any more
    assert search(fresh, TEACHER, Search(trials=5)) == first
    # another limit is another search, but the students are known
    assert search(fresh, TEACHER, Search(trials=2, max_parameters=10**9)).members[0] == first.members[0]


def test_interrupted_it_keeps_what_was_predicted(fresh: Store, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(done: int, most: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(fresh, TEACHER, Search(trials=6), tell=interrupt)
    predicted: list[str] = []
    student = Predictor.student
    monkeypatch.setattr(Predictor, "student", lambda self, name: (predicted.append(name), student(self, name))[1])
    assert search(fresh, TEACHER, Search(trials=6)) == search(Store(trained), TEACHER, Search(trials=6))
    assert len(predicted) == 2


def test_what_was_kept_of_other_weights_is_not_read(fresh: Store) -> None:
    record = fresh.get(TEACHER)
    assert record is not None
    path = record.folder / "predicted-1024.json"
    predictor = Predictor(fresh, TEACHER)
    right = predictor.accuracy(SPACE.smallest)
    path.write_text(path.read_text().replace(predictor.seal or "-", "0" * 64).replace(f"{right}", "99.0"))
    assert Predictor(fresh, TEACHER).accuracy(SPACE.smallest) == right
    path.write_text("{")
    assert Predictor(fresh, TEACHER).accuracy(SPACE.smallest) == right


@given(some.lists(some.tuples(some.integers(1, 6), some.integers(0, 6)), min_size=1, max_size=12))
def test_a_front_is_what_nobody_dominates(figures: list[tuple[int, int]]) -> None:
    students = [Member(f"{i}", float(accuracy), float(cost), cost, cost) for i, (cost, accuracy) in enumerate(figures)]
    found = front(students)
    assert {(one.cost, one.accuracy) for one in students if not dominated(one, students)} == {
        (one.cost, one.accuracy) for one in found
    }
    assert len({(one.cost, one.accuracy) for one in found}) == len(found)


def test_small_medium_large() -> None:
    def made(*figures: tuple[float, float]) -> dict[str, str]:
        members = tuple(Member(f"{cost:g}", accuracy, cost, 1, 1) for cost, accuracy in figures)
        return Front("", Search(), members, (), 1).picks

    # between 10 and 1000 the middle of the logarithm is 100: above the line by 0.5 - 0.25, 0.7 - 0.5, 0.85 - 0.75
    steps = [(10.0, 0.0), (10**1.5, 50.0), (100.0, 70.0), (10**2.5, 85.0), (1000.0, 100.0)]
    assert made(*steps) == {"s_nas": "10", "m_nas": "31.6228", "l_nas": "1000"}
    assert made(steps[0], steps[4]) == {"s_nas": "10", "l_nas": "1000"}
    assert made(steps[2]) == {"l_nas": "100"}


# ------------------------------------------------------------------------------------------------ limits


def test_several_limits_hold_together(trained: Path, whole: Front) -> None:
    wanted = Search(trials=96, cost="bytes", bits=4, max_parameters=9000, max_macs=700_000, max_bytes="3.5 kB")
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
    costs = Costs(Search(device=board), 10, (1, 16, 16), lambda name: 0.0)
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
    found = search(Store(trained), TEACHER, Search(trials=4, device=board))
    for one in (*found.members, *found.others):
        assert footprint(create(one.name, 10, 1), (1, 16, 16)).peak <= 5000 and one.parameters <= 8000
    with pytest.raises(SpecError, match=r"board: 100 bytes for activations at 8 bit, .* needs 3,072; write another"):
        search(Store(trained), TEACHER, Search(trials=4, device=replace(board, memory=100)))


def test_latency_is_measured_last_and_once() -> None:
    times = {"basic-4-1x4-1x8": 2.0, "basic-4-1x4-1x16": 8.0}
    measured: list[str] = []

    def time(name: str) -> float:
        measured.append(name)
        return times[name]

    costs = Costs(Search(cost="latency", max_latency=5, max_parameters=4000), 10, (1, 16, 16), time)
    assert costs.excess("basic-4-1x4-1x8") == () and costs.value("basic-4-1x4-1x8") == 2.0
    (slow,) = costs.excess("basic-4-1x4-1x16")
    assert (slow.limit, slow.has, slow.most, slow.share) == ("max_latency", 8.0, 5.0, 0.6)
    (large,) = costs.excess("basic-8-1x8-2x16")
    assert large.limit == "max_parameters" and measured == list(times)


def test_the_latency_of_a_student(trained: Path) -> None:
    found = search(Store(trained), TEACHER, Search(trials=3, cost="latency", max_latency=10_000))
    assert all(one.latency is not None and 0 < one.latency == one.cost for one in found.members)
    assert search(Store(trained), TEACHER, Search(trials=3, cost="latency", max_latency=10_000)) == found


@pytest.mark.parametrize("trials", [20, 96])
def test_what_no_student_keeps_to(trained: Path, trials: int) -> None:
    store, smallest = Store(trained), create(SPACE.smallest, 10, 1)
    has, work = parameters(smallest), macs(smallest, (1, 16, 16))
    with pytest.raises(SpecError) as error:
        search(store, TEACHER, Search(trials=trials, max_parameters=100, max_macs=200))
    assert SPACE.smallest in str(error.value)
    assert f"max-parameters: at most 100 parameters, {SPACE.smallest} has {has:,}; write {has} or more" in str(error.value)
    assert f"max-macs: at most 200 multiply-accumulates, {SPACE.smallest} has {work:,}; write {work} or more" in str(
        error.value
    )
    found = search(store, TEACHER, Search(trials=trials, max_parameters=has, max_macs=work))
    assert [one.name for one in found.members] == [SPACE.smallest] and not found.others
    with pytest.raises(SpecError, match=rf"max-bytes: at most 1,000 bytes at 32 bit, .* has {weights(has, 32):,}"):
        search(store, TEACHER, Search(trials=trials, max_bytes=1000, bits=32))
    with pytest.raises(SpecError, match=r"max-latency: at most 0\.0001 ms for one image on this machine"):
        search(store, TEACHER, Search(trials=20, max_latency=0.0001))


def test_a_device_that_does_not_compute_so() -> None:
    device = next(one for one in DEVICES if one.name == "edge-tpu")
    with pytest.raises(ValueError, match="bits: edge-tpu computes in 8 bit, not in 32; write 8"):
        Search(device=device, bits=32)


# ------------------------------------------------------------------------------------------------ pools that are lists


def test_a_list_is_searched_completely_and_without_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    store = Store(tmp_path)
    run = replace(TEACHER, method=GTN(pool=MEMBERS, after=(0, 1)), recipe=replace(RECIPE, epochs=1))
    assert not ask([run], store, Where()).failures
    found = search(store, run, Search(trials=1))
    assert {one.name for one in (*found.members, *found.others)} == set(MEMBERS.members)
    for one in (*found.members, *found.others):
        net = create(one.name, 10, 1)
        assert (one.parameters, one.macs) == (parameters(net), macs(net, (1, 16, 16)))
    # nobody keeps to both limits: basic-4-1x4-1x8 comes nearest
    with pytest.raises(SpecError, match="basic-4-1x4-1x8 comes nearest"):
        search(store, run, Search(max_parameters=100))


def test_without_optuna_it_says_what_to_install(fresh: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SpecError, match=r"pip install 'didact\[search\]'"):
        search(fresh, TEACHER, Search(trials=10))


# ------------------------------------------------------------------------------------------------ the prediction


def test_a_student_s_norms_are_its_own(fresh: Store) -> None:
    predictor = Predictor(fresh, TEACHER, images=50)
    name = SPACE.smallest
    net = predictor.student(name)
    _, added = fresh.load(TEACHER)
    plain = added.supernet.extract(name)  # type: ignore[union-attr]
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), net.parameters(), strict=True))
    # the statistics of the stem's norm: those of its convolution's output over 50 training images
    net.requires_grad_(False)
    images = torch.cat([batch.images for batch in predictor._batches])
    assert images.shape == (50, 1, 16, 16)
    conv, norm = (next(m for m in net.modules() if isinstance(m, kind)) for kind in (torch.nn.Conv2d, torch.nn.BatchNorm2d))
    out = torch.nn.functional.conv2d(images.double(), conv.weight.double(), padding=1).numpy()
    np.testing.assert_allclose(norm.running_mean, out.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)  # type: ignore[arg-type]
    np.testing.assert_allclose(norm.running_var, out.var((0, 2, 3), ddof=1), rtol=1e-4)  # type: ignore[arg-type]
    split = load(DATA).validation
    assert split is not None
    mean, std = (torch.tensor(v).view(1, 1, 1, 1) for v in (load(DATA).mean, load(DATA).std))
    answers = net((split.images / 255 - mean) / std).argmax(1)
    assert predictor.accuracy(name) == 100 * (answers == split.labels).sum().item() / len(split)


def test_the_test_set_is_not_looked_at(fresh: Store, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(data: Data, device: str) -> object:
        found = load(data, device)
        none = Split(found.test.images[:0], found.test.labels[:0], found.test.index[:0])
        return replace(found, test=none)

    monkeypatch.setattr(predict, "load", blind)
    assert Predictor(fresh, TEACHER).accuracy(SPACE.largest) == Predictor(Store(trained), TEACHER).accuracy(SPACE.largest)


def test_runs_that_cannot_be_searched() -> None:
    plain = replace(TEACHER, net="resnet14", method=replace(TEACHER.method, after=None))
    with pytest.raises(SpecError, match=r"ran after every block but the last .*--method.after \"\[0,1,2\]\""):
        pool_of(plain)
    with pytest.raises(SpecError, match=r"ran after the blocks \[1\] .*--method.after \"\[0,1\]\""):
        pool_of(replace(TEACHER, method=replace(TEACHER.method, after=(1,))))
    with pytest.raises(SpecError, match=r"without a validation split.*--data.validation 0.1"):
        pool_of(replace(TEACHER, data=replace(DATA, validation=0.0)))
    from didact.methods.ce import CE
    from didact.methods.kd import KD

    with pytest.raises(SpecError, match=r"no generic teacher.*train one first: didact train --net resnet8 .*--method gtn"):
        pool_of(replace(TEACHER, method=CE()))
    with pytest.raises(SpecError, match=f"its teacher {TEACHER.digest} is: ask for that"):
        pool_of(Run(net=SPACE.smallest, data=DATA, method=KD(), teacher=TEACHER))


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="has not been trained"):
        search(Store(tmp_path), TEACHER)


# ------------------------------------------------------------------------------------------------ how good it is


def test_kendall() -> None:
    assert kendall([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]) == pytest.approx((5 - 1) / 6)
    assert kendall([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]) == -1
    assert kendall([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    random = np.random.default_rng(0)
    for _ in range(20):
        x, y = random.integers(0, 5, (2, 9)).astype(float).tolist()
        assert kendall(x, y) == pytest.approx(scipy.stats.kendalltau(x, y).statistic)


def test_prediction_against_students_that_were_trained(fresh: Store) -> None:
    names = [SPACE.smallest, SPACE.largest, "basic-4-1x8-1x12"]
    brief = replace(RECIPE, epochs=1)
    students = [Run(net=name, data=replace(DATA, validation=0.0), recipe=brief) for name in names]
    others = [Run(net="resnet8", data=DATA, recipe=brief), Run(net=names[0], data=replace(DATA, per_class=5), recipe=brief)]
    predictor = Predictor(fresh, TEACHER)
    records = ask([*students[:2], *others], fresh, Where()).records
    assert rank_correlation(predictor, fresh) == []  # two students have no order to speak of
    records |= ask(students, fresh, Where()).records
    (found,) = rank_correlation(predictor, fresh)
    tested = [records[run.digest].final()["test_top1"] for run in students]
    assert found.students == 3 and found.trained.startswith("alone (ce); 1 epochs")
    assert found.tau == pytest.approx(scipy.stats.kendalltau([predictor.accuracy(name) for name in names], tested).statistic)
