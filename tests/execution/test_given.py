"""Networks with weights from files among the runs of a request: measured, kept, learned from, gone on from."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from didact.execution import Execution, execute
from didact.execution.given import told
from didact.execution.progress import Event, JobBegins
from didact.method import Method
from didact.nets.published import published
from didact.runs.build import network
from didact.runs.given import Given, Inputs, seen
from didact.runs.run import Run, Start
from didact.spec import RequestError, choose
from didact.store.store import Store
from support.tiny import DATA, RECIPE, make

SFTN = choose(Method, {"name": "sftn", "student": "resnet8"})
Trained = tuple[Run, dict[str, torch.Tensor]]


@pytest.fixture(autouse=True)
def small_test_set() -> None:
    """All images are tested on here: accuracies are compared."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Run]:
    """A store with a standard teacher."""
    store, run = Store(tmp_path_factory.mktemp("teacher")), make(net="resnet14")
    execute([run], store, Execution())
    return store, run


@pytest.fixture
def saved(trained: tuple[Store, Run], tmp_path: Path) -> Callable[..., Path]:
    """The teacher's weights as others would save them; ``order`` of its outputs."""
    store, run = trained

    def save(order: list[int] | None = None) -> Path:
        net = store.load(run)[0]
        names = published(net, "resnet")
        state = {names[key]: value for key, value in net.state_dict().items()}
        for key in ("fc.weight", "fc.bias"):
            state[key] = state[key][order or list(range(10))]
        torch.save({"model": state, "epoch": 2}, tmp_path / "net.pth")
        return tmp_path / "net.pth"

    return save


def given(path: Path, **fields: object) -> Run:
    return Run(net="resnet14", data=DATA, given=Given(sha256=seen(path)), **fields)  # type: ignore[arg-type]


def run_(store: Store, *runs: Run) -> list[str]:
    """Train, and return what was said and which jobs began, in order."""
    said: list[str] = []
    store.say = said.append

    def show(event: Event) -> None:
        if isinstance(event, JobBegins):
            said.append(f"begins {[run.label for run in event.runs]}")

    outcome = execute(runs, store, Execution(), show)
    assert not outcome.failures
    return said


def weights(store: Store, run: Run) -> dict[str, torch.Tensor]:
    record = store.get(run)
    assert record is not None
    return record.weights()[0]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


def test_a_student_of_a_given_teacher_is_bitwise_that_of_the_same_teacher_trained_here(
    trained: tuple[Store, Run], saved: Callable[..., Path], tmp_path: Path
) -> None:
    teachers, teacher = trained
    file = given(saved())
    ours, theirs = make("kd", teacher=teacher), make("kd", teacher=file)
    run_(teachers, ours)
    store = Store(tmp_path / "store")
    said = run_(store, theirs)
    measured = teachers.get(teacher)
    assert measured is not None
    top1 = measured.final()["test_top1"]
    assert said[0] == f"{file.label}: {top1:.2f} % of the test images of digits 6 per class are right"
    assert said[-1] == f"begins {[theirs.label]}"
    assert same(weights(teachers, ours), weights(store, theirs))
    assert same(weights(teachers, teacher), weights(store, file))
    record = store.get(file)
    assert record is not None
    assert record.final()["test_top1"] == top1 and record.final()["epoch"] == 0
    assert not list(record.folder.glob("checkpoint*"))
    assert [name for _, name in _entries(store)] == sorted([file.label, theirs.label])


def _entries(store: Store) -> list[tuple[str, str]]:
    return [(run.digest, run.label) for run, _ in store.runs()]


def test_its_record_names_the_command_that_asked_for_it(saved: Callable[..., Path], tmp_path: Path) -> None:
    store, file = Store(tmp_path / "store"), given(saved())
    execute([file], store, Execution(command="didact study crd"))
    record = store.get(file)
    assert record is not None and record.environment()["command"] == "didact study crd"


def test_the_file_is_needed_once_and_the_accuracy_is_said_again(saved: Callable[..., Path], tmp_path: Path) -> None:
    path, store = saved(), Store(tmp_path / "store")
    file = given(path)
    first = run_(store, file)
    path.unlink()
    said = run_(store, make("kd", teacher=file))
    assert [line for line in said if file.label in line] == first
    assert run_(store, make("kd", teacher=file)) == []  # all there is is there


def test_a_kill_in_the_middle_leaves_nothing_that_is_taken_for_a_record(saved: Callable[..., Path], tmp_path: Path) -> None:
    store, file = Store(tmp_path / "store"), given(saved())
    run_(store, file)
    folder, before = store.folder(file), weights(store, file)
    (folder / "record.json").unlink()
    (folder / "metrics.jsonl").write_text('{"epo')
    (folder / "weights.safetensors").unlink()
    (folder / ".spec.json.1.tmp").write_text("half")
    run_(store, file)
    assert same(before, weights(store, file)) and not (folder / ".spec.json.1.tmp").exists()
    (folder / "weights.safetensors").write_bytes(b"damaged")
    run_(store, file)
    assert same(before, weights(store, file))
    assert len([path for path in (store.root / "runs").iterdir() if ".damaged-" in path.name]) == 1


def test_outputs_in_another_order(trained: tuple[Store, Run], saved: Callable[..., Path], tmp_path: Path) -> None:
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    path, store = saved(order), Store(tmp_path / "store")
    told_ = run_(store, given(path))
    back = [order.index(label) for label in range(10)]
    right = Run(net="resnet14", data=DATA, given=Given(sha256=seen(path), outputs=tuple(back)))
    run_(store, right)
    assert same(weights(store, right), weights(*trained))
    record = store.get(given(path))
    assert record is not None
    assert record.final()["test_top1"] < record.final()["test_regrouped"]
    assert len(told_) in (1, 2)


def test_a_network_at_chance_is_warned_of_with_the_likely_cause() -> None:
    run = Run(net="resnet14", data=DATA, given=Given(sha256="0" * 64))
    assert len(told(run, {"test_top1": 90.0, "test_regrouped": 90.0}, 800)) == 1
    assert "give teacher.outputs" in told(run, {"test_top1": 9.0, "test_regrouped": 90.0}, 800)[1]
    assert "teacher.mean, teacher.std or teacher.size" in told(run, {"test_top1": 9.0, "test_regrouped": 20.0}, 800)[1]
    assert len(told(run, {"test_top1": 32.0, "test_guess": 20.0}, 100)) == 1  # by guessing: p = 0.003
    assert "chance (70.00 %)" in told(run, {"test_top1": 72.0, "test_guess": 70.0}, 100)[1]  # one class for every image
    assert "cannot be told from chance (10.00 %)" in told(run, {"test_top1": 9.0}, 800)[1]


def test_a_teacher_with_its_own_mean_and_size_teaches_and_students_see_theirs(
    saved: Callable[..., Path], tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    file = given(saved(), inputs=Inputs(mean=(0.5,), std=(0.5,), size=12))
    student = make("fitnet", teacher=file)
    run_(store, student)
    teacher = store.load(file)[0]
    images = torch.rand(2, 1, 8, 8)
    assert teacher.shapes((1, 8, 8)).features[0] == (16, 12, 12)
    from didact.data import facts

    (mean,), (std,) = facts(DATA).mean, facts(DATA).std
    plain = Run(net="resnet14", data=DATA, given=file.given)
    run_(store, plain)
    larger = torch.nn.functional.interpolate((images - 0.5) / 0.5, (12, 12), mode="bilinear")
    with torch.no_grad():
        torch.testing.assert_close(teacher((images - mean) / std), store.load(plain)[0](larger), rtol=1e-3, atol=1e-3)
    assert not any("scale" in key for key in weights(store, student))


def test_training_goes_on_from_a_file(saved: Callable[..., Path], tmp_path: Path) -> None:
    path, store = saved(), Store(tmp_path / "store")
    start = Start(file=Given(sha256=seen(path)))
    still = RECIPE.__class__(epochs=1, batch_size=16, schedule="constant", learning_rate=1e-12, weight_decay=0.0)
    runs = [make(method, net="resnet14", start=start, recipe=still) for method in ("ce", SFTN)]
    run_(store, *runs)
    file = torch.load(path)["model"]
    for run in runs:
        torch.testing.assert_close(weights(store, run)["net.stem.0.weight"], file["conv1.weight"])
        assert run.needed == ()


def test_a_file_that_changes_before_it_is_loaded_stops_before_any_training(
    saved: Callable[..., Path], tmp_path: Path
) -> None:
    path, store = saved(), Store(tmp_path / "store")
    student = make("kd", teacher=given(path))
    saved([1, 0, *range(2, 10)])
    with pytest.raises(RequestError, match=r"net\.pth has changed"):
        execute([student], store, Execution())
    assert not list((tmp_path / "store").glob("runs/*/*"))


def test_what_was_measured_is_shown_as_other_runs_are(saved: Callable[..., Path], tmp_path: Path) -> None:
    from didact.cli.show import details
    from didact.runs.labels import recipe_label, row_label, teacher_label

    store, file = Store(tmp_path / "store"), given(saved(), inputs=Inputs(size=12))
    run_(store, file)
    shown = details(store, file.digest)
    assert "recipe" not in shown["spec"] and shown["spec"]["given"] == {
        "sha256": seen(tmp_path / "net.pth"),
        "outputs": None,
    }
    assert json.dumps(shown)
    assert re.fullmatch(r"given [0-9a-f]{6} \(size=12\)", row_label(file))
    start = make("ce", net="resnet14", start=Start(file=file.given), inputs=Inputs(size=12))
    assert re.fullmatch(r"standard resnet14, from weights [0-9a-f]{6} \(size=12\)", teacher_label(start))
    assert teacher_label(file).endswith("resnet14") and recipe_label(file) == "not trained"
    assert network(file).shapes((1, 8, 8)).features[0] == (16, 12, 12)
