"""What a study says of itself, for ``didact list studies``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class About:
    """One table or figure of a study.

    Attributes:
        what: what it compares.
        data: the images at scale ``paper``.
        networks: the networks at scale ``paper``.
        source: paper and table, with a link.
        settings: what makes the study of this table alone.
        images: training images at scale ``paper``, where the data have to be given.
        trains: whether it trains anything.
    """

    what: str
    data: str
    networks: str
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    images: int | None = None
    trains: bool = True
