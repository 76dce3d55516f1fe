"""Another process that answers: what it refuses, and how it ends."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

from didact.deploy import guest as module
from didact.deploy.guest import Guest, GuestError, interpreter
from didact.spec import RequestError, SpecError

HERE = Path(sys.executable)
PROGRAM = """
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "die":
        print("the last words", file=sys.stderr)
        os._exit(3)
    if asked["do"] == "babble":
        print("no JSON", flush=True)
        continue
    print(json.dumps(asked["answer"]), flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def test_answers_and_refusals(program: Path) -> None:
    with Guest(program, "onnx", HERE) as guest:
        assert guest.ask(do="say", answer={"a": 1}) == {"a": 1}
        with pytest.raises(GuestError, match="no file of images"):
            guest.ask(do="say", answer={"error": "no file of images"})
        with pytest.raises(
            SpecError, match=r"onnx needs onnxruntime, which .* has not: .* -m pip install numpy onnxruntime"
        ):
            guest.ask(do="say", answer={"error": "no module", "lacking": "onnxruntime"})
        with pytest.raises(OSError, match="No space left") as error:
            guest.ask(do="say", answer={"error": "No space left on device", "errno": errno.ENOSPC})
        assert error.value.errno == errno.ENOSPC
        assert guest.ask(do="say", answer={"b": 2}) == {"b": 2}, "a refusal does not end it"


@pytest.mark.parametrize(("do", "said"), [("die", r"exit code 3\): the last words"), ("babble", "ended without an answer")])
def test_a_process_that_dies(program: Path, do: str, said: str) -> None:
    with Guest(program, "onnx", HERE) as guest, pytest.raises(RequestError, match=said):
        guest.ask(do=do)


def test_a_program_that_cannot_begin_without_a_library(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text("import no_such_library.part")
    said = r"executorch needs no_such_library, .* -m pip install torch executorch"
    with Guest(path, "executorch", HERE) as guest, pytest.raises(SpecError, match=said):
        guest.ask(do="say")


def test_what_is_no_interpreter(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "APART", ("onnx",))
    monkeypatch.delenv("DIDACT_ONNX_PYTHON", raising=False)
    with pytest.raises(SpecError, match=r"ENV/bin/pip install numpy onnxruntime, then write --python ENV/bin/python"):
        interpreter("onnx")
    with pytest.raises(SpecError, match="is no program"):
        interpreter("onnx", tmp_path)
    monkeypatch.setenv("DIDACT_ONNX_PYTHON", sys.executable)
    assert interpreter("onnx") == HERE and interpreter("onnx", HERE) == HERE
    fake = tmp_path / "python"
    fake.write_text("no program")
    fake.chmod(0o755)
    with pytest.raises(RequestError, match="cannot be run"):
        Guest(program, "onnx", fake)
