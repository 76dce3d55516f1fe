"""How a setting is shown to a person, where its type and default do not say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Setting:
    """How a setting is shown to a person.

    Attributes:
        kind: its type in a word or two.
        default: what holds where it is left out.
        below: the spec that holds the settings below it, shown one by one.
        defaults: by setting below it, what holds where it is left out, where that is not the spec's
            own default.
    """

    kind: str
    default: str = "none"
    below: type | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
