"""What exported files need on this machine: their size, their memory, and the time of a pass, by the
runtime that runs them.

Each file runs in a process of its own (:mod:`didact.deploy.runner`). The files take turns, a few
passes each, so that what else the machine does meets all of them alike.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from didact.deploy import tflite_graph
from didact.deploy.apart import RUNNER
from didact.deploy.guest import Guest, GuestError, interpreter
from didact.deploy.onnx_graph import UnknownShapeError, activations
from didact.deploy.pte_program import planned
from didact.files.reading import content, is_file
from didact.spec import RequestError, SpecError, clean, shown

FORMS = {".onnx": "onnx", ".pt2": "pt2", ".pte": "executorch", ".tflite": "tflite"}
"""The form of a file, by the end of its name."""

NEWER = ("opset", "ir version", "ir_version", "schema version", "invalid version")
"""Words of a runtime about a file that is newer than it."""

TURN = 10
"""Passes of a file before it is the next one's turn."""

FEWEST = 20
"""Passes that are timed at least, so that there is a 95th percentile."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a pass with ``batch`` images: median and 95th percentile over ``passes``."""

    batch: int
    median: float
    p95: float
    passes: int


@dataclass(frozen=True)
class Benched:
    """What was measured of a file.

    Attributes:
        path: the file; ``size``: in bytes, weights that lie next to it included.
        runtime: name and version.
        image: (channels, height, width), or as the file has it.
        activations: bytes at their peak for one image, computed from the file's graph; None where
            they are not known, and ``unknown`` says why.
        memory: bytes by which the process's resident memory grew at most, from opening the file to
            the passes of the smallest batch; None where the system does not say.
        planned: bytes that an ExecuTorch file has its runtime set aside before the first pass, for as
            many images as it takes at most; what XNNPACK allocates for itself is not among them. None
            for other forms.
        latencies: by batch; batches that the file does not take are missing.
    """

    path: Path
    size: int
    runtime: str
    image: tuple[int, ...]
    activations: int | None
    unknown: str
    memory: int | None
    latencies: tuple[Latency, ...]
    planned: int | None = None

    def plain(self) -> dict[str, Any]:
        """As plain JSON data; sizes in bytes, times in milliseconds."""
        return {
            "file": str(self.path),
            "bytes": self.size,
            "runtime": self.runtime,
            "image": list(self.image),
            "activations": self.activations,
            "planned": self.planned,
            "memory": self.memory,
            "latency": [vars(one) for one in self.latencies],
        }


@dataclass(frozen=True)
class Settings:
    """How files are measured.

    Attributes:
        batches: images of a pass. threads: that compute an operation.
        passes: that are timed, for each file and batch. warm_up: passes before them.
        image: sizes of images, for files that leave them free.
        python: the interpreter of runtimes that have an environment of their own.
    """

    batches: tuple[int, ...] = (1, 32)
    threads: int = 1
    passes: int = 50
    warm_up: int = 5
    image: tuple[int, ...] | None = None
    python: Path | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that measure nothing.

        Raises:
            SpecError: too few passes.
        """
        if self.passes < FEWEST:
            raise SpecError(f"passes: at least {FEWEST}, for a 95th percentile; found {self.passes}")


def bench(paths: Sequence[Path], settings: Settings) -> list[Benched]:
    """Measure the files side by side, in their order.

    Raises:
        SpecError: what ends in an unknown way, is named twice, or a runtime that is missing.
        RequestError: a file that is missing or damaged, or that its runtime refuses.
    """
    forms = [form_of(path) for path in paths]
    if len(set(paths)) < len(paths):
        raise SpecError("files: each once")
    with contextlib.ExitStack() as stack:
        guests = [_opened(stack, path, form, settings) for path, form in zip(paths, forms, strict=True)]
        answers = [guest.answer for guest in guests]
        timed: list[dict[int, Latency]] = [{} for _ in paths]
        memory: list[int | None] = [None] * len(paths)
        for number, batch in enumerate(sorted(settings.batches)):
            takers = [at for at, answer in enumerate(answers) if _takes(answer, batch)]
            taken: dict[int, list[float]] = {at: [] for at in takers}
            for passes, warm_up in _turns(settings):
                for at in takers:
                    found = guests[at].ask(do="time", batch=batch, warm_up=warm_up, passes=passes)
                    taken[at] += found["milliseconds"]
                    if number == 0:
                        memory[at] = found["memory"]
            for at, values in taken.items():
                timed[at][batch] = _latency(batch, values)
    rows = zip(paths, forms, answers, memory, timed, strict=True)
    return [_benched(path, form, answer, used, [*found.values()]) for path, form, answer, used, found in rows]


def form_of(path: Path) -> str:
    """The form of the file at ``path``.

    Raises:
        SpecError: its name ends otherwise.
        RequestError: there is no such file.
    """
    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise SpecError(f"files: names that end in {', '.join(FORMS)}, found {shown(str(path))}")
    if not is_file(path):
        raise RequestError(f"{clean(path)} is no file; 'didact export RUN -o FILE.onnx' makes one")
    return form


@dataclass(frozen=True)
class _Open:
    path: Path
    guest: Guest
    answer: dict[str, Any]

    def ask(self, **request: Any) -> dict[str, Any]:
        try:
            return self.guest.ask(**request)
        except GuestError as error:
            raise RequestError(f"{clean(self.path)} cannot be run: {error}") from None


def _opened(stack: contextlib.ExitStack, path: Path, form: str, settings: Settings) -> _Open:
    guest = stack.enter_context(Guest(RUNNER, form, interpreter(form, settings.python)))
    image = None if settings.image is None else list(settings.image)
    try:
        answer = guest.ask(do="open", form=form, file=str(path.absolute()), threads=settings.threads, image=image)
    except GuestError as error:
        raise RequestError(f"{clean(path)} cannot be opened: {error}{_instead(str(error))}") from None
    return _Open(path, guest, answer)


def _instead(reason: str) -> str:
    """What to do about a file that is newer than its runtime; nothing of another one."""
    newer = any(word in reason.lower() for word in NEWER)
    return "; update the runtime, or export the file for this version of it" if newer else ""


def _takes(answer: dict[str, Any], batch: int) -> bool:
    return answer["batch"] in (None, batch) and batch <= (answer["most"] or batch)


def _turns(settings: Settings) -> Iterator[tuple[int, int]]:
    """(passes, warm-up) of each turn. Only the first one has the whole warm-up; the others begin
    with one pass, because the other files ran in between."""
    for start in range(0, settings.passes, TURN):
        yield min(TURN, settings.passes - start), settings.warm_up if start == 0 else min(1, settings.warm_up)


def _latency(batch: int, taken: list[float]) -> Latency:
    return Latency(batch, statistics.median(taken), statistics.quantiles(taken, n=20, method="inclusive")[-1], len(taken))


def _benched(path: Path, form: str, answer: dict[str, Any], memory: int | None, latencies: list[Latency]) -> Benched:
    most, unknown = None, ""
    if answer["graph"] is not None:
        most = tflite_graph.activations(answer["graph"])
    elif form == "onnx":
        try:
            most = activations(path, answer["image"])
        except UnknownShapeError as error:
            unknown = f"{clean(path.name)}: {clean(str(error))}"
    before = planned(content(path, largest=None)) if form == "executorch" else None
    image = tuple(answer["image"])
    return Benched(path, size_of(path), answer["runtime"], image, most, unknown, memory, tuple(latencies), before)


def size_of(path: Path) -> int:
    """Bytes of a file, and of the weights that an ONNX file keeps next to it."""
    beside = path.with_name(path.name + ".data")
    return path.stat().st_size + (beside.stat().st_size if path.suffix == ".onnx" and is_file(beside) else 0)
