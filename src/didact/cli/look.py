"""``didact look``: compares a run with its teacher or another run. Imports no torch before it
runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, Device, Json, StorePath, TrustStore, exactly
from didact.cli.output import Form, Format, emit, form, picture_path, save_picture
from didact.spec import Count, SpecError
from didact.streams import say

if TYPE_CHECKING:
    from didact.measure.comparison import Comparison
    from didact.measure.layers import LayerComparison


def look(
    run: Annotated[str, Parameter(help="A digest, or the beginning of one, or a folder's name.")],
    *,
    against: Annotated[str | None, Parameter(help="Another run on the same data; default: the run's teacher.")] = None,
    layers: Annotated[bool, Parameter(negative="", help="Add the CKA of every pair of layers.")] = False,
    kind: Annotated[Literal["linear", "rbf"] | None, Parameter(help="The kernel of the CKA; default: linear.")] = None,
    biased: Annotated[bool, Parameter(negative="", help="The usual, biased CKA instead of the debiased one.")] = False,
    images: Annotated[
        int | None,
        Parameter(converter=exactly(Count), help="How many test images to use for the CKA at most; default: 2000."),
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
    """Compare and print. The help text is in :mod:`didact.cli.main`."""
    from didact.cli.missing import missing_teachers
    from didact.measure.comparison import compare
    from didact.report.figures.look import files

    shape = form(format, json)
    picture = picture_path(picture, lambda path: files(path).values())
    compared = _layers(images, kind, biased, layers or picture is not None)
    records = answer.opened(store, trust_store)
    comparison = compare(records, run, against, compared, answer.device(device))
    if comparison.other is None:
        missing_teachers(records, [comparison.own.run])
    _print(comparison, shape, {"cka": None} if compared and not comparison.layers else {}, picture)
    if picture is not None:
        _draw(comparison, picture, shape)
    return 0


def _print(comparison: Comparison, form: Form, more: dict[str, Any], picture: Path | None) -> None:
    """Print the summary, then the tables. ``more``: additional JSON data."""
    from didact.tables import look

    plain = None
    if form == "json":
        from didact.report.figures.look import paths

        drawn = [str(path) for path in paths(comparison, picture).values()] if picture is not None else []
        plain = comparison.plain() | more | {"pictures": drawn}
    first, *others = look.tables(comparison)
    summary = "\n".join(look.summary(comparison))
    if form == "text":
        say(summary)
    else:
        first = replace(first, note=summary)
    emit([first, *others], form, plain)


def _layers(
    images: int | None, kind: Literal["linear", "rbf"] | None, biased: bool, compared: bool
) -> LayerComparison | None:
    """The settings of the comparison of layers; None without one.

    Raises:
        SpecError: options of a comparison of layers, but no comparison.
    """
    from didact.measure.layers import LayerComparison

    options: dict[str, Any] = {"images": images, "kind": kind, "unbiased": False if biased else None}
    options = {name: value for name, value in options.items() if value is not None}
    if options and not compared:
        option = {"images": "--images", "kind": "--kind", "unbiased": "--biased"}[next(iter(options))]
        raise SpecError(f"{option} is for the comparison of layers: add --layers, or leave {option} out")
    return LayerComparison(**options) if compared else None


def _draw(comparison: Comparison, picture: Path, form: Form) -> None:
    from didact.report.figures.look import left_out, paths, pictures
    from didact.report.text import stderr

    names = paths(comparison, picture)
    for name, figure in pictures(comparison).items():
        save_picture(figure, names[name], form)
    for name, why in left_out(comparison).items():
        stderr().print(f"no picture of {name}: {why}")
