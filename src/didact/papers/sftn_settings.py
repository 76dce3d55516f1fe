"""Settings of the SFTN paper's studies that only some tables read, and the values that they
take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from didact.papers.scales import of_method
from didact.spec import Flag, NonNegative, Positive, SpecError, from_json

TABLES_OF = {
    "method": ("1", "2", "7", "8"),
    "dml": ("4",),
    "kdcl": ("4",),
    "route": ("4",),
    "long": ("4",),
    "temperatures": ("5",),
    "weights": ("6",),
    "transfer": ("7",),
    "branches": ("9",),
}
"""The tables that read each setting."""

VALUES: dict[str, Any] = {
    "long": Flag,
    "temperatures": Annotated[tuple[Positive, ...], Field(min_length=1, max_length=100)],
    "weights": Annotated[tuple[NonNegative, ...], Field(min_length=1, max_length=100)],
}
"""Types of plain settings; a single number stands for a list of one."""

VARIED = {
    "temperature": {"5": "write temperatures=1,5,10"},
    "kl_weight": {"5": "write table=6 and weights=1,3,6 to vary it (it is 1 in table 5)", "6": "write weights=1,3,6"},
    "student": {"9": "write branches=SMALLER,EQUAL,LARGER"},
}
"""For each setting of SFTN, the tables that vary it themselves, and what to write instead."""


def check(request: Mapping[str, Any], tables: Sequence[str]) -> None:
    """Check that the requested tables read the settings, and that the values are valid.

    Raises:
        SpecError: the message names the setting and its tables.
    """
    for key, readers in TABLES_OF.items():
        if key in request and not set(readers) & set(tables):
            use = "use" if len(readers) > 1 else "uses"
            raise SpecError(f"{key}: only {_listed(readers)} {use} it; write table={readers[0]}, or leave {key} out")
    varied = {field: instead[tables[0]] for field, instead in VARIED.items() if set(tables) <= instead.keys()}
    of_method(request.get("sftn"), "sftn", "sftn", varied)
    for key, kind in VALUES.items():
        if key in request:
            value = request[key]
            single = isinstance(value, (int, float)) and not isinstance(value, bool) and key != "long"
            from_json(kind, [value] if single else value, key)


def _listed(tables: Sequence[str]) -> str:
    """Tables in words: "table 4", "tables 1, 2, 7 and 8"."""
    return f"tables {', '.join(tables[:-1])} and {tables[-1]}" if len(tables) > 1 else f"table {tables[0]}"
