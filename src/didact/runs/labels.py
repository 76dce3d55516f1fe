"""Runs in a few words, for tables, figures and progress: how a network was taught, by whom, with
which recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from didact.engine.recipe import Recipe
from didact.method import ForStudent, Method
from didact.nets import title
from didact.runs.given import Given
from didact.runs.run import BASELINE, Run
from didact.spec import digest, full_name, plural, required, to_json


def recipe_label(run: Run) -> str:
    """The recipe in a few words: always what is most often changed, and anything else that is not
    its default.

    "not trained" for a network with weights from a file.
    """
    if run.given is not None:
        return "not trained"
    recipe = run.recipe
    words = [
        plural(recipe.epochs, "epoch"),
        f"batch {recipe.batch_size}",
        f"{recipe.schedule} {recipe.learning_rate:g}",
        *(["8 bits"] if recipe.bits == 8 else []),
        recipe.precision,
    ]
    said = ("epochs", "batch_size", "schedule", "learning_rate", "precision", "bits")
    words += [f"{k}={v}" for k, v in to_json(recipe).items() if k not in said and getattr(recipe, k) != getattr(Recipe, k)]
    return ", ".join(words + ([f"data seed {run.data_seed}"] if run.data_seed else []))


def teacher_summary(run: Run, student: Run | None = None) -> str:
    """How a teacher was trained: "standard", or its method, with what is not default; beside a student
    of its own, for whom if not for that one, and for how long if not for as long.

    An assistant names its own teacher, and how that one was trained where it is not standard: "kd
    from resnet20 (sftn)".
    """
    return _teaching(run, student) + _particulars(run, student)


def teacher_label(run: Run, student: Run | None = None) -> str:
    """How and what: "standard resnet32x4, seed 1"; for an assistant "resnet14 by kd from resnet20"."""
    named = (
        f"{title(run.net)} by {_teaching(run, student)}" if run.teacher else f"{_teaching(run, student)} {title(run.net)}"
    )
    return named + _particulars(run, student)


def _teaching(run: Run, student: Run | None) -> str:
    """The way of a teacher, without its seed and the like."""
    if run.given is not None:
        return _given(run, brief=True)
    method = "standard" if isinstance(run.method, type(BASELINE)) else full_name(run.method)
    way = method + _changed(run.method, student.net if student else "")
    if run.teacher is not None:
        taught = teacher_summary(run.teacher, run).removeprefix("standard, ")
        way += f" from {title(run.teacher.net)}" + (f" ({taught})" if taught != "standard" else "")
    return way


def _particulars(run: Run, student: Run | None) -> str:
    """Of a teacher that was trained: with what it begins, its seed, its length beside that of the student."""
    if run.given is not None:
        return ""
    said = ["", _start(run).strip(), f"seed {run.seed}" if run.seed else ""]
    said += [plural(run.recipe.epochs, "epoch")] if student and run.recipe.epochs != student.recipe.epochs else []
    return ", ".join(text for at, text in enumerate(said) if text or not at)


def in_columns(teachers: Mapping[str, Run]) -> dict[str, Run]:
    """Teachers in the order of their columns, whatever the order in which they were found: those that
    were trained by the labels alone before others, and of them the plain one first, then by network,
    way, length and seeds. The first is the baseline of tables.
    """

    def rank(run: Run) -> tuple[bool | int | str, ...]:
        standard = run.given is None and isinstance(run.method, type(BASELINE))
        plain = teacher_summary(run) == "standard"
        last = run.data_seed, run.digest
        return not standard, not plain, run.net, _teaching(run, None), run.epochs, run.seed, *last

    return dict(sorted(teachers.items(), key=lambda item: rank(item[1])))


def baselines(teachers: Mapping[str, Run]) -> dict[str, str]:
    """By digest of every teacher but the first, the one that its students are compared with: the
    standard teacher like it in all else, which has its seed; otherwise the first."""
    first, *others = teachers or [""]

    def like(run: Run, key: str) -> bool:
        plain = run.given is None and run.start is None and run.method == BASELINE
        return plain and all(getattr(run, name) == getattr(teachers[key], name) for name in _ELSE)

    return {
        key: next((other for other, run in teachers.items() if other != key and like(run, key)), first) for key in others
    }


_ELSE = ("net", "seed", "recipe", "data", "data_seed")
"""What a standard teacher has in common with the one that it is the baseline of."""


def row_label(run: Run) -> str:
    """The method's label with its changed settings; with whom it learned; "alone" if with nobody,
    from no teacher and not as a teacher; how the student began if not from scratch.
    """
    if run.given is not None:
        return _given(run)
    label = full_name(run.method) + _changed(run.method)
    alone = run.teacher is None and not run.method.teaches and not run.peers
    return (f"alone ({label})" if alone else label) + _circumstances(run)


def row_labels(runs: Iterable[Run]) -> dict[str, str]:
    """By digest the row of each run in a table of all of them: its label; where runs of one label differ
    in more than their networks, seeds and teachers, also the start of the digest of the first run like it.
    """
    kinds: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        kinds.setdefault(row_label(run), {}).setdefault(_unsaid(run), []).append(run)
    found: dict[str, str] = {}
    for label, alike in kinds.items():
        for members in alike.values():
            first = min(members, key=lambda run: (run.seed, run.digest))
            row = label if len(alike) == 1 else f"{label} {first.digest[:6]}"
            found |= {run.digest: row for run in members}
    return found


def _unsaid(run: Run) -> str:
    """What the label of a run says nothing of: the run that it begins with, and the recipes of its peers."""
    begins = run.start is not None and run.start.run is not None and run.start.part == "net"
    return digest([_start_apart(run) if begins else None, [to_json(peer.recipe) for peer in run.peers]])


def _start_apart(run: Run) -> dict[str, Any]:
    """The run that ``run`` begins with, as JSON data without a network, a seed and a teacher that they share."""
    assert run.start is not None and run.start.run is not None
    one, apart = run.start.run, ("net", "seed", "teacher")
    tree = {k: v for k, v in to_json(one).items() if k not in apart or getattr(one, k) != getattr(run, k)}
    return tree | {"start": _start_apart(one)} if one.start is not None and one.start.run is not None else tree


def of_seed_0(run: Run) -> Run:
    """The run with the seed 0; the run that it begins with has it, too, if theirs was one."""
    start = run.start
    if start is not None and start.run is not None and start.run.seed == run.seed:
        start = replace(start, run=of_seed_0(start.run))
    return replace(run, seed=0, start=start)


def training_label(run: Run) -> str:
    """What learns, and how: "resnet20 sftn (for resnet8)", "resnet8 ce fine-tuned"."""
    way = _given(run) if run.given is not None else full_name(run.method) + _changed(run.method) + _circumstances(run)
    return f"{title(run.net)} {way}"


def _circumstances(run: Run) -> str:
    """With whom a network learns, along which route, from which engine and weights; a space before it."""
    if run.peers:
        return f" with {peers_label(run)}"
    along = f" along {run.route.label}" if run.route else ""
    along += f" (teacher by {run.engine.label})" if run.engine else ""
    return along + _start(run)


def _given(run: Run, *, brief: bool = False) -> str:
    """A network with weights from a file: the start of the file's checksum, and what of its outputs
    and inputs is its own; ``brief`` for headings: which of them.
    """
    assert run.given is not None
    if not brief:
        return run.way.replace("-", " ") + _own_ways(run, run.given)
    own = ["inputs"] if _own_inputs(run) else []
    own += ["outputs"] if run.given.outputs is not None else []
    return run.way.replace("-", " ") + (f" (own {' and '.join(own)})" if own else "")


def _own_ways(run: Run, file: Given) -> str:
    """What of a file's outputs and of the images it is shown is the network's own: " (size=224,
    mean=0.5)", of all channels where they are equal.
    """
    own = [f"{key}={_short(value)}" for key, value in _own_inputs(run).items()]
    own += [] if file.outputs is None else [f"{len(file.outputs)} outputs chosen"]
    return f" ({', '.join(own)})" if own else ""


def _own_inputs(run: Run) -> dict[str, Any]:
    """What a network is shown otherwise than the data set is: size, mean, deviation."""
    inputs = {} if run.inputs is None else to_json(run.inputs)
    return {key: value for key, value in inputs.items() if value is not None}


def _short(value: Any) -> str:
    """A number; several with slashes, equal ones once."""
    numbers = value if isinstance(value, list) else [value]
    return str(numbers[0]) if len(set(numbers)) == 1 else "/".join(map(str, numbers))


def _start(run: Run) -> str:
    """What the run begins with, with a space before it; empty for fresh weights."""
    if run.start is None:
        return ""
    if run.start.file is not None:
        return f" from weights {run.start.file.sha256[:6]}" + _own_ways(run, run.start.file)
    return " from a branch" if run.start.part != "net" else " fine-tuned"


def peers_label(run: Run) -> str:
    """The peers' names in the order of their turns, with what they do otherwise: "resnet20,
    resnet14 by ce".

    Says the network's own turn where it matters and is not the first.
    """
    shown = []
    for peer in run.peers:
        way = "" if peer.method == run.method else f" by {full_name(peer.method)}{_changed(peer.method)}"
        shown.append(title(peer.net) + way + (f" seed {peer.seed}" if peer.seed != run.seed else ""))
    later = run.turn and (run.duplicates_before or any(one.method.sequential for one in (run, *run.peers)))
    return ", ".join(shown) + (f" (turn {run.turn + 1})" if later else "")


def _changed(method: Method, student: str = "") -> str:
    """The settings that neither the defaults nor the preset in the method's label give: "
    (kl_weight=1.0)".
    """
    preset = "+" in full_name(method)
    shown = []
    for name, field_ in type(method).__dataclass_fields__.items():  # type: ignore[attr-defined]
        value = getattr(method, name)
        if name == "student" and isinstance(method, ForStudent):
            shown += [f"for {title(value)}"] if value != student else []
        elif name in required(type(method)) or (value != field_.default and not preset):
            inner = full_name(value) + _changed(value) if isinstance(value, Method) else getattr(value, "label", value)
            shown.append(f"{name}={inner}")
    return f" ({', '.join(shown)})" if shown else ""
