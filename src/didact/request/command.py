"""From a teacher's Run back to the commands that train it and that distil from it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from didact.data import Data
from didact.engine.recipe import RECIPES, settings
from didact.nets.supernet import SPACES, Pool
from didact.request.plan import plan
from didact.request.tokens import parse
from didact.runs.run import Run
from didact.spec import SpecError, to_json


def command(teacher: Run, students: Sequence[str], store: Path) -> str | None:
    """``didact train`` for these students, with this very teacher, on its data and by its recipe.

    None for a teacher that the command line cannot describe.
    """
    asked = {"net": ",".join(students), "teacher.net": teacher.net, "teacher.method": teacher.method.name()}
    asked |= _method(teacher, "teacher.method")
    asked |= {"teacher.start": "standard"} if teacher.start else {}
    asked |= {"teacher.seed": teacher.seed} if teacher.seed else {}
    words = _words(asked | _surroundings(teacher))
    found = _planned(words)
    if not found or any(run.teacher is None or run.teacher.digest != teacher.digest for run in found):
        return None
    return _command(words, store)


def alone(teacher: Run, store: Path) -> str | None:
    """``didact train`` for this very teacher and nobody else. None for one that the command line cannot describe so."""
    asked = {"net": teacher.net, "method": teacher.method.name()} | _method(teacher, "method")
    asked |= {"seed": teacher.seed} if teacher.seed else {}
    words = _words(asked | _surroundings(teacher))
    return _command(words, store) if [run.digest for run in _planned(words)] == [teacher.digest] else None


def _command(words: Sequence[str], store: Path) -> str:
    return shlex.join(["didact", "train", *words, "--store", str(store)])


def _words(asked: dict[str, Any]) -> list[str]:
    return [word for key, value in asked.items() for word in (f"--{key}", _text(value))]


def _planned(words: Sequence[str]) -> list[Run]:
    """What the words ask for; nothing where they cannot be meant."""
    try:
        return plan(parse(words))
    except SpecError:
        return []


def _surroundings(teacher: Run) -> dict[str, Any]:
    """Data and recipe, which a student has too."""
    recipe, changed = _recipe(teacher)
    asked: dict[str, Any] = {"data_seed": teacher.data_seed} if teacher.data_seed else {}
    asked |= {"data": teacher.data.name} | _differing("data", to_json(teacher.data), to_json(Data(name=teacher.data.name)))
    return asked | {"recipe": recipe} | _differing("recipe", changed, {})


def _method(teacher: Run, below: str) -> dict[str, Any]:
    """The settings of the teacher's method that are not its defaults."""
    found: dict[str, Any] = {}
    for name, field in type(teacher.method).__dataclass_fields__.items():  # type: ignore[attr-defined]
        value = getattr(teacher.method, name)
        if name == "pool":
            known = next((key for key, space in SPACES.items() if space == value), None)
            found[f"{below}.pool"] = known or (",".join(value.members) if isinstance(value, Pool) else to_json(value))
        elif value != field.default:
            found[f"{below}.{name}"] = to_json(value)
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
