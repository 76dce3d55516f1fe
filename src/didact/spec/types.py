"""Types of plain values, with the range in which each makes sense."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

LARGEST = 1e9
"""No weight, rate or temperature is larger; their squares and products still are numbers of 32 bits."""
SMALLEST = 1e-12
"""No rate or temperature that must be above 0 is smaller."""
MOST = 10**6
"""No count, such as of epochs, images or channels, is larger."""

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
"""How many seeds a grid is trained with."""
