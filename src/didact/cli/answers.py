"""``didact answers``. Imports no torch before it runs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from didact.cli.options import STORE, Json, StorePath
from didact.cli.output import Format, emit, form
from didact.spec import SpecError, shown


def answers(
    *,
    drop: Annotated[
        str | None, Parameter(help="Remove those of this teacher (its label or digest, or their beginning), or all.")
    ] = None,
    store: StorePath = STORE,
    format: Format = "text",
    json: Json = False,
) -> int:
    """List kept answers, or those that were removed; the help stands where the command is named."""
    from didact.store.answers.series import Answers
    from didact.tables.answers import kept_answers

    shape = form(format, json)
    if drop is not None and not drop.strip():
        raise SpecError("drop: a teacher's label or digest, or its beginning; or all")
    kept = Answers(store, 1)
    series = kept.series() if drop is None else kept.drop("" if drop == "all" else drop)
    if drop is not None and not series:
        raise SpecError(
            f"drop: no answers of a teacher {shown(drop)} are kept in {store}; didact answers lists those that are"
        )
    listing = kept_answers(series)
    emit([listing.table], shape, listing.plain)
    return 0
