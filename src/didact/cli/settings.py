"""Settings from the command line: ``--a.b value`` and ``--a.b=value`` into nested dicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from didact.spec import SpecError, assign


def parse(tokens: Sequence[str]) -> dict[str, Any]:
    """A tree of settings from tokens; values are JSON where they can be (numbers, true, null, lists), text otherwise.

    Raises:
        SpecError: something that is not ``--key value``, or a key without a value.
    """
    tree: dict[str, Any] = {}
    rest = list(tokens)
    pairs: list[tuple[str, Any]] = []
    while rest:
        token = rest.pop(0)
        if not token.startswith("--") or token == "--":
            raise SpecError(f"expected --setting value, found {token!r}")
        key, equals, value = token[2:].partition("=")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise SpecError(f"--{key} needs a value")
            value = rest.pop(0)
        pairs.append((key.replace("-", "_"), _value(value)))
    # a name must not wipe out fields that were given before it, so short paths go first
    for key, value in sorted(pairs, key=lambda pair: pair[0].count(".")):
        assign(tree, key, value)
    return tree


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)
