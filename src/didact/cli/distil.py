"""From a teacher's Run back to the command that distils from it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from didact.cli.settings import parse
from didact.data import Data
from didact.engine.recipe import RECIPES, settings
from didact.nets.supernet import SPACES, Pool
from didact.spec import SpecError, to_json
from didact.studies.plan import plan
from didact.studies.run import Run


def command(teacher: Run, students: Sequence[str], store: Path) -> str | None:
    """``didact train`` for these students, with this very teacher, on its data and by its recipe.

    None for a teacher that the command line cannot describe.
    """
    recipe, changed = _recipe(teacher)
    asked = {"net": ",".join(students), "teacher.net": teacher.net, "teacher.how": teacher.method.name()}
    asked |= _method(teacher)
    asked |= {"teacher.start": "standard"} if teacher.start else {}
    asked |= {"teacher.seed": teacher.seed} if teacher.seed else {}
    asked |= {"data_seed": teacher.data_seed} if teacher.data_seed else {}
    asked |= {"data": teacher.data.name} | _differing("data", to_json(teacher.data), to_json(Data(name=teacher.data.name)))
    asked |= {"recipe": recipe} | _differing("recipe", changed, {})
    words = [word for key, value in asked.items() for word in (f"--{key}", _text(value))]
    try:
        found = plan(parse(words))
    except SpecError:
        return None
    if any(run.teacher is None or run.teacher.digest != teacher.digest for run in found):
        return None
    return shlex.join(["didact", "train", *words, "--store", str(store)])


def _method(teacher: Run) -> dict[str, Any]:
    """The settings of the teacher's method that are not its defaults."""
    found: dict[str, Any] = {}
    for name, field in type(teacher.method).__dataclass_fields__.items():  # type: ignore[attr-defined]
        value = getattr(teacher.method, name)
        if name == "pool":
            known = next((key for key, space in SPACES.items() if space == value), None)
            found["teacher.how.pool"] = known or (",".join(value.members) if isinstance(value, Pool) else to_json(value))
        elif value != field.default:
            found[f"teacher.how.{name}"] = to_json(value)
    return found


def _recipe(teacher: Run) -> tuple[str, dict[str, Any]]:
    """The named recipe that comes nearest to the teacher's, and what differs; its precision is always said."""
    own = to_json(teacher.recipe)
    changes = {}
    for name in RECIPES:
        known = settings(name, teacher.net)
        changes[name] = {key: value for key, value in own.items() if key == "precision" or value != known[key]}
    name = min(changes, key=lambda name: len(changes[name]))
    return name, changes[name]


def _differing(below: str, own: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    return {f"{below}.{key}": value for key, value in own.items() if key not in known or value != known[key]}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
