"""``didact bench``. Imports no torch before it runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from didact.cli.options import Json, exactly
from didact.cli.output import Format, emit, form
from didact.spec import Count, Seed, SpecError, from_json, shown

MOST = 100_000  # images of a pass, and sizes of an image


def bench(
    *files: Annotated[Path, Parameter(help="Files from didact export, or ONNX files from elsewhere.")],
    batch: Annotated[str, Parameter(help="Images of a pass, separated by commas.")] = "1,32",
    threads: Annotated[int, Parameter(converter=exactly(Count), help="Threads that compute an operation.")] = 1,
    passes: Annotated[int, Parameter(converter=exactly(Count), help="Passes that are timed, for each file and batch.")] = 50,
    warm_up: Annotated[int, Parameter(converter=exactly(Seed), help="Passes before them that are not.")] = 5,
    image: Annotated[
        str | None, Parameter(help="Channels x height x width, such as 3x224x224, of files that leave them free.")
    ] = None,
    python: Annotated[
        Path | None, Parameter(help="The Python of a runtime that has an environment of its own (docs/export.md).")
    ] = None,
    keep: Annotated[
        bool, Parameter(negative="", help="Keep the figures next to each file, where didact fit and search find them.")
    ] = False,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Measure and print; the help stands where the command is named."""
    from didact.deploy import bench as measuring
    from didact.deploy import figures
    from didact.files.reading import is_file
    from didact.streams import say
    from didact.tables.bench import table

    shape = form(format, json)
    if not files:
        raise SpecError("files: name at least one file, didact bench FILE.onnx ...")
    settings = measuring.Settings(_batches(batch), threads, passes, warm_up, _image(image), python)
    paths = [file.expanduser() for file in files]
    for path in paths:
        if is_file(path):
            figures.check_whole(path)
    benched = measuring.bench(paths, settings)
    about = {"threads": threads, "warm_up": warm_up, "passes": passes}
    emit([table(benched, settings)], shape, [each.plain() | about for each in benched])
    for each in benched if keep else ():
        say(f"kept: {figures.keep(each, settings)}", to_stderr=shape != "text")
    return 0


def _batches(text: str) -> tuple[int, ...]:
    numbers = [from_json(Count, int(word) if word.strip().isdecimal() else word, "batch") for word in text.split(",")]
    if max(numbers) > MOST:
        raise SpecError(f"batch: at most {MOST:,} images, found {shown(text)}")
    return tuple(dict.fromkeys(numbers))


def _image(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,4}(x[1-9]\d{0,4}){2}", text):
        raise SpecError(f"image: channels x height x width, such as 3x224x224, found {shown(text)}")
    return tuple(map(int, text.split("x")))
