"""Teachers by an inference engine: alone equals cohort; what a student is; refused before training where it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from didact.execution import Execution, engines, execute
from didact.request.command import alone
from didact.request.plan import plan
from didact.runs.engine import Engine
from didact.runs.labels import row_label
from didact.runs.run import Run
from didact.spec import SpecError
from didact.store.answers.series import Keep
from didact.store.store import Store
from didact.teaching.route import Route
from support.kept import same, weights

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

pytestmark = pytest.mark.usefixtures("few_digits")

Tiny = Callable[..., Run]
FP32, INT8 = Engine(), Engine(precision="int8", calibration=32)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was measured: a list that stays empty where the figures were kept."""
    seen: list[Any] = []
    measured = engines.measured
    monkeypatch.setattr(engines, "measured", lambda *given: seen.append(given) or measured(*given))
    return seen


@pytest.mark.parametrize("engine", [INT8, pytest.param(FP32, marks=pytest.mark.slow)], ids=lambda one: one.label)
def test_alone_equals_cohort_and_resumes_bitwise(tiny: Tiny, tmp_path: Path, engine: Engine, asked: list[Any]) -> None:
    methods = ["kd", "simkd", *(["fitnet", "srrl"] if engine == FP32 else [])]
    runs = [tiny(method, engine=engine) for method in methods]
    said: list[str] = []
    together = Store(tmp_path / "together", said.append)
    outcome = execute(runs, together, Execution(test_every=9))
    assert not outcome.failures
    [line] = [line for line in said if "by torch in float32" in line]
    assert engine.label in line and "KL from that" in line
    lonely = Store(tmp_path / "alone")
    for run in runs[:1]:
        execute([run], lonely, Execution(test_every=9, keep=Keep()))
        assert same(weights(lonely, run), weights(together, run)), run.label
    assert len(asked) == 2  # once in each store
    eager = tiny("kd")
    assert eager.digest != runs[0].digest and eager.cohort != runs[0].cohort
    execute([eager], lonely, Execution(test_every=9))
    assert not same(weights(lonely, eager), weights(lonely, runs[0]))
    assert together.get(runs[0]).environment()["onnxruntime"]
    assert "onnxruntime" not in together.get(runs[0].teacher).environment()


@pytest.mark.slow
def test_along_a_route_every_anchor_is_computed_by_the_engine(tiny: Tiny, store: Store) -> None:
    said: list[str] = []
    store.say = said.append
    run = tiny("kd", route=Route(anchors=2), engine=FP32)
    assert not execute([run], store, Execution()).failures
    assert any("by onnx fp32" in line for line in said)


@pytest.mark.slow
def test_kept_answers_are_those_of_the_engine(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, later = (tiny("kd", seed=seed, engine=INT8) for seed in (0, 1))
    store = Store(tmp_path)
    execute([tiny("kd"), first], store, Execution(test_every=9, keep=Keep()))

    def gone(*given: Any) -> Any:
        raise AssertionError("the teacher was asked")

    from didact.deploy.engine import Computed

    monkeypatch.setattr(Computed, "outputs", gone)
    assert not execute([later], store, Execution(test_every=9, keep=Keep())).failures


def test_what_cannot_be_meant_is_refused(tiny: Tiny) -> None:
    with pytest.raises(SpecError, match="cuts them off at 0; write teacher"):
        tiny("ofd", engine=INT8)
    with pytest.raises(SpecError, match="an engine computes the teacher, and none is given"):
        tiny("ce", engine=FP32)
    with pytest.raises(SpecError, match="fp32 is not calibrated"):
        Engine(calibration=64)
    with pytest.raises(SpecError, match="calibration"):
        Engine(precision="int8", calibration=1)
    assert tiny("ofd", engine=FP32).engine == FP32


def test_a_gpu_and_a_missing_library_are_refused_before_training(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny("kd", engine=FP32)
    with pytest.raises(SpecError, match="computes on the CPU, and this trains on cuda:0"):
        engines.check([run], "cuda:0")
    monkeypatch.setattr("didact.deploy.engine.find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"pip install 'didact-distill\[onnx\]'"):
        engines.check([run], "cpu")
    engines.check([tiny("kd")], "cuda:0")


WANTED: dict[str, Any] = {
    "net": "resnet8",
    "method": "kd",
    "teacher": {"net": "resnet14", "engine": "onnx", "precision": "int8"},
}


def test_a_request_names_the_engine_and_the_command_comes_back(tmp_path: Path) -> None:
    [run] = plan(WANTED)
    assert run.engine == Engine(precision="int8") and run.teacher is not None and run.teacher.engine is None
    assert "--teacher.engine onnx --teacher.precision int8" in str(alone(run, tmp_path))
    assert row_label(run) == "kd (teacher by onnx int8)"
    assistant = {"net": "resnet14", "method": "kd", "teacher": {"net": "resnet20", "engine": "onnx"}}
    [run] = plan({"net": "resnet8", "method": "kd", "teacher": assistant})
    assert run.engine is None and run.teacher is not None and run.teacher.engine == Engine()
    assert "--teacher.teacher.engine onnx" in str(alone(run, tmp_path))


@pytest.mark.parametrize(
    ("teacher", "method", "said"),
    [
        ({"precision": "int8"}, "kd", "teacher.precision: is that of an engine, so write engine=onnx"),
        ({"engine": "tensorrt"}, "kd", "teacher.engine: expected 'onnx'"),
        ({"engine": "onnx", "precision": "bf16"}, "kd", "teacher.precision: expected 'fp32' or 'int8'"),
        ({"engine": "onnx"}, "ce", "teacher.engine: no method of the request reads the teacher"),
        ({"engine": "onnx", "precision": "int8"}, "ofd", "write teacher.precision=fp32"),
    ],
)
def test_wrong_settings_are_refused(teacher: dict[str, Any], method: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        plan({"net": "resnet8", "method": method, "teacher": {"net": "resnet14", **teacher}})
