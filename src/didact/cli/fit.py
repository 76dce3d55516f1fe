"""``didact fit``. Imports no torch before it runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from pydantic import Field, Strict

from didact.cli.options import Json, exactly
from didact.cli.output import Form, Format, emit, form
from didact.spec import Count, Seed, SpecError, from_json, shown

if TYPE_CHECKING:
    from didact.deploy.device import Device
    from didact.nets.blocks import Shape

Drawn = Annotated[int, Strict(), Field(ge=0, le=1000)]
"""Number of networks to draw from a pool."""

LARGEST_IMAGE = 4096  # channels, height and width


def fit(
    *,
    pool: Annotated[str | None, Parameter(help="Networks, separated by commas; or a pool (didact list pools).")] = None,
    files: Annotated[
        list[Path] | None,
        Parameter(consume_multiple=True, help="Instead: files of didact export, or folders of them."),
    ] = None,
    students: Annotated[
        int, Parameter(converter=exactly(Drawn), help="Students to draw from a pool, including the smallest and largest.")
    ] = 4,
    draw: Annotated[int, Parameter(converter=exactly(Seed), help="Seed for drawing students.")] = 0,
    bits: Annotated[str | None, Parameter(help="Bit widths of weights and activations, 1 to 32 (default: 8,32).")] = None,
    data: Annotated[str | None, Parameter(help="Data set that sets image shape and classes (default: cifar100).")] = None,
    image: Annotated[str | None, Parameter(help="Instead: channels x height x width, such as 3x64x64 ...")] = None,
    classes: Annotated[int | None, Parameter(converter=exactly(Count), help="... and the number of classes.")] = None,
    devices: Annotated[str | None, Parameter(help="Your own devices: a JSON file, or module:NAME.")] = None,
    target: Annotated[str | None, Parameter(help="Only these devices, separated by commas.")] = None,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Compute and print. The help text is in :mod:`didact.cli.main`."""
    from didact.deploy.catalogue import DEVICES
    from didact.deploy.device import choose, joined, own

    output = form(format, json)
    known = joined(DEVICES, own(devices) if devices is not None else ())
    targets = known if target is None else choose([name.strip() for name in target.split(",") if name.strip()], known)
    if files is not None:
        options = {"pool": pool, "bits": bits, "data": data, "image": image, "classes": classes}
        return _files(files, targets, [name for name, value in options.items() if value is not None], output)
    if pool is None:
        raise SpecError("write --pool, networks such as resnet8,resnet8x4; or --files, what didact export has written")
    _networks(
        pool, students, draw, _widths("8,32" if bits is None else bits), targets, _images(data, image, classes), output
    )
    return 0


def _networks(
    pool: str, students: int, draw: int, bits: list[int], targets: Sequence[Device], images: tuple[Shape, int], output: Form
) -> None:
    """Print the table of networks by name, or of students that are drawn from a pool."""
    from didact.deploy.fit import fits, members
    from didact.request.settings import below
    from didact.tables.fit import plain, tables

    with below("pool"):
        networks = members(pool, students, draw)
    results = fits(networks, bits, targets, *images)
    emit(tables(results), output, plain(results))


def _files(files: list[Path], targets: Sequence[Device], others: list[str], output: Form) -> int:
    """The table of exported files.

    Raises:
        SpecError: options that are for networks by name.
    """
    from didact.deploy.measured import files_in, measured
    from didact.tables import measured as shown_as

    if others:
        raise SpecError(f"--files say it themselves; leave out {', '.join('--' + name for name in others)}")
    found = [measured(path, targets) for path in files_in(file.expanduser() for file in files)]
    emit(shown_as.tables(found, [device.name for device in targets]), output, [each.plain() for each in found])
    return 0


def _widths(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    wrong = [word for word in words if not (word.isascii() and word.isdigit() and len(word) < 3 and 1 <= int(word) <= 32)]
    if wrong or not words:
        raise SpecError(f"bits: whole numbers from 1 to 32, separated by commas, found {shown((wrong or [text])[0])}")
    return list(dict.fromkeys(map(int, words)))


def _images(data: str | None, image: str | None, classes: int | None) -> tuple[Shape, int]:
    """Image shape and number of classes, from a data set or from the options."""
    if image is None and classes is None:
        from didact.data import Data, facts

        about = facts(from_json(Data, {"name": "cifar100" if data is None else data}, "data"))
        return about.image, about.classes
    if data is not None:
        raise SpecError("write either --data, or --image and --classes")
    if image is None or classes is None:
        raise SpecError("--image and --classes belong together: --image 3x32x32 --classes 100")
    sizes = re.fullmatch(r"([1-9][0-9]{0,9})x([1-9][0-9]{0,9})x([1-9][0-9]{0,9})", image)
    if sizes is None:
        raise SpecError(
            f"image: channels x height x width, such as 3x32x32, each from 1 to {LARGEST_IMAGE}; found {shown(image)}"
        )
    shape = tuple(map(int, sizes.groups()))
    if max(shape) > LARGEST_IMAGE:
        raise SpecError(f"image: at most {LARGEST_IMAGE} channels, height and width; found {image}")
    return shape, classes
