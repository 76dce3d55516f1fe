"""From settings as a person gives them to Runs: names for specs, lists for grids, defaults for what is not said.

net      student network, or several: "resnet8x4", "resnet8x4,vgg8"
data     name or fields of Data                recipe    name ("short", "paper") or {"name": ..., fields}
method   name(s), with presets ("fitnet+kd"), or {"name": ..., fields}; fields of one of several: {"name": "kd,crd", "crd": {...}}
teacher  {"net": ..., "method": "standard,sftn" or {"name": ..., fields}, "recipe", "data", "seed", "data_seed", "start"};
         an assistant is a teacher that learns from one: {"net": ..., "method": "kd", "teacher": {the same, to any depth}}
route    "equal" or "greedy", with settings {"anchors", "threshold"}: the student follows the teacher's route (RCO)
peers    the networks it learns together with, for methods that look at peers: {"net": "resnet20" or several, "method", "recipe",
         "seed"}, where these are not its own; several are one group of them all
start    "branches" (the student begins with the blocks of its SFTN teacher's first branch)
seeds    how many, from 0; or seed for a single one.  data_seed: order and augmentation
epochs, precision   short for those of the recipe

Messages name a setting by its path, with a value as in teacher.method=sftn: {"teacher": {"method": "sftn"}} here,
--teacher.method=sftn or --teacher.method sftn on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from didact import nets
from didact.data import Data
from didact.engine.recipe import Recipe
from didact.method import Method
from didact.methods.ce import CE
from didact.request.methods import methods
from didact.request.settings import below, merged, named, only_known, recipe_fields, several, short_forms
from didact.runs.groups import Peer, placed
from didact.runs.run import Run
from didact.spec import Seeds, SpecError, from_json, shown
from didact.teaching.route import Route

STUDENT_KEYS = ("net", "method", "route", "peers", "start", "seeds", "seed")
KEYS = (*STUDENT_KEYS, "data", "recipe", "teacher", "data_seed", "epochs", "precision")
PEER_KEYS = ("net", "method", "recipe", "seed")
TEACHER_KEYS = ("net", "method", "teacher", "data", "recipe", "seed", "data_seed", "start")


def plan(wanted: Mapping[str, Any], device: str = "cpu") -> list[Run]:
    """The runs that ``wanted`` describes, as a grid over networks, teachers, methods and seeds; students only.

    Teachers are part of the runs and are trained when the runs are asked for. Values that depend on the device
    (``precision="auto"``) or on the network (the paper's learning rates) are filled in here, so that a run's digest
    says what was computed.

    Raises:
        SpecError: unknown or misspelt keys at any depth, wrong types or values, names nobody knows.
    """
    only_known(wanted, KEYS, "")
    if wanted.get("net") is None:
        raise SpecError("net: say which network is to learn, e.g. net=resnet8x4")
    wanted = short_forms(wanted)
    if "seeds" in wanted and "seed" in wanted:
        raise SpecError("seeds: write seeds=3 (how many) or seed=3 (which one), not both")
    seeds = range(from_json(Seeds, wanted["seeds"], "seeds")) if "seeds" in wanted else [wanted.get("seed", 0)]
    runs = []  # the student's settings are checked before its teacher's, which inherit them
    from_json(Data, named(wanted.get("data"), "digits", "data"), "data")
    names = several(wanted["net"], "net")
    with below("net"):
        students = [nets.resolve(name) for name in names]
    for net in students:
        from_json(Recipe, recipe_fields(wanted.get("recipe"), net, device, "recipe"), "recipe")
        for teacher in _teachers(wanted, net, device):
            usual = "kd" if teacher else "dml" if wanted.get("peers") else "ce"
            for method in methods(named(wanted.get("method"), usual, "method"), "method"):
                company = bool(wanted.get("peers") and method.needs.peers)
                if teacher and not (method.needs.teacher or company or isinstance(method, CE)):
                    raise SpecError(
                        f"method: '{method.name()}' reads no teacher (needs says nothing of it), but one is given; "
                        f"to train the teacher by it write teacher.method={method.name()}"
                    )
                runs += [_student(wanted, net, teacher, method, seed, device) for seed in seeds]
    if wanted.get("route") is not None and not any(run.route for run in runs):
        raise SpecError(
            "route: it is a teacher's, and no method that is asked for has one; "
            "write e.g. teacher.net=resnet20 and method=kd, or leave route out"
        )
    if wanted.get("peers") and not any(run.peers for run in runs):
        raise SpecError(
            "peers: no method that is asked for looks at peers; write method=dml or method=kdcl, or leave peers out"
        )
    return list({run.digest: run for run in runs}.values())


def _student(wanted: Mapping[str, Any], net: str, teacher: Run | None, method: Method, seed: Any, device: str) -> Run:
    tree = {
        "net": net,
        "data": named(wanted.get("data"), "digits", "data"),
        "recipe": recipe_fields(wanted.get("recipe"), net, device, "recipe"),
        "method": method,
        "teacher": teacher if method.needs.teacher else None,
        "seed": seed,
        "data_seed": wanted.get("data_seed", 0),
    }
    if method.needs.teacher and wanted.get("route") is not None:
        fields = named(wanted["route"], "equal", "route")
        tree["route"] = from_json(Route, {"schedule": fields.pop("name")} | fields, "route")
    if method.needs.peers:
        tree |= _peers(wanted, from_json(Peer, {key: tree[key] for key in PEER_KEYS}), device)
    start = wanted.get("start")
    if start is not None and start != "branches":
        raise SpecError(f"start: write start=branches, or leave start out; found {shown(start)}")
    if start == "branches" and not hasattr(teacher and teacher.method, "student"):
        raise SpecError("start: needs a teacher that has branches, such as teacher.method=sftn")
    if start == "branches":
        tree["start"] = {"run": teacher, "part": "branches.0.net"}
    return from_json(Run, tree)


def _peers(wanted: Mapping[str, Any], own: Peer, device: str) -> dict[str, Any]:
    """The networks that learn together with ``own``, and its turn among them."""
    given = wanted.get("peers")
    if given is None:
        return {}
    if not isinstance(given, (str, Mapping)):
        raise SpecError(f"peers: expected networks' names or settings such as peers.net, found {shown(given)}")
    given = {"net": given} if isinstance(given, str) else dict(given)
    only_known(given, PEER_KEYS, "peers.")
    if given.get("net") is None:
        raise SpecError("peers.net: say which networks learn together with it, e.g. peers.net=resnet20")
    ways = methods(named(given["method"], "", "peers.method"), "peers.method") if "method" in given else [own.method]
    if len(ways) > 1:
        raise SpecError(f"peers.method: one for all peers, such as peers.method=ce; found {shown(given['method'])}")
    how = merged(named(wanted.get("recipe"), "short", "recipe"), given.get("recipe"), "peers.recipe")
    others = []
    for net in several(given["net"], "peers.net"):
        one = from_json(Peer, {"net": net, "method": ways[0], "seed": given.get("seed", own.seed)}, "peers")
        others.append(
            replace(one, recipe=from_json(Recipe, recipe_fields(how, one.net, device, "peers.recipe"), "peers.recipe"))
        )
    peers, turn = placed(own, others)
    return {"peers": peers, "turn": turn}


def _teachers(wanted: Mapping[str, Any], student: str, device: str, at: str = "teacher") -> list[Run | None]:
    """The teachers of ``student``; None alone where there is none. ``at``: the path of the settings, for messages."""
    given = wanted.get("teacher")
    if given is None:
        return [None]
    if not isinstance(given, (str, Mapping)):
        raise SpecError(f"{at}: expected a network's name or settings such as {at}.net, found {shown(given)}")
    given = {"net": given} if isinstance(given, str) else dict(given)
    only_known(given, TEACHER_KEYS, f"{at}.")
    if not isinstance(given.get("net"), str):
        raise SpecError(f"{at}.net: say which network teaches, e.g. {at}.net=resnet32x4; found {shown(given.get('net'))}")
    with below(f"{at}.net"):
        net = nets.resolve(given["net"])
    given = _inherited(wanted, given, at)
    ways = methods(named(given.get("method"), "standard", f"{at}.method"), f"{at}.method", teaches=student)
    _sensible(ways, given, net, at)
    masters = _teachers(given, net, device, f"{at}.teacher")
    return [
        _teacher(given, net, way, master, device, at)
        for way in ways
        for master in (masters if way.needs.teacher else [None])
    ]


def _inherited(wanted: Mapping[str, Any], given: Mapping[str, Any], at: str) -> dict[str, Any]:
    """A teacher takes its student's data, recipe and data seed where it is given none of its own."""
    return {
        **given,
        "data": merged(named(wanted.get("data"), "digits", "data"), given.get("data"), f"{at}.data"),
        "recipe": merged(named(wanted.get("recipe"), "short", "recipe"), given.get("recipe"), f"{at}.recipe"),
        "data_seed": given.get("data_seed", wanted.get("data_seed", 0)),
    }


def _sensible(ways: list[Method], given: Mapping[str, Any], net: str, at: str) -> None:
    """Whether the teacher's settings go together with the ``ways`` in which it is trained."""
    names = ",".join("standard" if way.name() == "ce" else way.name() for way in ways)
    among = next((way.name() for way in ways if way.needs.peers), None)
    if among:
        raise SpecError(
            f"{at}.method: '{among}' learns from peers, and a teacher has none; write {at}.method=sftn or {at}.method=standard"
        )
    learns = next((way.name() for way in ways if way.needs.teacher), None)
    if learns and given.get("teacher") is None:
        raise SpecError(
            f"{at}.teacher.net: {at}.method={learns} makes {net} an assistant, which learns from a teacher of its own; "
            f"name it, e.g. {at}.teacher.net=resnet20, or write {at}.method=standard"
        )
    if not learns and given.get("teacher") is not None:
        raise SpecError(
            f"{at}.teacher: {net} is given a teacher, but {at}.method={names} reads none; "
            f"write {at}.method=kd for an assistant, or leave {at}.teacher out"
        )
    if "start" in given and all(way.name() == "ce" for way in ways):
        raise SpecError(f"{at}.start: fine-tunes a teacher that is not standard, such as {at}.method=sftn")
    if given.get("start", "standard") not in ("standard", None):
        raise SpecError(
            f"{at}.start: write {at}.start=standard (it fine-tunes the standard teacher), or leave it out; "
            f"found {shown(given['start'])}"
        )


def _teacher(given: Mapping[str, Any], net: str, way: Method, master: Run | None, device: str, at: str) -> Run:
    tree = {
        "net": net,
        "data": given["data"],
        "recipe": recipe_fields(given["recipe"], net, device, f"{at}.recipe"),
        "seed": given.get("seed", 0),
        "data_seed": given["data_seed"],
    }
    start = None
    if given.get("start") and way.name() != "ce":
        start = {"run": from_json(Run, tree, at)}
    return from_json(Run, {**tree, "method": way, "teacher": master, "start": start}, at)
