"""Weights from files: what a Run holds of them, and what is refused before training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from didact.files.weights import WeightsError
from didact.nets import create
from didact.runs.build import beginning
from didact.runs.dry_run import check
from didact.runs.given import _PLACES, Given, Inputs, last_place, load, seen, tensors
from didact.runs.labels import row_label, teacher_label
from didact.runs.run import Run, Start
from didact.spec import SpecError, from_json, to_json
from support import elsewhere
from support.tiny import DATA, RECIPE, make

Saved = Callable[..., Path]


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Saved:
    """Saves a state dict, of a resnet8 of digits where none is given, in a cache folder of the test's own."""
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "cache"))

    def save(state: dict[str, torch.Tensor] | None = None, name: str = "net.pth", classes: int = 10) -> Path:
        torch.save(state or network(classes).state_dict(), tmp_path / name)
        return tmp_path / name

    return save


def network(classes: int = 10) -> elsewhere.ResNet:
    net = elsewhere.ResNet((16, 16, 32, 64), (1, 1, 1), classes, channels=1)
    elsewhere.settled(net)
    return net


def given(path: Path, **fields: object) -> Run:
    return Run(net="resnet8", data=DATA, given=from_json(Given, {"sha256": seen(path)} | fields))


def test_a_run_holds_the_checksum_and_no_path(saved: Saved, tmp_path: Path) -> None:
    path = saved()
    run = given(path)
    moved = path.rename(tmp_path / "moved.pth")
    assert given(moved).digest == run.digest
    sum_ = seen(moved)
    _PLACES.clear()  # as in another process
    assert last_place(sum_) == moved
    assert "net.pth" not in str(to_json(run)) and from_json(Run, to_json(run)) == run
    assert (run.epochs, run.needed) == (0, ()) and run.label == f"resnet8.given-{seen(moved)[:6]}.s0"
    assert given(moved, outputs=list(range(10))).digest != run.digest


def test_runs_without_files_have_the_digests_they_had() -> None:
    assert not {"given", "inputs"} & to_json(make()).keys()
    start = to_json(Start(run=make()))
    assert start.keys() == {"run", "part"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seed": 3}, "seed: a network with weights from a file is not trained"),
        ({"recipe": RECIPE}, "recipe: a network with weights"),
        ({"method": make("kd").method, "teacher": make()}, "method: a network with weights"),
        ({"start": Start(run=make())}, "start: a network with weights"),
    ],
)
def test_a_network_that_is_not_trained_has_nothing_that_says_how(fields: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        Run(net="resnet8", data=DATA, given=Given(sha256="0" * 64), **fields)  # type: ignore[arg-type]


def test_what_cannot_be_meant() -> None:
    for sum_ in ("0" * 63, "g" * 64, ""):
        with pytest.raises(SpecError, match="sha256"):
            Given(sha256=sum_)
    with pytest.raises(SpecError, match="3 is there twice"):
        Given(sha256="0" * 64, outputs=(1, 3, 3))
    with pytest.raises(ValueError, match="from a run or from a file"):
        Start()
    with pytest.raises(ValueError, match="from a run or from a file"):
        Start(run=make(), file=Given(sha256="0" * 64))
    with pytest.raises(SpecError, match="std"):
        Inputs(std=(0.0,))


@torch.no_grad()
def test_weights_and_chosen_outputs_give_the_same_logits(saved: Saved) -> None:
    images = torch.randn(3, 1, 8, 8)
    net = network(12)
    outputs = [11, 3, 0, 1, 2, 4, 5, 6, 7, 8]
    run = given(saved(net.state_dict()), outputs=outputs)
    assert check(run) == []
    torch.testing.assert_close(beginning(run).eval()(images), net(images)[:, outputs])


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (None, r"12 outputs, and the data have 10 classes; say which stand for them.*teacher\.outputs"),
        ([1, 2], "2 numbers for 10 classes"),
        ([*range(9), 12], "12 is not there; the outputs are 0 to 11"),
    ],
)
def test_outputs_that_are_not_the_classes(saved: Saved, outputs: list[int] | None, words: str) -> None:
    with pytest.raises(SpecError, match=rf"resnet8\.given-.*net\.pth.*{words}"):
        check(given(saved(classes=12), outputs=outputs))
    with pytest.raises(SpecError, match="7 outputs, and the data have 10 classes; so it cannot tell"):
        check(given(saved(classes=7)))


def test_a_student_gets_a_fresh_last_layer_for_other_classes(saved: Saved) -> None:
    net = network(12)
    run = make(start=Start(file=Given(sha256=seen(saved(net.state_dict())))))
    assert check(run) == ["net.pth: its last layer has 12 outputs; resnet8 gets a fresh one for 10 classes"]
    begun, fresh = beginning(run).state_dict(), beginning(make()).state_dict()
    assert torch.equal(begun["stem.0.weight"], net.conv1.weight)
    assert torch.equal(begun["head.classifier.weight"], fresh["head.classifier.weight"])
    assert run.digest != make().digest


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite(saved: Saved, bad: float) -> None:
    state = network().state_dict()
    state["layer1.0.conv1.weight"][0, 0, 0, 1] = bad
    with pytest.raises(SpecError, match=r"blocks\.1\.body\.0\.branch\.0\.weight has 1 values? that (is|are) not finite"):
        check(given(saved(state)))


def test_other_kinds_of_numbers(saved: Saved) -> None:
    state = network().state_dict()
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    run = given(saved(half))
    assert check(run) == ["net.pth: float16 becomes float32"]
    assert beginning(run).state_dict()["stem.0.weight"].dtype == torch.float32
    whole = {key: value.to(torch.int8) for key, value in state.items()}
    with pytest.raises(SpecError, match=r"is of int8, and float32 is needed; save weights that are not quantised"):
        check(given(saved(whole, "whole.pth")))


def test_names_that_nobody_knows_are_said(saved: Saved) -> None:
    state = {f"{i}.{key.rpartition('.')[2]}": value for i, (key, value) in enumerate(network().state_dict().items())}
    assert check(given(saved(state))) == ["net.pth: its names are not known; resnet8 takes its tensors by order and shape"]


def test_a_file_that_changes_moves_or_was_never_seen(saved: Saved) -> None:
    path = saved()
    run = given(path)
    saved(network(12).state_dict())
    with pytest.raises(SpecError, match=r"net\.pth has changed: its checksum is .*ask again"):
        check(run)
    path.unlink()
    with pytest.raises(SpecError, match=r"net\.pth does not exist"):
        check(run)
    with pytest.raises(WeightsError, match="has not been seen on this machine"):
        tensors(create("resnet8", 10, 1), "resnet8", Given(sha256="0" * 64), 10, fresh=False)


def test_another_network_is_told(saved: Saved) -> None:
    run = Run(net="resnet14", data=DATA, given=Given(sha256=seen(saved())))
    with pytest.raises(SpecError, match=r"missing: layer1\.1\.conv1\.weight.*they fit resnet8"):
        check(run)


def test_statistics_for_each_channel(saved: Saved) -> None:
    file = Given(sha256=seen(saved()))
    with pytest.raises(SpecError, match="mean: found 3, and the images have 1; one number a channel"):
        check(Run(net="resnet8", data=DATA, given=file, inputs=Inputs(mean=(0.1, 0.2, 0.3))))
    run = Run(net="resnet8", data=DATA, given=file, inputs=Inputs(mean=(0.1,), size=16))
    assert check(run) == []
    assert row_label(run) == f"given {file.sha256[:6]} (mean=0.1, size=16)"
    assert teacher_label(run) == f"given {file.sha256[:6]} (own inputs) resnet8"  # a heading
    chosen = replace(run, given=replace(file, outputs=(1, 0)))
    assert teacher_label(chosen) == f"given {file.sha256[:6]} (own inputs and outputs) resnet8"
    assert "stem.0.scale" in beginning(run).state_dict()


def test_a_network_of_ones_own_takes_weights_by_name(saved: Saved) -> None:
    from support import plain

    model = plain.vgg()
    from didact.nets import split

    net = split(model, (3, 32, 32))
    file = Given(sha256=seen(saved({f"module.{key}": value + 1 for key, value in model.state_dict().items()})))
    load(net, "plain:vgg", file, plain.CLASSES, fresh=False)
    assert torch.equal(
        next(iter(model.state_dict().values())), torch.load(saved(model.state_dict(), "other.pth"))["0.weight"]
    )
