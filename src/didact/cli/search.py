"""``didact search``. Imports no torch before it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, Json, StorePath
from didact.spec import SpecError

if TYPE_CHECKING:
    from didact.studies.front import Front
    from didact.studies.limits import Search
    from didact.studies.predict import Correlation

EVERY = 5.0  # seconds between lines of progress

Limit = Annotated[int | None, Parameter(help="No student exceeds this.")]


def search(
    run: Annotated[str, Parameter(help="A generic teacher (GTN): a digest, the beginning of one, or a folder's name.")],
    *,
    cost: Annotated[
        Literal["parameters", "macs", "bytes", "latency"], Parameter(help="What is kept small while accuracy is made large.")
    ] = "parameters",
    max_parameters: Limit = None,
    max_macs: Limit = None,
    max_bytes: Annotated[str | None, Parameter(help='The weights at --bits, such as 500000 or "1 MB".')] = None,
    max_latency: Annotated[float | None, Parameter(help="Milliseconds for one image, measured on this machine.")] = None,
    bits: Annotated[int, Parameter(help="Bit width for --max-bytes and --device.")] = 8,
    device: Annotated[str | None, Parameter(help="A device that must hold the student; see 'didact list devices'.")] = None,
    devices: Annotated[str | None, Parameter(help="Your own devices: a JSON file, or module:NAME.")] = None,
    trials: Annotated[int, Parameter(help="Students whose accuracy is predicted, at most.")] = 200,
    images: Annotated[int, Parameter(help="Training images, at most, for a student's batch norms.")] = 1024,
    seed: Annotated[int, Parameter(help="Draws the suggestions.")] = 0,
    picture: Annotated[Path | None, Parameter(help="Save a picture there (png, svg or pdf).")] = None,
    compute: Annotated[str | None, Parameter(help="Where to compute: cpu, cuda ...; the GPU when there is one.")] = None,
    store: StorePath = STORE,
    json: Json = False,
) -> int:
    """Search and print; what ``--help`` says stands where the command is named."""
    from didact.cli.terminal import stderr
    from didact.spec import from_json
    from didact.studies.limits import Search
    from didact.studies.look import chosen
    from didact.studies.predict import Predictor, rank_correlation
    from didact.studies.search import search as find
    from didact.studies.store import Store

    answer.check_picture(picture)
    limits = {"parameters": max_parameters, "macs": max_macs, "bytes": _bytes(max_bytes), "latency": max_latency}
    fields: dict[str, Any] = {f"max_{name}": value for name, value in limits.items()}
    fields |= {"cost": cost, "bits": bits, "trials": trials, "images": images, "seed": seed}
    wanted = from_json(Search, fields | {"device": _device(device, devices)})
    kept = Store(store, lambda message: stderr().print(message, markup=False))
    teacher, _ = chosen(kept, run)
    where = answer.device(compute)
    found = find(kept, teacher, wanted, where, _Progress())
    compared = rank_correlation(Predictor(kept, teacher, images, where), kept)
    _report(found, teacher, store, compared, picture, json)
    return 0


class _Progress:
    """A line every few seconds."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def __call__(self, done: int, most: int) -> None:
        if time.monotonic() - self.last > EVERY:
            from didact.cli.terminal import stderr

            self.last = time.monotonic()
            stderr().print(f"  predicted {done} of at most {most} students", highlight=False)


def _bytes(text: str | None) -> str | int | None:
    return int(text) if text is not None and text.isdecimal() else text


def _device(name: str | None, devices: str | None) -> Any:
    from didact.deploy.catalogue import DEVICES
    from didact.deploy.device import choose, joined, own

    known = joined(DEVICES, own(devices) if devices is not None else ())
    if name is None:
        return None
    try:
        (found,) = choose([name], known)
    except SpecError as error:
        instead = f"; to compute there write --compute {name}" if name.partition(":")[0] in ("cpu", "cuda") else ""
        raise SpecError(f"device: {error}{instead}") from None
    return found


# ------------------------------------------------------------------------------------------------ what is printed


def _report(
    found: Front, teacher: Any, store: Path, compared: list[Correlation], picture: Path | None, as_json: bool
) -> None:
    from didact.cli.distil import command as distil
    from didact.studies.labels import teacher_label

    command = distil(teacher, list(found.picks.values()), store)
    if picture is not None:
        from didact.report.front import picture as draw

        draw(found, f"students for {teacher_label(teacher)}; {teacher.data.label}", picture)
    if as_json:
        told = {"rank_correlation": [vars(one) for one in compared], "distil": command, "picture": picture and str(picture)}
        answer.print_json(found.plain() | told)
        return
    from didact.cli.terminal import print_rows

    print_rows(*_table(found), _title(found, teacher))
    for line in _notes(found, compared):
        print(line)
    if picture is not None:
        print(f"Picture: {picture}")
    print("Distil to the students picked:" if command else "From Python: Run(net=..., teacher=...) distils to any of them.")
    print(command or "", end="\n" if command else "")


def _title(found: Front, teacher: Any) -> str:
    from didact.studies.labels import teacher_label

    return f"{teacher_label(teacher)}, {teacher.data.label}: accuracy against {found.wanted.cost}{_limits(found.wanted)}"


def _limits(wanted: Search) -> str:
    given = {
        "parameters": wanted.max_parameters,
        "MACs": wanted.max_macs,
        f"bytes at {wanted.bits} bit": wanted.max_bytes,
        "ms": wanted.max_latency,
    }
    said = [f"at most {value:,} {what}" for what, value in given.items() if value is not None]
    said += [f"{wanted.device.name} holds it at {wanted.bits} bit"] if wanted.device else []
    return f" ({', '.join(said)})" if said else ""


def _table(found: Front) -> tuple[list[str], list[list[str]]]:
    from didact.cli.devices import megabytes

    labels = {name: label for label, name in found.picks.items()}
    timed = found.members[0].latency is not None
    heading = ["", "student", "accuracy (%)", "parameters", "MACs (M)", "MB at 32 bit", "MB at 8 bit"]
    rows = []
    for one in found.members:
        sizes = [megabytes(one.bytes(bits)) for bits in (32, 8)]
        row = [
            labels.get(one.name, ""),
            one.name,
            f"{one.accuracy:.2f}",
            f"{one.parameters:,}",
            f"{one.macs / 1e6:.2f}",
            *sizes,
        ]
        rows.append(row + ([f"{one.latency:.2f}"] if timed else []))
    return heading + (["ms"] if timed else []), rows


def _notes(found: Front, compared: list[Correlation]) -> list[str]:
    done = len(found.members) + len(found.others)
    lines = [
        f"Accuracy: on the validation split, predicted with the supernet's weights for {done:,} of the pool's {found.size:,} "
        "students. The test set chose nothing."
    ]
    for one in compared:
        tau = "not defined, all are equal" if one.tau is None else f"{one.tau:.2f}"
        lines.append(
            f"Kendall's tau of prediction and test accuracy, {one.students} students trained by {one.trained}: {tau}"
        )
    return lines
