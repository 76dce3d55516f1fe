"""Another Python process that answers requests: a runtime in an environment of its own, or apart
from this process for its memory.

The program gets a line of JSON for each request and answers with one. See
:mod:`didact.deploy.runner`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from didact.spec import RequestError, SpecError, clean

NEEDS: Mapping[str, tuple[str, ...]] = {
    "onnx": ("numpy", "onnxruntime"),
    "pt2": ("torch", "torchao"),
    "executorch": ("torch", "executorch"),
    "tflite": ("torch", "litert-torch"),
}
"""Packages of the runtime of a form, as pip knows them."""

APART = ("executorch", "tflite")
"""Forms whose packages need an environment of their own: its interpreter is named."""


class GuestError(Exception):
    """What the other process refused; the message says why."""


def interpreter(form: str, named: Path | None = None) -> Path:
    """The Python that runs files of ``form``: ``named``, or what the form's environment variable
    names, or this one.

    Raises:
        SpecError: there is no such file; or the form needs an environment of its own, and none is
            named.
    """
    if form not in APART:
        return Path(sys.executable)
    variable = f"DIDACT_{form.upper()}_PYTHON"
    where = named or (Path(os.environ[variable]) if os.environ.get(variable) else None)
    if where is None:
        raise SpecError(
            f"{form} runs in a Python of its own: {_made(form)}, then write --python ENV/bin/python, or set {variable}"
        )
    where = where.expanduser()
    if not where.is_file() or not os.access(where, os.X_OK):
        raise SpecError(f"python: {clean(where)} is no program: {_made(form)}, then write --python ENV/bin/python")
    return where


def _made(form: str) -> str:
    return f"python -m venv ENV; ENV/bin/pip install {' '.join(NEEDS[form])}"


class Guest:
    """A running program. Leave it as a context manager, which ends the process.

    Args:
        program: a file of Python code.
        form: of the files that it works with, for messages.
        python: the interpreter.
    """

    def __init__(self, program: Path, form: str, python: Path) -> None:
        self.form, self.python = form, python
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        alike = os.environ if python == Path(sys.executable) else kept
        command = [str(python), str(program)]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._noise, env=dict(alike), text=True
            )
        except OSError as error:
            self._noise.close()
            raise RequestError(f"python: {clean(python)} cannot be run: {error.strerror}") from None

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            SpecError: a package is not installed there; the message has the command.
            GuestError: the program refused.
            OSError: the system refused something to it, such as room on a disk.
            RequestError: the process ended without an answer.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        try:
            answer = json.loads(line)
        except ValueError:
            raise self._ended() from None
        if "lacking" in answer:
            raise self._lacks(answer["lacking"])
        if "errno" in answer:
            raise OSError(answer["errno"], f"{clean(self.python)}: {clean(answer['error'])}")
        if "error" in answer:
            raise GuestError(clean(answer["error"]))
        return answer

    def _lacks(self, library: str) -> SpecError:
        packages = " ".join(NEEDS[self.form])
        return SpecError(
            f"{self.form} needs {clean(library)}, which {clean(self.python)} has not: "
            f"{clean(self.python)} -m pip install {packages}"
        )

    def _ended(self) -> RequestError:
        """What is known of a process that died: a library that its program begins with, or its last
        words."""
        self._process.kill()
        code = self._process.wait()
        self._noise.seek(0)
        lines = [line for line in self._noise.read().decode(errors="replace").splitlines() if line.strip()]
        missing = re.fullmatch(r"ModuleNotFoundError: No module named '(\w+)[\w.]*'", lines[-1].strip()) if lines else None
        if missing is not None:
            return self._lacks(missing[1])
        last = f": {clean(lines[-1])[:300]}" if lines else ""
        return RequestError(f"{clean(self.python)} ended without an answer (exit code {code}){last}")

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._noise.close()
