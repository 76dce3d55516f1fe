"""From a Run back to ``didact train``: the command that trains it, and the one that distils from
it.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from didact.data import Data, folder_path
from didact.engine.recipe import Recipe
from didact.engine.recipes import RECIPES, complete, settings, teaching
from didact.method import ForStudent, Method
from didact.nets.supernet import SPACES, Pool, Space
from didact.request.plan import plan
from didact.request.schema import BRANCHES
from didact.request.settings import in_floats, labelled, merged
from didact.request.tokens import parse, words_of
from didact.runs.given import Given, last_place
from didact.runs.run import BASELINE, Run
from didact.spec import SpecError, from_json, full_name, to_json

Settings = dict[str, Any]
"""By dotted path: {"teacher.net": "resnet20"}."""


def alone(run: Run, store: Path) -> str | None:
    """``didact train`` for this very run, with its teachers and peers. None for one that the
    command line cannot describe.
    """
    try:
        given = _Inherited.of(run)
        words = words_of({"net": run.net} | _method(run.method, "method", "") | _surroundings(run, given) | given.flat(""))
    except SpecError:  # its images or weights are not on this machine
        return None
    return _command(words, store) if [planned.digest for planned in _planned(words, run)] == [run.digest] else None


def command(teacher: Run, students: Sequence[str], store: Path) -> str | None:
    """``didact train`` for these students, with this very teacher, on its data and by its recipe.

    None for a teacher that the command line cannot describe.
    """
    student = students[0] if len(students) == 1 else ""
    try:
        given = _Inherited.of(teacher)
        words = words_of({"net": ",".join(students)} | _teacher(teacher, student, given, "teacher") | given.flat(""))
    except SpecError:  # its images or weights are not on this machine
        return None
    runs = _planned(words)
    if not runs or any(run.teacher is None or run.teacher.digest != teacher.digest for run in runs):
        return None
    return _command(words, store)


def on_data(given: Settings) -> str:
    """The words by which ``didact train`` names the images of these :func:`data_settings`."""
    return shlex.join(words_of(_below("data", given)))


def _command(words: Sequence[str], store: Path) -> str:
    return shlex.join(["didact", "train", *words, "--store", str(store)])


def _planned(words: Sequence[str], described: Run | None = None) -> list[Run]:
    """The runs that the words describe; none where they are refused. ``described``: the run that
    they should describe.
    """
    first = described.start and described.start.run if described is not None else None
    try:
        return plan(parse(words)) if first is None else plan(parse(words), find=lambda name: first)
    except SpecError:
        return []


# ------------------------------------------------------------------------------------------------ data, recipe, data seed


@dataclass(frozen=True)
class _Inherited:
    """What a request says of a network and its teacher takes over: settings with a name, and the
    data seed.
    """

    data: Settings
    recipe: Settings
    data_seed: int

    @classmethod
    def of(cls, run: Run) -> _Inherited:
        """As a request says it of a student."""
        return cls(data_settings(run.data), _recipe(run.recipe, run.net, {}), run.data_seed)

    def flat(self, at: str) -> Settings:
        """The settings by path; ``at`` stands before them."""
        seed = {f"{at}data_seed": self.data_seed} if self.data_seed else {}
        return seed | _below(f"{at}data", self.data) | _below(f"{at}recipe", self.recipe)

    def changed(self, run: Run) -> _Inherited:
        """What a teacher, ``run``, has otherwise; no settings where it takes over all."""
        data = _differing(run.data, from_json(Data, labelled(self.data)))
        if "name" in data or "content" in data:
            data = data_settings(run.data)
        data.pop("holds", None)  # follows from the size
        return _Inherited(data, _recipe(run.recipe, run.net, in_floats(self.recipe)), run.data_seed)


def data_settings(data: Data) -> Settings:
    """The data set's name and the settings that do not follow from it. The size of a folder's
    images is always given.

    Raises:
        SpecError: it is a folder that is not on this machine.
    """
    size = {"size": data.size} if data.holds is not None and data.size is not None else {}
    named = {"name": data.spelling} | size
    return named | _differing(data, from_json(Data, named))


def _differing(own: Any, known: Any) -> Settings:
    """The fields of a spec that differ from those of another one, as a person writes them.

    Raises:
        SpecError: images without labels are not on this machine.
    """
    names = [field.name for field in dataclasses.fields(own)]
    settings = {name: to_json(getattr(own, name)) for name in names if getattr(own, name) != getattr(known, name)}
    if settings.pop("unlabelled_images", None) is not None:
        settings["unlabelled"] = folder_path(settings["unlabelled"])
    return settings


def _recipe(recipe: Recipe, net: str, inherited: Settings) -> Settings:
    """The fewest settings that make the recipe of ``net``, laid over the inherited ones; its
    precision is always given once.
    """
    own = complete(recipe)
    choices = []
    for name in RECIPES:
        base = merged(inherited, {"name": name}) if inherited else {"name": name}
        known = settings(name, net) | {"precision": None} | base
        choice = {"name": name} | {key: value for key, value in own.items() if value != known[key]}
        choices.append(choice if name != inherited.get("name") else {k: v for k, v in choice.items() if k != "name"})
    return min(choices, key=len)


def _below(at: str, given: Settings) -> Settings:
    """Settings with a name as settings by path."""
    head = {at: given["name"]} if "name" in given else {}
    return head | {f"{at}.{key}": value for key, value in given.items() if key != "name"}


# ------------------------------------------------------------------------------------------------ methods, teachers, peers


def _method(method: Method, at: str, student: str, usual: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """The method by its label, and its settings that are neither its preset's nor its defaults.

    Args:
        student: the student of the request, which a method for one student takes over.
        usual: by method's name, defaults that the recipe gives to it.
    """
    label = full_name(method)
    known: Mapping[str, Any] = {**(usual or {}).get(method.name(), {}), **method.presets.get(label.partition("+")[2], {})}
    given: Settings = {at: label}
    for field in dataclasses.fields(method):  # type: ignore[arg-type]
        value = getattr(method, field.name)
        if isinstance(method, ForStudent) and (field.name, value) == ("student", student):
            continue
        if isinstance(value, Space | Pool):
            given[f"{at}.{field.name}"] = _pool(value)
        elif value != known.get(field.name, field.default):
            given[f"{at}.{field.name}"] = to_json(value)
    return given


def _pool(pool: Space | Pool) -> Any:
    name = next((name for name, space in SPACES.items() if space == pool), None)
    return name or (",".join(pool.members) if isinstance(pool, Pool) else to_json(pool))


def _surroundings(run: Run, given: _Inherited) -> Settings:
    """Seed, teacher, route, peers and start of a student."""
    found: Settings = {"seed": run.seed} if run.seed or run.start is not None else {}
    if run.teacher is not None:
        found |= _teacher(run.teacher, run.net, given, "teacher") | _engine(run, "teacher")
    if run.route is not None:
        found |= {"route": run.route.schedule, "route.anchors": run.route.anchors}
        found |= {"route.threshold": run.route.threshold} if run.route.threshold is not None else {}
    if run.peers:
        found |= _peers(run, given)
    if run.start is not None and run.start.file is not None:
        found["weights"] = _place(run.start.file)
    elif run.start is not None and run.start.run is not None:
        found["start"] = run.start.run.digest if run.start.part == "net" else BRANCHES
    return found


def _teacher(run: Run, student: str, given: _Inherited, at: str) -> Settings:
    """A teacher at the path ``at``. ``given``: what its student's request says."""
    own = given.changed(run)
    found: Settings = {f"{at}.net": run.net} | _weights(run, at)
    if run.given is not None:
        return found | _below(f"{at}.data", own.data)
    usual = teaching(merged(given.recipe, own.recipe).get("name", ""))
    found |= _method(run.method, f"{at}.method", student, usual) if run.method != BASELINE else {}
    found |= {f"{at}.seed": run.seed} if run.seed else {}
    found |= {f"{at}.data_seed": run.data_seed} if run.data_seed != given.data_seed else {}
    found |= _below(f"{at}.data", own.data) | _below(f"{at}.recipe", own.recipe)
    if run.teacher is not None:
        passed = _Inherited(merged(given.data, own.data), merged(in_floats(given.recipe), own.recipe), run.data_seed)
        found |= _teacher(run.teacher, run.net, passed, f"{at}.teacher") | _engine(run, f"{at}.teacher")
    standard = run.start is not None and run.start.run is not None
    return found | ({f"{at}.start": "standard"} if standard else {})


def _weights(run: Run, at: str) -> Settings:
    """A teacher's weights from a file, and what belongs to them.

    Raises:
        SpecError: the file is not on this machine.
    """
    file = run.given or (run.start.file if run.start is not None else None)
    if file is None:
        return {}
    start = {"start": "weights"} if run.given is None else {}
    outputs = {} if file.outputs is None else {"outputs": list(file.outputs)}
    inputs = {} if run.inputs is None else {k: v for k, v in to_json(run.inputs).items() if v is not None}
    return {f"{at}.{key}": value for key, value in ({"weights": _place(file)} | start | outputs | inputs).items()}


def _place(file: Given) -> str:
    place = last_place(file.sha256)
    if place is None:
        raise SpecError("the file of weights has not been seen on this machine")
    return str(place)


def _engine(run: Run, at: str) -> Settings:
    """What computes the teacher of ``run``, which is at the path ``at``."""
    return {} if run.engine is None else {f"{at}.engine": run.engine.name, f"{at}.precision": run.engine.precision}


def _peers(run: Run, given: _Inherited) -> Settings:
    """The peers; of settings that they share, the first peer's."""
    first = run.peers[0]
    found: Settings = {"peers.net": ",".join(peer.net for peer in run.peers)}
    found |= _method(first.method, "peers.method", "") if first.method != run.method else {}
    found |= _below("peers.recipe", _recipe(first.recipe, first.net, given.recipe))
    return found | ({"peers.seed": first.seed} if first.seed != run.seed else {})
