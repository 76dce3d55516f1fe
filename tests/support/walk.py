"""For tests that walk the catalogue: every method, made with what it requires."""

from __future__ import annotations

import dataclasses
from typing import Any

from didact.method import Method
from didact.spec import catalogue, choose, find

NAMES = list(catalogue(*Method.homes))
TAUGHT = [name for name in catalogue("didact.methods") if name != "ce"]
"""The methods that learn from a teacher."""

REQUIRED = {"student": "resnet8", "inner": "kd", "pool": "resnet8"}
"""What stands in fields that have no default, by the field's name."""


def made(name: str, **changes: Any) -> Method:
    """The method ``name`` (with a preset or not), with what it requires."""
    cls = find(Method, name.partition("+")[0])
    required = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]  # type: ignore[arg-type]
    return choose(Method, {"name": name, **{field: REQUIRED[field] for field in required}, **changes})


ALONE = [name for name in NAMES if not made(name).needs.peers]
"""Those that can be trained alone; how peers are trained is tested in tests/peers."""
