"""From settings as a person gives them to Runs: names for specs, lists for grids, defaults for what is not said.

net      student network, or several: "resnet8x4", "resnet8x4,vgg8"
data     name or fields of Data                recipe    name ("short", "paper") or {"name": ..., fields}
method   name(s), with presets ("fitnet+kd"), or {"name": ..., fields}
teacher  {"net": ..., "how": "standard,sftn" or {"name": ..., fields}, "recipe", "data", "seed", "data_seed", "start"}
start    "branches" (the student begins with the blocks of its SFTN teacher's first branch)
seeds    how many, from 0; or seed for a single one.  data_seed: order and augmentation
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from didact.engine.recipe import best_precision, settings
from didact.method import Method
from didact.spec import SpecError, choose, find, from_json, nearest
from didact.studies.run import Run

KEYS = ("net", "data", "recipe", "method", "teacher", "start", "seeds", "seed", "data_seed")
TEACHER_KEYS = ("net", "how", "data", "recipe", "seed", "data_seed", "start")


def plan(wanted: Mapping[str, Any], device: str = "cpu") -> list[Run]:
    """The runs that ``wanted`` describes, as a grid over networks, teachers, methods and seeds; students only.

    Teachers are part of the runs and are trained when the runs are asked for. Values that depend on the device
    (``precision="auto"``) or on the network (the paper's learning rates) are filled in here, so that a run's digest
    says what was computed.

    Raises:
        SpecError: unknown or misspelt keys at any depth, wrong types or values, names nobody knows.
    """
    _only(wanted, KEYS, "")
    if "net" not in wanted:
        raise SpecError("net: say which network is to learn, e.g. net=resnet8x4")
    seeds = range(from_json(int, wanted["seeds"], "seeds")) if "seeds" in wanted else [wanted.get("seed", 0)]
    if not seeds or ("seeds" in wanted and "seed" in wanted):
        raise SpecError("seeds: at least 1; and either seeds (how many) or seed (which one)")
    runs = []
    for net in _names(wanted["net"]):
        for teacher in _teachers(wanted, net, device):
            for method in _methods(wanted.get("method", "kd" if teacher else "ce")):
                runs += [_student(wanted, net, teacher, method, seed, device) for seed in seeds]
    return list({run.digest: run for run in runs}.values())


def _student(wanted: Mapping[str, Any], net: str, teacher: Run | None, method: Method, seed: Any, device: str) -> Run:
    tree = {
        "net": net,
        "data": _data(wanted.get("data", "digits")),
        "recipe": _recipe(wanted.get("recipe", "short"), net, device),
        "method": method,
        "teacher": teacher if method.needs.teacher else None,
        "seed": seed,
        "data_seed": wanted.get("data_seed", 0),
    }
    start = wanted.get("start")
    if start is not None and start != "branches":
        raise SpecError(f"start: 'branches' is all that is known, found {start!r}")
    if start == "branches" and teacher is None:
        raise SpecError("start: 'branches' needs a teacher that has branches, such as teacher.how=sftn")
    if start == "branches":
        tree["start"] = {"run": teacher, "part": "branches.0.net"}
    return from_json(Run, tree)


def _teachers(wanted: Mapping[str, Any], student: str, device: str) -> list[Run | None]:
    given = wanted.get("teacher")
    if given is None:
        return [None]
    given = {"net": given} if isinstance(given, str) else dict(given)
    _only(given, TEACHER_KEYS, "teacher.")
    if "net" not in given:
        raise SpecError("teacher.net: say which network teaches, e.g. teacher.net=resnet32x4")
    ways = _methods(given.get("how", "standard"), teaches=student)
    return [_teacher(wanted, given, str(given["net"]), way, device) for way in ways]


def _teacher(wanted: Mapping[str, Any], given: Mapping[str, Any], net: str, way: Method, device: str) -> Run:
    """A teacher takes the student's data and recipe where it is given none of its own."""
    recipe = _merged(wanted.get("recipe", "short"), given.get("recipe"))
    tree = {
        "net": net,
        "data": _data(_merged(wanted.get("data", "digits"), given.get("data"))),
        "recipe": _recipe(recipe, net, device),
        "method": way,
        "seed": given.get("seed", 0),
        "data_seed": given.get("data_seed", wanted.get("data_seed", 0)),
    }
    start = given.get("start")
    if start is not None and start != "standard":
        raise SpecError(f"teacher.start: 'standard' (fine-tune the standard teacher) is all that is known, found {start!r}")
    if start == "standard" and way.name() != "ce":
        tree["start"] = {"run": from_json(Run, {**tree, "method": "ce"}, "teacher")}
    return from_json(Run, tree, "teacher")


def _methods(given: Any, teaches: str | None = None) -> list[Method]:
    """Methods from names and fields. For a teacher of ``teaches``, "standard" is the labels alone, and a method that asks for
    its student is told."""
    fields = {"name": given} if isinstance(given, str) else dict(given)
    at = "method" if teaches is None else "teacher.how"
    if "name" not in fields:
        raise SpecError(f"{at}: a method needs a name")
    found = []
    for name in _names(fields["name"]):
        one = dict(fields, name=name)
        if teaches is not None:
            one["name"] = "ce" if name == "standard" else name
            takes = getattr(find(Method, one["name"].partition("+")[0]), "__dataclass_fields__", {})
            if "student" in takes:
                one.setdefault("student", teaches)
            elif name == "standard":
                one = {"name": "ce"}
        try:
            found.append(choose(Method, one))
        except SpecError as error:
            raise SpecError(
                "\n".join(f"{at}.{line}" if ": " in line else f"{at}: {line}" for line in str(error).split("\n"))
            ) from None
    return found


def _recipe(given: Any, net: str, device: str) -> dict[str, Any]:
    fields = (
        {"name": given, "precision": "auto"} if isinstance(given, str) else {"name": "short", "precision": "auto", **given}
    )
    if fields["precision"] == "auto":
        fields["precision"] = best_precision(device)
    return settings(fields.pop("name"), net) | fields


def _data(given: Any) -> dict[str, Any]:
    return {"name": given} if isinstance(given, str) else dict(given)


def _merged(first: Any, second: Any) -> Any:
    """The settings ``second`` laid over ``first``; a different name starts afresh."""
    if second is None:
        return first
    first = {"name": first} if isinstance(first, str) else dict(first)
    second = {"name": second} if isinstance(second, str) else dict(second)
    if "name" in second and second["name"] != first.get("name"):
        return second
    return first | second


def _names(given: Any) -> list[str]:
    names = [part.strip() for part in given.split(",")] if isinstance(given, str) else list(given)
    if not names or not all(names):
        raise SpecError(f"expected a name, or names separated by commas, found {given!r}")
    return names


def _only(given: Mapping[str, Any], keys: tuple[str, ...], at: str) -> None:
    for key in given:
        if key not in keys:
            raise SpecError(f"{at}{key}: no such setting{nearest(key, keys)}")
