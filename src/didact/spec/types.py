"""Types of plain values, with their valid ranges."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict

LARGEST = 1e9
"""Upper limit of weights, rates and temperatures; their squares and products still fit into
float32."""
SMALLEST = 1e-12
"""Lower limit of rates and temperatures that must be positive."""
MOST = 10**6
"""Upper limit of counts, such as epochs, images or channels."""

Flag = Annotated[bool, Strict()]
Number = Annotated[float, Strict(), Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Positive = Annotated[float, Strict(), Field(ge=SMALLEST, le=LARGEST, allow_inf_nan=False)]
NonNegative = Annotated[float, Strict(), Field(ge=0, le=LARGEST, allow_inf_nan=False)]
Share = Annotated[float, Strict(), Field(gt=0, le=1)]
Count = Annotated[int, Strict(), Field(ge=1, le=MOST)]
Amount = Annotated[int, Strict(), Field(ge=1, le=10**15)]
"""What is counted by the million: parameters, operations, bytes."""
Seed = Annotated[int, Strict(), Field(ge=0, lt=2**63)]
Seeds = Annotated[int, Strict(), Field(ge=1, le=1000)]
"""Number of training seeds."""

UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
"""How memory may be written: decimal units, and the binary ones that chips are built in."""


def _bytes(value: Any) -> Any:
    """``"512 KiB"`` as a number of bytes; anything that is no text is left to the field."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([A-Za-z]+)\s*", value)
    if not match or match[2] not in UNITS:
        raise ValueError(f"a number of bytes, or a text such as '512 KiB'; units: {', '.join(UNITS)}")
    return int(float(match[1]) * UNITS[match[2]])


Bytes = Annotated[int, Field(ge=1, le=10**15), BeforeValidator(_bytes)]
"""An amount of memory, as a number or with a unit."""
