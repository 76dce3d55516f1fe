"""``didact search``. Imports no torch before it runs."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from didact.cli import answer, exports
from didact.cli.exports import ExportFolder, Exports, ExportTo
from didact.cli.options import STORE, Device, Json, StorePath, TrustStore, WeightScales, exactly
from didact.cli.output import Form, Format, emit, form, picture_path, save_picture
from didact.spec import Amount, Count, Positive, Seed, SpecError
from didact.streams import say

if TYPE_CHECKING:
    from didact.deploy.measured import Measured
    from didact.runs.run import Run
    from didact.search.costs import SearchSettings
    from didact.search.predict import UnsuitableError
    from didact.store.store import Store

EVERY = 5.0  # seconds between lines of progress

Limit = Annotated[int | None, Parameter(converter=exactly(Amount), help="No student exceeds this.")]


def search(
    run: Annotated[str, Parameter(help="A generic teacher (GTN): a digest, the beginning of one, or a folder's name.")],
    *,
    cost: Annotated[
        Literal["parameters", "macs", "bytes", "latency"],
        Parameter(help="The cost to minimise while accuracy is maximised."),
    ] = "parameters",
    max_parameters: Limit = None,
    max_macs: Limit = None,
    max_bytes: Annotated[str | None, Parameter(help='The weights at --bits, such as 500000 or "1 MB".')] = None,
    max_latency: Annotated[
        float | None, Parameter(converter=exactly(Positive), help="Milliseconds for one image, measured on this machine.")
    ] = None,
    runtime: Annotated[
        Literal["torch", "onnx"],
        Parameter(help="What latencies are measured by; onnx: ONNX Runtime, each student as a file at --bits."),
    ] = "torch",
    bits: Annotated[
        int, Parameter(converter=exactly(int), help="Bit width for --max-bytes, --target, --runtime and --export.")
    ] = 8,
    target: Annotated[str | None, Parameter(help="A device that must hold the student; see 'didact list devices'.")] = None,
    devices: Annotated[str | None, Parameter(help="Your own devices: a JSON file, or module:NAME.")] = None,
    trials: Annotated[int, Parameter(converter=exactly(Count), help="Largest number of students to predict.")] = 200,
    images: Annotated[
        int, Parameter(converter=exactly(Count), help="Largest number of training images for a student's batch norms.")
    ] = 1024,
    seed: Annotated[int, Parameter(converter=exactly(Seed), help="Seed of the suggestions.")] = 0,
    picture: Annotated[Path | None, Parameter(help="Save a picture there (png, svg or pdf).")] = None,
    device: Device = None,
    trained: Annotated[
        bool,
        Parameter(negative="", help="Instead of a search, compare predictions with trained students (tau, rho)."),
    ] = False,
    files: Annotated[
        list[Path] | None,
        Parameter(
            consume_multiple=True, help="Exported files, or folders of them: shown next to the students, as measured."
        ),
    ] = None,
    export: ExportTo = None,
    folder: ExportFolder = None,
    weight_scales: WeightScales = None,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Search and print. The help text is in :mod:`didact.cli.main`."""
    from didact.search.costs import SearchSettings
    from didact.search.predict import UnsuitableError
    from didact.spec import from_json
    from didact.store.choice import chosen

    shape = form(format, json)
    picture = picture_path(picture)
    fields = {"cost": cost, "bits": bits, "trials": trials, "images": images, "seed": seed}
    fields |= {"max_parameters": max_parameters, "max_macs": max_macs, "max_latency": max_latency, "runtime": runtime}
    settings = from_json(SearchSettings, fields | {"max_bytes": _bytes(max_bytes), "target": _target(target, devices)})
    exported = exports.asked(export, None if export is None else bits, folder, weight_scales)
    records = answer.opened(store, trust_store)
    teacher, _ = chosen(records, run)
    try:
        if trained:
            _check_no_search(settings, picture, exported)
            if files:
                raise SpecError("--trained does not search; leave out --files, or leave out --trained")
            _trained(records, teacher, images, answer.device(device), shape)
        else:
            known = _measured(files or [])
            names = _search(records, teacher, settings, answer.device(device), picture, shape, known)
            return 0 if exported is None else _leave(records, teacher, names, exported, shape)
    except UnsuitableError as error:
        raise SpecError(_completed(error, store)) from None
    return 0


def _leave(store: Store, teacher: Run, names: Sequence[str], exported: Exports, form: Form) -> int:
    """Export the students of the front that were distilled from ``teacher``; say which were not.
    The exit code."""
    from didact.request.command import command

    runs = [run for run, _ in store.runs() if run.net in names and run.teacher is not None and run.teacher == teacher]
    exported.check(store, runs)
    code = exported.write(store, runs, to_stderr=form != "text")
    missing = [name for name in names if name not in {run.net for run in runs}]
    if missing:
        line = command(teacher, missing, store.root)
        say(
            f"Not distilled from {teacher.label} yet, so not exported: {', '.join(missing)}"
            + (f"\n{line} {exported}" if line else ""),
            to_stderr=form != "text",
        )
    return code


def _measured(files: Sequence[Path]) -> list[Measured]:
    """What is known of exported files."""
    from didact.deploy.measured import files_in, measured

    return [measured(path, ()) for path in files_in(file.expanduser() for file in files)]


def _search(
    store: Store,
    teacher: Run,
    settings: SearchSettings,
    device: str,
    picture: Path | None,
    form: Form,
    files: Sequence[Measured] = (),
) -> list[str]:
    """Search, then print the front, the reliability of the predictions, and commands for the next
    step. The names of the students of the front."""
    from didact.cli.next_steps import after_search, distil
    from didact.runs.labels import teacher_label
    from didact.search.correlation import rank_correlation
    from didact.search.predict import Predictor
    from didact.search.search import search
    from didact.tables import front

    result = search(store, teacher, settings, device, _Progress())
    compared = rank_correlation(Predictor(store, teacher, settings.images, device), store)
    plain = {
        "rank_correlation": [correlation.plain() for correlation in compared],
        "distil": distil(result, teacher, store),
        "picture": picture and str(picture),
    }
    if files:
        plain |= {"files": [file.plain() for file in files], "beyond": front.beyond(result, files)}
    emit([front.table(result, teacher, compared, files)], form, result.plain() | plain)
    for line in after_search(result, teacher, compared, store) if form != "json" else ():
        say(line, to_stderr=form != "text")
    if picture is not None:
        from didact.report.figures.front import front as draw

        save_picture(draw(result, f"students for {teacher_label(teacher)}; {teacher.data.label}"), picture, form)
    return [member.name for member in result.members]


def _trained(store: Store, teacher: Run, images: int, device: str, form: Form) -> None:
    """Print predicted and trained accuracies, and their rank correlation.

    Raises:
        SpecError: fewer than three students were trained alike. The message says how to train some.
    """
    from didact.cli.next_steps import after_comparison, more_students
    from didact.search.correlation import LEAST, rank_correlation
    from didact.search.predict import Predictor
    from didact.tables.trained import tables

    predictor = Predictor(store, teacher, images, device)
    compared = rank_correlation(predictor, store)
    if not compared:
        raise SpecError(
            f"{store.root} has fewer than {LEAST} students of the pool ({predictor.pool.label}) that were trained by the same "
            f"method on the images of {teacher.label} ({teacher.digest}); {more_students(predictor)}"
        )
    plain = {"of": teacher.digest, "images": predictor.images_held, "guess": predictor.guess}
    emit(tables(predictor, compared), form, plain | {"rank_correlation": [correlation.plain() for correlation in compared]})
    for line in after_comparison(predictor, compared, store) if form != "json" else ():
        say(line, to_stderr=form != "text")


def _check_no_search(settings: SearchSettings, picture: Path | None, exported: Exports | None) -> None:
    """Raise SpecError for options that only a search uses; for ``--trained``."""
    from didact.search.costs import SearchSettings
    from didact.spec import to_json

    defaults = to_json(SearchSettings(images=settings.images))
    names = [name for name, value in to_json(settings).items() if value != defaults[name]]
    names += (["picture"] if picture else []) + (["export"] if exported is not None else [])
    if names:
        options = ", ".join("--" + name.replace("_", "-") for name in names)
        raise SpecError(f"--trained does not search or draw a picture; leave out {options}, or leave out --trained")


def _completed(error: UnsuitableError, store: Path) -> str:
    """The error's message, with the complete command that trains a suitable run instead."""
    from didact.method import ForPool
    from didact.request.command import alone, command

    assert isinstance(error.instead.method, ForPool)
    line = alone(error.instead, store) or command(error.instead, [error.instead.method.pool.smallest], store)
    return f"{error}:\n    {line}" if line else str(error)


class _Progress:
    """Prints a line of progress every few seconds."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def __call__(self, done: int, most: int) -> None:
        if time.monotonic() - self.last > EVERY:
            from didact.report.text import stderr

            self.last = time.monotonic()
            stderr().print(f"  predicted {done} of at most {most} students")


def _bytes(text: str | None) -> str | int | None:
    return int(text) if text is not None and re.fullmatch("[0-9]{1,18}", text) else text


def _target(name: str | None, devices: str | None) -> Any:
    from didact.deploy.catalogue import DEVICES
    from didact.deploy.device import choose, joined, own

    known = joined(DEVICES, own(devices) if devices is not None else ())
    if name is None:
        return None
    try:
        (target,) = choose([name], known)
    except SpecError as error:
        instead = f"; to compute there write --device {name}" if name.partition(":")[0] in ("cpu", "cuda") else ""
        raise SpecError(f"target: {error}{instead}") from None
    return target
