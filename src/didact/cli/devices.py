"""What ``didact fit`` and ``didact list devices`` tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter
from pydantic import Field, Strict

from didact.cli.answer import form as printed
from didact.cli.answer import print_json, print_markdown
from didact.cli.options import Json, Markdown, exactly
from didact.data import Data, facts
from didact.deploy.catalogue import DEVICES
from didact.deploy.device import Device, choose, joined, own
from didact.deploy.fit import Fit, Verdict, fits, members
from didact.nets.blocks import Shape
from didact.request.settings import below
from didact.spec import Count, Seed, SpecError, from_json, shown, to_json
from didact.streams import say

COVERS = """\
Weights: parameters x bits / 8. Activations: the most that is alive at once, for one image, at the same bit width.
A device holds a network when it computes in the bit width and both fit; where they share a memory, their sum does.
1 MB = 1,000,000 bytes. 'didact list devices' tells what each device is and where its figures are from."""

Drawn = Annotated[int, Strict(), Field(ge=0, le=1000)]
"""How many networks are drawn from a pool."""

LARGEST_IMAGE = 4096  # channels, height and width

PER_TABLE = 3  # networks beside one another


def fit(
    *,
    pool: Annotated[str, Parameter(help="Networks, separated by commas; or a pool (didact list pools).")],
    students: Annotated[
        int, Parameter(converter=exactly(Drawn), help="How many are drawn from a pool, beside its smallest and largest.")
    ] = 4,
    draw: Annotated[int, Parameter(converter=exactly(Seed), help="The seed under which they are drawn.")] = 0,
    bits: Annotated[str, Parameter(help="Bit widths of weights and activations, 1 to 32.")] = "8,32",
    data: Annotated[str | None, Parameter(help="Whose images and classes; cifar100 if nothing else is said.")] = None,
    image: Annotated[str | None, Parameter(help="Instead: channels x height x width, such as 3x64x64 ...")] = None,
    classes: Annotated[int | None, Parameter(converter=exactly(Count), help="... and the number of classes.")] = None,
    devices: Annotated[str | None, Parameter(help="Your own devices: a JSON file, or module:NAME.")] = None,
    device: Annotated[str | None, Parameter(help="Only these devices, separated by commas.")] = None,
    markdown: Markdown = False,
    json: Json = False,
) -> int:
    """Reckon and print; what ``--help`` says stands where the command is named."""
    shape = printed(json, markdown)
    own = {"students": students, "draw": draw}
    found = asked(pool, bits, data=data, image=image, classes=classes, devices=devices, device=device, **own)
    report(found, shape)
    return 0


def asked(
    pool: str,
    bits: str,
    *,
    data: str | None = None,
    image: str | None = None,
    classes: int | None = None,
    devices: str | None = None,
    device: str | None = None,
    students: int = 4,
    draw: int = 0,
) -> list[Fit]:
    """What ``didact fit`` was asked for.

    Raises:
        SpecError: an unknown network, device or data set (the nearest are named), bits or an image that cannot be meant.
    """
    known = joined(DEVICES, own(devices) if devices is not None else ())
    chosen = known if device is None else choose([name.strip() for name in device.split(",") if name.strip()], known)
    shape, count = _images(data, image, classes)
    with below("pool"):
        networks = members(pool, students, draw)
    return fits(networks, _widths(bits), chosen, shape, count)


def _widths(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    wrong = [word for word in words if not (word.isascii() and word.isdigit() and len(word) < 3 and 1 <= int(word) <= 32)]
    if wrong or not words:
        raise SpecError(f"bits: whole numbers from 1 to 32, separated by commas, found {shown((wrong or [text])[0])}")
    return list(dict.fromkeys(map(int, words)))


def _images(data: str | None, image: str | None, classes: int | None) -> tuple[Shape, int]:
    """Shape of an image and number of classes: those of a data set, or the ones that are given."""
    if image is None and classes is None:
        about = facts(from_json(Data, {"name": "cifar100" if data is None else data}, "data"))
        return about.image, about.classes
    if data is not None:
        raise SpecError("say either --data, or --image and --classes")
    if image is None or classes is None:
        raise SpecError("--image and --classes belong together: --image 3x32x32 --classes 100")
    found = re.fullmatch(r"([1-9][0-9]{0,9})x([1-9][0-9]{0,9})x([1-9][0-9]{0,9})", image)
    if found is None:
        raise SpecError(
            f"image: channels x height x width, such as 3x32x32, each from 1 to {LARGEST_IMAGE}; found {shown(image)}"
        )
    shape = tuple(map(int, found.groups()))
    if max(shape) > LARGEST_IMAGE:
        raise SpecError(f"image: at most {LARGEST_IMAGE} channels, height and width; found {image}")
    return shape, classes


def report(found: Sequence[Fit], form: str) -> None:
    """Print them; ``form`` is json, markdown or table."""
    if form == "json":
        print_json(plain(found))
        return
    for heading, rows in tables(found):
        if form == "markdown":
            print_markdown(heading, rows)
        else:
            from didact.report.text import print_rows

            print_rows(heading, rows)
    say(COVERS)


def tables(found: Sequence[Fit]) -> list[tuple[list[str], list[list[str]]]]:
    """The poster's table, heading and rows, a few networks each: memory by bit width, and which device holds it."""
    networks = list(dict.fromkeys(one.network for one in found))
    made = []
    for start in range(0, len(networks), PER_TABLE):
        columns = [one for one in found if one.network in networks[start : start + PER_TABLE]]
        rows = [
            ["weights (MB)", *(megabytes(one.weights) for one in columns)],
            ["activations (MB)", *(megabytes(one.activations) for one in columns)],
        ]
        for place, verdict in enumerate(columns[0].verdicts):
            rows.append([verdict.device, *(said(one.verdicts[place], one.bits) for one in columns)])
        made.append((["", *(f"{one.network}, {one.bits} bit" for one in columns)], rows))
    return made


def said(verdict: Verdict, bits: int) -> str:
    """A cell: a tick, or what is in the way."""
    if not verdict.executes:
        return f"✗ not in {bits} bit"
    lacks = [
        f"{megabytes(missing)} MB" + ("" if what == "memory" else f" for {what}")
        for what, missing in verdict.missing.items()
    ]
    return "✓" if not lacks else "✗ lacks " + ", ".join(lacks)


def megabytes(count: int) -> str:
    """``count`` bytes in decimal megabytes, to three digits."""
    return f"{count / 1e6:.3g}" if count < 999_500_000 else f"{count / 1e6:.0f}"


def plain(found: Sequence[Fit]) -> list[dict[str, Any]]:
    """The same for programs, all sizes in bytes."""
    return [
        {
            "network": one.network,
            "bits": one.bits,
            "parameters": one.parameters,
            "weights": one.weights,
            "activations": one.activations,
            "devices": [
                {"device": v.device, "fits": v.fits, "limit": v.limit, "missing": dict(v.missing)} for v in one.verdicts
            ],
        }
        for one in found
    ]


def listed() -> tuple[list[str], list[list[Any]], list[dict[str, Any]]]:
    """The catalogue: heading, rows, and everything for programs."""
    heading = ["device", "what it is", "memory", "memory for weights", "bits", "source", "read", "note"]
    return heading, [_row(device) for device in DEVICES], [to_json(device) for device in DEVICES]


def _row(device: Device) -> list[str]:
    weights = "the same" if device.weight_memory is None else size(device.weight_memory)
    bits = ", ".join(map(str, device.bits)) or "any"
    return [device.name, device.what, size(device.memory), weights, bits, device.source, device.date, device.note]


def size(count: int) -> str:
    """``count`` bytes in the largest unit that gives a whole number, or in megabytes."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count % 2**power == 0:
            return f"{count // 2**power} {unit}"
    return f"{megabytes(count)} MB"
