"""From settings as a person gives them to Runs: names for specs, lists for grids, defaults for what is not said.

net      student network, or several: "resnet8x4", "resnet8x4,vgg8"
data     name or fields of Data                recipe    name ("short", "paper") or {"name": ..., fields}
method   name(s), with presets ("fitnet+kd"), or {"name": ..., fields}; fields of one of several: {"name": "kd,crd", "crd": {...}}
teacher  {"net": ..., "how": "standard,sftn" or {"name": ..., fields}, "recipe", "data", "seed", "data_seed", "start"};
         an assistant is a teacher that learns from one: {"net": ..., "how": "kd", "teacher": {the same, to any depth}}
start    "branches" (the student begins with the blocks of its SFTN teacher's first branch)
seeds    how many, from 0; or seed for a single one.  data_seed: order and augmentation
epochs, precision   short for those of the recipe
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from didact import nets
from didact.data import Data
from didact.engine.recipe import Recipe, best_precision, settings
from didact.method import Method
from didact.methods.ce import CE
from didact.spec import SpecError, choose, find, from_json, nearest, under
from didact.studies.run import Run

KEYS = ("net", "data", "recipe", "method", "teacher", "start", "seeds", "seed", "data_seed", "epochs", "precision")
TEACHER_KEYS = ("net", "how", "teacher", "data", "recipe", "seed", "data_seed", "start")


def plan(wanted: Mapping[str, Any], device: str = "cpu") -> list[Run]:
    """The runs that ``wanted`` describes, as a grid over networks, teachers, methods and seeds; students only.

    Teachers are part of the runs and are trained when the runs are asked for. Values that depend on the device
    (``precision="auto"``) or on the network (the paper's learning rates) are filled in here, so that a run's digest
    says what was computed.

    Raises:
        SpecError: unknown or misspelt keys at any depth, wrong types or values, names nobody knows.
    """
    _only(wanted, KEYS, "")
    if not isinstance(wanted.get("net"), str):
        raise SpecError("net: say which network is to learn, e.g. net=resnet8x4")
    wanted = _short_forms(wanted)
    seeds = range(from_json(int, wanted["seeds"], "seeds")) if "seeds" in wanted else [wanted.get("seed", 0)]
    if not seeds or ("seeds" in wanted and "seed" in wanted):
        raise SpecError("seeds: at least 1; and either seeds (how many) or seed (which one)")
    runs = []
    # the student's settings are checked before its teacher's, which inherit them
    from_json(Data, _named(wanted.get("data"), "digits"), "data")
    for net in map(nets.resolve, _names(wanted["net"])):
        from_json(Recipe, _recipe(wanted.get("recipe"), net, device), "recipe")
        for teacher in _teachers(wanted, net, device):
            for method in _methods(_named(wanted.get("method"), "kd" if teacher else "ce"), "method"):
                if teacher and not (method.needs.teacher or isinstance(method, CE)):
                    name = method.name()
                    raise SpecError(
                        f"method: '{name}' reads no teacher (needs says nothing of it), but one is given; "
                        f"to train the teacher by it write teacher.how={name}"
                    )
                runs += [_student(wanted, net, teacher, method, seed, device) for seed in seeds]
    return list({run.digest: run for run in runs}.values())


def _student(wanted: Mapping[str, Any], net: str, teacher: Run | None, method: Method, seed: Any, device: str) -> Run:
    tree = {
        "net": net,
        "data": _named(wanted.get("data"), "digits"),
        "recipe": _recipe(wanted.get("recipe"), net, device),
        "method": method,
        "teacher": teacher if method.needs.teacher else None,
        "seed": seed,
        "data_seed": wanted.get("data_seed", 0),
    }
    start = wanted.get("start")
    if start is not None and start != "branches":
        raise SpecError(f"start: 'branches' is all that is known, found {start!r}")
    if start == "branches" and not hasattr(teacher and teacher.method, "student"):
        raise SpecError("start: 'branches' needs a teacher that has branches, such as teacher.how=sftn")
    if start == "branches":
        tree["start"] = {"run": teacher, "part": "branches.0.net"}
    return from_json(Run, tree)


def _teachers(wanted: Mapping[str, Any], student: str, device: str, at: str = "teacher") -> list[Run | None]:
    """The teachers of ``student``; None alone where there is none. ``at``: the path of the settings, for messages."""
    given = wanted.get("teacher")
    if given is None:
        return [None]
    if not isinstance(given, (str, Mapping)):
        raise SpecError(f"{at}: expected a network's name or settings such as {at}.net, found {given!r}")
    given = {"net": given} if isinstance(given, str) else dict(given)
    _only(given, TEACHER_KEYS, f"{at}.")
    if not isinstance(given.get("net"), str):
        raise SpecError(f"{at}.net: say which network teaches, e.g. {at}.net=resnet32x4")
    try:
        net = nets.resolve(given["net"])
    except SpecError as error:
        raise SpecError(under(f"{at}.net", str(error))) from None
    given = _inherited(wanted, given)
    ways = _methods(_named(given.get("how"), "standard"), f"{at}.how", teaches=student)
    _sensible(ways, given, net, at)
    masters = _teachers(given, net, device, f"{at}.teacher")
    return [
        _teacher(given, net, way, master, device, at)
        for way in ways
        for master in (masters if way.needs.teacher else [None])
    ]


def _inherited(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A teacher takes its student's data, recipe and data seed where it is given none of its own."""
    return {
        **given,
        "data": _merged(_named(wanted.get("data"), "digits"), given.get("data")),
        "recipe": _merged(_named(wanted.get("recipe"), "short"), given.get("recipe")),
        "data_seed": given.get("data_seed", wanted.get("data_seed", 0)),
    }


def _sensible(ways: list[Method], given: Mapping[str, Any], net: str, at: str) -> None:
    """Whether the teacher's settings go together with the ``ways`` in which it is trained."""
    names = ",".join("standard" if way.name() == "ce" else way.name() for way in ways)
    learns = next((way.name() for way in ways if way.needs.teacher), None)
    if learns and given.get("teacher") is None:
        raise SpecError(
            f"{at}.teacher.net: {at}.how={learns} makes {net} an assistant, which learns from a teacher of its own; "
            f"name it, e.g. {at}.teacher.net=resnet20, or write {at}.how=standard"
        )
    if not learns and given.get("teacher") is not None:
        raise SpecError(
            f"{at}.teacher: {net} is given a teacher, but {at}.how={names} reads none; "
            f"write {at}.how=kd for an assistant, or leave {at}.teacher out"
        )
    if "start" in given and all(way.name() == "ce" for way in ways):
        raise SpecError(f"{at}.start: fine-tunes a teacher that is not standard, such as {at}.how=sftn")
    if given.get("start", "standard") not in ("standard", None):
        raise SpecError(
            f"{at}.start: 'standard' (fine-tune the standard teacher) is all that is known, found {given['start']!r}"
        )


def _teacher(given: Mapping[str, Any], net: str, way: Method, master: Run | None, device: str, at: str) -> Run:
    tree = {
        "net": net,
        "data": given["data"],
        "recipe": _recipe(given["recipe"], net, device),
        "seed": given.get("seed", 0),
        "data_seed": given["data_seed"],
    }
    start = None
    if given.get("start") and way.name() != "ce":
        start = {"run": from_json(Run, tree, at)}
    return from_json(Run, {**tree, "method": way, "teacher": master, "start": start}, at)


def _methods(fields: dict[str, Any], at: str, teaches: str | None = None) -> list[Method]:
    """Methods from names and fields. For a teacher of ``teaches``, "standard" is the labels alone, and a method that asks for
    its student is told."""
    found = []
    if teaches is not None and fields["name"] == "standard" and len(fields) > 1:
        key = next(k for k in fields if k != "name")
        raise SpecError(f"{at}.{key}: a standard teacher has no such setting; say for whom it is, e.g. {at}=sftn")
    names = _names(fields["name"])
    bases = {name.partition("+")[0] for name in names}
    shared = {key: value for key, value in fields.items() if key not in bases}
    for name in names:
        own = fields.get(name.partition("+")[0], {})
        if not isinstance(own, Mapping):
            raise SpecError(f"{at}.{name}: expected settings such as {at}.{name}.temperature, found {own!r}")
        one = {**shared, **own, "name": name}
        try:
            if teaches is not None:
                one["name"] = "ce" if name == "standard" else name
                takes = getattr(find(Method, one["name"].partition("+")[0]), "__dataclass_fields__", {})
                if "student" in takes:
                    one.setdefault("student", teaches)
                elif name == "standard":
                    one = {"name": "ce"}
            found.append(choose(Method, one))
        except SpecError as error:
            of = f" (of '{name}': a setting must exist in every method of the list)" if len(names) > 1 else ""
            raise SpecError(under(at, str(error)) + of) from None
    return found


def _recipe(given: Any, net: str, device: str) -> dict[str, Any]:
    fields = {"precision": "auto"} | _named(given, "short")
    if fields["precision"] == "auto":
        fields["precision"] = best_precision(device)
    return settings(fields.pop("name"), net) | fields


def _short_forms(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Epochs and precision put into the recipe.

    Raises:
        SpecError: the recipe says something else already.
    """
    wanted = dict(wanted)
    for key in ("epochs", "precision"):
        if key in wanted:
            recipe = _named(wanted.get("recipe"), "short")
            if recipe.get(key, wanted[key]) != wanted[key]:
                raise SpecError(f"{key}: {wanted[key]!r} contradicts recipe.{key}: {recipe[key]!r}")
            wanted["recipe"] = recipe | {key: wanted.pop(key)}
    return wanted


def _named(given: Any, default: str) -> dict[str, Any]:
    """Settings with a name: ``given`` as they are, under the name ``default`` where they have none."""
    if isinstance(given, (list, tuple)):
        given = ",".join(given)
    return {"name": default} | ({} if given is None else {"name": given} if isinstance(given, str) else dict(given))


def _merged(first: dict[str, Any], second: Any) -> dict[str, Any]:
    """The settings ``second`` laid over ``first``; a different name starts afresh."""
    second = _named(second, first["name"])
    return second if second["name"] != first["name"] else first | second


def _names(given: Any) -> list[str]:
    names = [part.strip() for part in given.split(",")] if isinstance(given, str) else list(given)
    if not names or not all(names):
        raise SpecError(f"expected a name, or names separated by commas, found {given!r}")
    return names


def _only(given: Mapping[str, Any], keys: tuple[str, ...], at: str) -> None:
    for key in given:
        if key not in keys:
            raise SpecError(f"{at}{key}: no such setting{nearest(key, keys)}")
