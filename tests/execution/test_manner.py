"""How steps are given to a GPU: what is refused, what is said, what is written down, and that torch's settings come back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from didact.cli.main import main
from didact.data import Data, Loader, Split, load
from didact.data import split as splits
from didact.engine import updates
from didact.engine.lanes import OneLane, Streams
from didact.engine.recipe import Recipe
from didact.execution import Execution, execute, manner
from didact.execution.kernels import kernels
from didact.method import Method
from didact.runs.run import Run
from didact.spec import SpecError, digest
from didact.store.answers.series import Keep
from didact.store.store import Store
from support.kept import same, weights
from support.tape import Tapes
from support.walk import made

Tiny = Callable[..., Run]
pytestmark = pytest.mark.usefixtures("few_digits")


@pytest.mark.parametrize(
    ("execution", "message"),
    [
        (Execution(capture="on"), "capture: on records steps as CUDA graphs, and this trains on cpu"),
        (Execution(streams=True), "streams: are those of a GPU, and this trains on cpu"),
    ],
)
def test_what_a_processor_has_not_is_refused_before_training(
    tiny: Tiny, store: Store, execution: Execution, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        execute([tiny()], store, execution)
    assert not (store.root / "runs").exists()


@pytest.mark.parametrize(
    ("options", "message"), [(["--capture", "on"], "write --capture auto"), (["--streams"], "leave --streams")]
)
def test_the_command_says_so(tmp_path: Any, capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
    asked = ["train", "--net", "resnet8", "--data.per_class", "6", "--epochs", "1", "--device", "cpu"]
    assert main([*asked, "--store", str(tmp_path / "store"), *options]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_capture_is_one_of_three() -> None:
    with pytest.raises(SpecError, match="capture: off, auto or on, found 'maybe'"):
        Execution(capture="maybe")  # type: ignore[arg-type]


def test_tf32_is_another_run_and_one_of_gpus(tiny: Tiny, store: Store) -> None:
    run = tiny(recipe=Recipe(epochs=1, batch_size=16, precision="tf32"))
    assert run.digest != tiny(recipe=Recipe(epochs=1, batch_size=16)).digest
    assert digest(Recipe()) == digest(Recipe(precision="fp32"))
    with pytest.raises(SpecError, match="precision tf32 is one of GPUs, and this trains on cpu; write precision=fp32"):
        execute([run], store, Execution())
    assert manner.tf32(run, "cuda") is True
    assert manner.tf32(tiny(), "cuda:1") is False
    assert manner.tf32(tiny(), "cpu") is None


def test_why_a_step_is_not_recorded(tiny: Tiny) -> None:
    gpu = Execution(device="cuda", capture="on")
    accumulating = tiny(recipe=Recipe(epochs=1, batch_size=16, accumulate=2))
    for run, execution, reason in (
        (tiny(made("gtn")), gpu, "draws other students in every step"),
        (tiny("kdsvd"), gpu, "waits for the device"),
        (accumulating, gpu, "several batches"),
        (tiny(recipe=Recipe(epochs=1, batch_size=16, bits=8)), gpu, "8 bits"),
        (tiny("kd"), replace(gpu, keep=Keep()), "read from a disk"),
    ):
        assert reason in manner.hindrance(run, execution)
        with pytest.raises(SpecError, match=f"cannot be recorded: .*{reason}.*write --capture auto"):
            manner.check([run], execution)
    assert manner.hindrance(tiny("crd"), gpu) == ""
    manner.check([tiny("crd")], gpu)


def test_manner_of_a_cohort(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manner, "CudaGraphs", lambda device: f"graphs on {device}")
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: object())
    said: list[str] = []
    runs = [tiny("kd"), tiny("kdsvd")]
    auto = Execution(device="cuda", capture="auto", streams=True, test_every=3)
    how = manner.manner(runs, 2, auto, "cuda", said.append)
    assert how.recorder is None and isinstance(how.lanes, Streams) and how.test_every == 3
    assert len(how.lanes.streams) == 2
    assert len(said) == 1 and "kdsvd" in said[0] and "waits for the device" in said[0]
    how = manner.manner(runs[:1], 1, auto, "cuda", said.append)
    assert how.recorder == "graphs on cuda" and isinstance(how.lanes, OneLane) and len(said) == 1
    assert manner.manner(runs, 2, Execution(capture="auto"), "cpu", said.append).recorder is None
    assert len(said) == 1


def test_what_is_written_of_it(tiny: Tiny, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a processor nothing more than before."""
    run = tiny("kd")
    assert manner.circumstances([run], Execution(capture="auto")) == {}
    gpu = Execution(device="cuda", capture="auto", streams=True)
    assert manner.circumstances([run], gpu) == {"steps": "recorded as CUDA graphs", "streams": True, "float32": "ieee"}
    assert manner.circumstances([tiny("kdsvd")], gpu)["steps"] == "one operation after the other"
    monkeypatch.setattr(manner, "circumstances", lambda runs, execution: {"steps": "told"})
    store = Store(tmp_path)
    execute([tiny()], store, Execution(test_every=9))
    assert json.loads((store.folder(tiny()) / "environment.json").read_text())["steps"] == "told"


def test_recorded_runs_have_the_same_digests_and_weights(tiny: Tiny, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a whole request, with a tape in the place of the graph."""
    monkeypatch.setattr(updates, "on_device", lambda device: True)
    recipe = Recipe(epochs=2, batch_size=16, schedule="one-cycle")
    runs = [tiny("kd", recipe=recipe), tiny("crd", recipe=recipe)]
    plain, recorded, tapes = Store(tmp_path / "plain"), Store(tmp_path / "recorded"), Tapes()
    execute(runs, plain, Execution(test_every=9))
    usual = manner.manner
    monkeypatch.setattr(manner, "manner", lambda *args: replace(usual(*args), recorder=tapes))
    execute(runs, recorded, Execution(test_every=9))
    assert tapes.recorded and tapes.replayed
    for run in runs:
        assert same(weights(plain, run), weights(recorded, run)), run.label


@pytest.mark.parametrize("tf32", [True, False, None])
def test_settings_of_torch_come_back(tf32: bool | None) -> None:
    def now() -> tuple[Any, ...]:
        cuda, cudnn, cpu = torch.backends.cuda.matmul, torch.backends.cudnn, torch.backends.mkldnn.matmul
        new = cuda.fp32_precision, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision, cpu.fp32_precision
        return *new, torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark

    before = now()

    def inside() -> None:
        with kernels(deterministic=False, tf32=tf32):
            if tf32 is None:
                assert now()[:-1] == before[:-1]
            else:
                assert (torch.backends.cuda.matmul.fp32_precision == "tf32") is tf32
                assert (torch.backends.cudnn.conv.fp32_precision == "tf32") is tf32
                assert torch.get_float32_matmul_precision() == ("high" if tf32 else "highest")
                assert torch.backends.cudnn.allow_tf32 is tf32
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        inside()
    assert now() == before


def test_images_that_do_not_fit_stay_and_give_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meta stands in for the GPU: images stay on the processor, labels and batches are there."""
    dataset = load(Data(per_class=2))
    whole = dataset.train.to("meta")
    assert whole.resident and dataset.train.resident
    monkeypatch.setattr(splits, "fits", lambda images, device: device.type == "cpu")
    split = dataset.train.to("meta")
    assert not split.resident and split.device.type == "meta" and split.images.device.type == "cpu"
    batches = list(Loader(replace(dataset, train=split), batch_size=8, data_seed=0).epoch(0))
    assert {x.device.type for b in batches for x in (b.images, b.labels, b.index)} == {"meta"}
    assert len(batches) == 3


def test_half_of_the_free_memory_is_for_images(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(10, 1, 4, 4, dtype=torch.uint8)
    for free, there in ((320, True), (319, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 1000))
        assert splits.fits(images, torch.device("cuda")) is there
    assert splits.fits(images, torch.device("cpu"))
    assert isinstance(Split.whole(images, torch.zeros(10)), Split)


def test_every_method_says_whether_it_can_be_recorded() -> None:
    """A sentence's part, or nothing."""
    for method in (made("ce"), made("gtn"), made("kdsvd")):
        assert isinstance(method, Method)
        assert method.on_host() == method.on_host().strip().rstrip(".")
