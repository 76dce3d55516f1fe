"""From a request to Runs: names for specs, lists for grids, defaults for what is left out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from didact import nets
from didact.data import Data
from didact.engine.recipe import Recipe
from didact.engine.recipes import teaching
from didact.method import Method
from didact.request.methods import methods
from didact.request.schema import PeersRequest, Request, TeacherRequest
from didact.request.settings import below, in_floats, labelled, merged, recipe_fields
from didact.request.start import Find, begun, no_store
from didact.request.weights import check_weights, file_of, inputs_of, net_in
from didact.runs.engine import Engine
from didact.runs.groups import Peer, placed
from didact.runs.run import BASELINE, Run
from didact.spec import SpecError, from_json, shown
from didact.teaching.route import Route


def plan(wanted: Mapping[str, Any] | Request, device: str = "cpu", find: Find = no_store) -> list[Run]:
    """The runs that ``wanted`` describes, as a grid over networks, teachers, methods and seeds;
    students only.

    Teachers are part of the runs and are trained before them. Values that depend on the device
    (``precision="auto"``) or on the network (the paper's learning rates) are filled in here, so
    that a run's digest says what was computed.

    Args:
        wanted: a :class:`Request`, or its settings as a tree: ``{"net": "resnet8", "teacher":
            {"net": "resnet20", "method": "sftn"}}`` for ``--net resnet8 --teacher.net resnet20
            --teacher.method sftn``.
        find: gives the finished runs that ``start`` names.

    Raises:
        SpecError: unknown or misspelt settings at any depth, wrong types or values, unknown names.
            A message names a setting by its path, and a value as in teacher.method=sftn.
    """
    request = wanted if isinstance(wanted, Request) else from_json(Request, _in_texts(wanted))
    runs = [run for one, first in begun(request, find) for run in _grid(_complete(one), first, device)]
    return list({run.digest: run for run in runs}.values())


def _in_texts(wanted: Any) -> Any:
    """A tree of settings with texts in the place of paths."""
    if isinstance(wanted, Mapping):
        return {key: _in_texts(value) for key, value in wanted.items()}
    return os.fspath(wanted) if isinstance(wanted, os.PathLike) else wanted


def _grid(request: Request, first: Run | None, device: str) -> list[Run]:
    """The runs of a complete request. ``first``: the run with which they begin; its teacher is
    theirs where the request has none.
    """
    from_json(Data, request.data, "data")  # the student's settings are checked before its teacher's, which inherit them
    with below("net"):
        students = [nets.resolve(name) for name in request.net or ()]
    seeds = _seeds(request)
    runs: list[Run] = []
    for net in students:
        from_json(Recipe, recipe_fields(request.recipe or {}, net, device, "recipe"), "recipe")
        inherits = first is not None and request.teacher is None
        for teacher in [first.teacher] if first is not None and inherits else _teachers(request, net, device):
            usual = "kd" if teacher else "dml" if request.peers else "ce"
            for method in methods({"name": usual, **(request.method or {})}, "method"):
                _check_teacher_is_read(method, teacher, request)
                runs += [_student(request, first, net, teacher, method, seed, device) for seed in seeds]
    _check_all_is_read(request, runs)
    return runs


def _complete(request: Request) -> Request:
    """The request with its data and recipe named, and with the short forms in the recipe.

    Raises:
        SpecError: there is no network; two settings contradict each other.
    """
    packed = net_in(request.weights) if request.net is None else None
    if packed is not None:
        request = replace(request, net=(packed,))
    if request.net is None:
        raise SpecError("net: say which network is to learn, e.g. --net resnet8x4")
    recipe = {"name": "short", **(request.recipe or {})}
    for key in ("epochs", "precision"):
        value = getattr(request, key)
        if value is not None and recipe.get(key, value) != value:
            raise SpecError(f"{key}: {key}={shown(value)} contradicts recipe.{key}={shown(recipe[key])}; write one of them")
        recipe |= {} if value is None else {key: value}
    data = {"name": "digits", **(request.data or {})}
    return replace(request, data=data, recipe=recipe, epochs=None, precision=None)


def _seeds(request: Request | TeacherRequest, at: str = "") -> Sequence[int]:
    """The seeds that a request asks for. ``at``: the path of its settings, with a dot."""
    if request.seeds is not None and request.seed is not None:
        raise SpecError(f"{at}seeds: write {at}seeds=3 (how many) or {at}seed=3 (which one), not both")
    return [request.seed or 0] if request.seeds is None else range(request.seeds)


def _check_teacher_is_read(method: Method, teacher: Run | None, request: Request) -> None:
    """Refuse a method that has no use for the teacher, or that needs one where only peers are given."""
    if request.peers and teacher is None and method.needs.teacher and not method.needs.peers:
        raise SpecError(
            f"method: '{method.name()}' reads a teacher and no peers, and only peers are given; "
            "write method=dml or method=kdcl, or name a teacher, e.g. teacher.net=resnet20"
        )
    company = bool(request.peers and method.needs.peers)
    if teacher and not (method.needs.teacher or company or method.learns_alone):
        raise SpecError(
            f"method: '{method.name()}' reads no teacher (needs says nothing of it), but one is given; "
            f"to train the teacher by it write teacher.method={method.name()}"
        )


def _check_all_is_read(request: Request, runs: Sequence[Run]) -> None:
    """Refuse a route, an engine or peers that no run has."""
    if request.route is not None and not any(run.route for run in runs):
        raise SpecError(
            "route: it is a teacher's, and no method of the request has one; "
            "write e.g. teacher.net=resnet20 and method=kd, or leave route out"
        )
    if request.teacher is not None and request.teacher.engine is not None and not any(run.engine for run in runs):
        raise SpecError(
            "teacher.engine: no method of the request reads the teacher while it learns; write e.g. method=kd, or leave it out"
        )
    if request.peers and not any(run.peers for run in runs):
        raise SpecError("peers: no method of the request reads peers; write method=dml or method=kdcl, or leave peers out")


def _student(
    request: Request, first: Run | None, net: str, teacher: Run | None, method: Method, seed: int, device: str
) -> Run:
    recipe = from_json(Recipe, recipe_fields(request.recipe or {}, net, device, "recipe"), "recipe")
    tree: dict[str, Any] = {
        "net": net,
        "data": request.data,
        "recipe": recipe,
        "method": method,
        "teacher": teacher if method.needs.teacher else None,
        "engine": _engine(request.teacher) if method.needs.teacher else None,
        "seed": seed,
        "data_seed": request.data_seed or 0,
    }
    if method.needs.teacher and request.route is not None:
        fields = {"name": "equal", **request.route}
        tree["route"] = from_json(Route, {"schedule": fields.pop("name"), **fields}, "route")
    if method.needs.peers and request.peers is not None:
        own = Peer(net=net, recipe=recipe, method=method, seed=seed)
        tree["peers"], tree["turn"] = placed(own, _peers(request.peers, request.recipe or {}, own, device))
    if first is not None:
        tree["start"] = {"run": first}
    elif request.start is not None:
        part = teacher.method.branch_part if teacher else ""
        if not part:
            raise SpecError("start: needs a teacher that has branches, such as teacher.method=sftn")
        tree["start"] = {"run": teacher, "part": part}
    if request.weights is not None:
        if request.start is not None:
            raise SpecError("weights: the student begins with them, or with its teacher's branch (start); write one of them")
        tree["start"] = {"file": file_of(request.weights, None, "weights")}
    return from_json(Run, tree)


def _peers(given: PeersRequest, recipe: Mapping[str, Any], own: Peer, device: str) -> list[Peer]:
    """The networks that learn together with ``own``. They take its recipe where the request gives
    them none of their own.
    """
    if given.net is None:
        raise SpecError("peers.net: say which networks learn together with it, e.g. --peers.net resnet20")
    chosen = methods({"name": "", **given.method}, "peers.method") if given.method is not None else [own.method]
    if len(chosen) > 1:
        raise SpecError(f"peers.method: one for all peers, such as peers.method=ce; found {shown(given.method)}")
    recipe = merged(recipe, given.recipe)
    seed = own.seed if given.seed is None else given.seed
    peers = []
    for name in given.net:
        peer = from_json(Peer, {"net": name, "method": chosen[0], "seed": seed}, "peers")
        fields = recipe_fields(recipe, peer.net, device, "peers.recipe")
        peers.append(replace(peer, recipe=from_json(Recipe, fields, "peers.recipe")))
    return peers


def _teachers(parent: Request | TeacherRequest, student: str, device: str, at: str = "teacher") -> list[Run | None]:
    """The teachers of ``student``; None alone where there is none.

    Args:
        parent: the request of the student, with its data and recipe.
        at: the path of the teacher's settings, for messages.
    """
    if parent.teacher is None:
        return [None]
    name = parent.teacher.net or net_in(parent.teacher.weights)
    if name is None:
        raise SpecError(f"{at}.net: say which network teaches, e.g. --{at}.net resnet32x4")
    with below(f"{at}.net"):
        net = nets.resolve(name)
    check_weights(parent.teacher, at)
    teacher = _inherited(parent, parent.teacher)
    usual = teaching((teacher.recipe or {}).get("name", ""))
    chosen = methods({"name": "standard", **(teacher.method or {})}, f"{at}.method", student, usual)
    _check_teacher(chosen, teacher, net, at)
    masters = _teachers(teacher, net, device, f"{at}.teacher")
    return [
        _teacher(teacher, net, method, master, seed, device, at)
        for method in chosen
        for master in (masters if method.needs.teacher else [None])
        for seed in _seeds(teacher, f"{at}.")
    ]


def _inherited(parent: Request | TeacherRequest, teacher: TeacherRequest) -> TeacherRequest:
    """The teacher's request with its student's data, recipe and data seed where it has none of its
    own.

    Images without labels and 8 bits are the student's alone.
    """
    return replace(
        teacher,
        data=merged(labelled(parent.data or {}), teacher.data),
        recipe=merged(in_floats(parent.recipe or {}), teacher.recipe),
        data_seed=parent.data_seed if teacher.data_seed is None else teacher.data_seed,
    )


def _check_teacher(chosen: Sequence[Method], teacher: TeacherRequest, net: str, at: str) -> None:
    """Whether the teacher's settings go together with the methods by which it is trained."""
    names = ",".join("standard" if method == BASELINE else method.name() for method in chosen)
    among = next((method.name() for method in chosen if method.needs.peers), None)
    if among:
        raise SpecError(
            f"{at}.method: '{among}' learns from peers, and a teacher has none; write {at}.method=sftn or {at}.method=standard"
        )
    learns = next((method.name() for method in chosen if method.needs.teacher), None)
    if learns and teacher.teacher is None:
        raise SpecError(
            f"{at}.teacher.net: {at}.method={learns} makes {net} an assistant, which learns from a teacher of its own; "
            f"name it, e.g. {at}.teacher.net=resnet20, or write {at}.method=standard"
        )
    if not learns and teacher.teacher is not None:
        raise SpecError(
            f"{at}.teacher: {net} is given a teacher, but {at}.method={names} reads none; "
            f"write {at}.method=kd for an assistant, or leave {at}.teacher out"
        )
    if teacher.start == "standard" and all(method.learns_alone for method in chosen):
        raise SpecError(f"{at}.start: fine-tunes a teacher that is not standard, such as {at}.method=sftn")


def _teacher(teacher: TeacherRequest, net: str, method: Method, master: Run | None, seed: int, device: str, at: str) -> Run:
    file, inputs = file_of(teacher.weights, teacher.outputs, f"{at}.weights"), inputs_of(teacher, at)
    if file is not None and teacher.start is None:
        return from_json(Run, {"net": net, "data": teacher.data, "given": file, "inputs": inputs}, at)
    tree = {
        "net": net,
        "data": teacher.data,
        "recipe": recipe_fields(teacher.recipe or {}, net, device, f"{at}.recipe"),
        "seed": seed,
        "data_seed": teacher.data_seed or 0,
        "inputs": inputs,
    }
    start = {"file": file} if file is not None else None
    if teacher.start == "standard" and not method.learns_alone:
        start = {"run": from_json(Run, tree, at)}
    engine = None if master is None else _engine(teacher.teacher)
    return from_json(Run, {**tree, "method": method, "teacher": master, "start": start, "engine": engine}, at)


def _engine(teacher: TeacherRequest | None) -> Engine | None:
    """What computes the teacher for its students; None for torch."""
    if teacher is None or teacher.engine is None:
        return None
    return Engine(name=teacher.engine, precision=teacher.precision or Engine.precision)
