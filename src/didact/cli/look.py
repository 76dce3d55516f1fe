"""``didact look``: a run and its teacher, or two runs, on the test set. Imports no torch before it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, Device, Json, StorePath, TrustStore, exactly
from didact.cli.output import Form, Format, emit, form, picture_path
from didact.spec import Count, SpecError
from didact.streams import say

if TYPE_CHECKING:
    from didact.measure.comparison import Comparison
    from didact.measure.layers import LayerComparison


def look(
    run: Annotated[str, Parameter(help="A digest, or the beginning of one, or a folder's name.")],
    *,
    against: Annotated[
        str | None, Parameter(help="Another run of the same data; by default its teacher, if it has one.")
    ] = None,
    layers: Annotated[bool, Parameter(negative="", help="CKA between any two layers, too.")] = False,
    kind: Annotated[Literal["linear", "rbf"] | None, Parameter(help="The kernel of the CKA; linear by default.")] = None,
    biased: Annotated[bool, Parameter(negative="", help="The usual, biased CKA instead of the debiased one.")] = False,
    images: Annotated[
        int | None,
        Parameter(
            converter=exactly(Count), help="At most so many test images for the CKA, from the first; 2000 by default."
        ),
    ] = None,
    picture: Annotated[
        Path | None, Parameter(help="Save pictures; their names begin like this one (png, svg, pdf).")
    ] = None,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    device: Device = None,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Compare and print; the help stands where the command is named."""
    from didact.cli.missing import missing_teachers
    from didact.measure.comparison import compare

    shape = form(format, json)
    picture = picture_path(picture)
    compared = _layers(images, kind, biased, layers or picture is not None)
    records = answer.opened(store, trust_store)
    comparison = compare(records, run, against, compared, answer.device(device))
    if comparison.other is None:
        missing_teachers(records, [comparison.own.run])
    _print(comparison, shape, {"cka": None} if compared and not comparison.layers else {}, picture)
    if picture is not None:
        _draw(comparison, picture, announced=shape == "text")
    return 0


def _print(comparison: Comparison, form: Form, more: dict[str, Any], picture: Path | None) -> None:
    """The summary, then tables; ``more`` is for programs."""
    from didact.tables import look

    plain = None
    if form == "json":
        from didact.report.figures.look import paths

        drawn = [str(path) for path in paths(comparison, picture).values()] if picture is not None else []
        plain = comparison.plain() | more | {"pictures": drawn}
    first, *rest = look.tables(comparison)
    summary = "\n".join(look.summary(comparison))
    if form == "text":
        say(summary)
    else:
        first = replace(first, note=summary)
    emit([first, *rest], form, plain)


def _layers(
    images: int | None, kind: Literal["linear", "rbf"] | None, biased: bool, compared: bool
) -> LayerComparison | None:
    """The comparison of layers that the options name.

    Raises:
        SpecError: none is, and it is said how.
    """
    from didact.measure.layers import LayerComparison

    given: dict[str, Any] = {"images": images, "kind": kind, "unbiased": False if biased else None}
    given = {name: value for name, value in given.items() if value is not None}
    if given and not compared:
        option = {"images": "--images", "kind": "--kind", "unbiased": "--biased"}[next(iter(given))]
        raise SpecError(f"{option} is for the comparison of layers: add --layers, or leave {option} out")
    return LayerComparison(**given) if compared else None


def _draw(comparison: Comparison, picture: Path, announced: bool) -> None:
    from didact.report.figures import canvas
    from didact.report.figures.look import left_out, paths, pictures
    from didact.report.text import stderr

    names = paths(comparison, picture)
    for what, figure in pictures(comparison).items():
        canvas.save(figure, names[what])
        if announced:
            say(f"Picture: {names[what]}")
    for what, why in left_out(comparison).items():
        stderr().print(f"no picture of {what}: {why}")
