"""What ``didact list``, ``didact show`` and the help of ``didact train`` tell."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from didact.catalogue.settings import fields
from didact.spec import SpecError, catalogue, shown

if TYPE_CHECKING:
    from didact.runs.run import Run
    from didact.store.store import Store

Rows = tuple[list[str], list[list[Any]]]


@dataclass(frozen=True)
class Listing:
    """A table of what there is; ``plain`` is the same, or more, for programs."""

    heading: list[str]
    rows: list[list[Any]]
    plain: list[dict[str, Any]] | dict[str, Any]
    title: str = ""


def listing(what: str | None, store: Path, pair: dict[str, str] | None = None, trust: bool = False) -> Listing:
    """What there is, for a word such as ``nets``. ``pair``: net, teacher and data for ``methods``, each where it is asked for.
    For ``data``, ``pair`` may name a single data set. ``trust``: whether code that the store's Records name is imported.

    Raises:
        SpecError: no word, or an unknown one; the nearest is named, or all where none is near.
    """
    known: dict[str, Callable[[], Listing]] = {
        "nets": lambda: _listed(_nets()),
        "pools": lambda: _listed(_pools()),
        "methods": lambda: _methods(pair or {}),
        "data": lambda: _listed(_data((pair or {}).get("data"))),
        "devices": _devices,
        "recipes": lambda: _listed(_recipes()),
        "settings": lambda: _listed(_settings()),
        "machine": _machine,
        "runs": lambda: _listed(_runs(store, trust)),
    }
    if what not in known:
        near = difflib.get_close_matches(str(what).lower(), known, n=1)
        found = "" if what is None else f"; found {shown(what)}" + (f", did you mean {near[0]!r}?" if near else "")
        *first, last = known
        raise SpecError(f"what: one of {', '.join(first)} or {last}{found}")
    return known[what]()


def _listed(found: Rows) -> Listing:
    heading, rows = found
    return Listing(heading, rows, [dict(zip(heading, row, strict=True)) for row in rows])


def _methods(pair: dict[str, str]) -> Listing:
    from didact.cli.methods import methods

    return Listing(*methods(**pair))


def _devices() -> Listing:
    from didact.cli.devices import listed

    return Listing(*listed())


def _nets() -> Rows:
    import torch

    from didact import nets
    from didact.nets.blocks import parameters

    rows = []
    for name in nets.names():
        with torch.device("meta"):
            net = nets.create(name, 100)
        shapes, work = net.measured((3, 32, 32))
        features = " / ".join(f"{c}@{h}" for c, h, _ in shapes.features)
        rows.append([name, parameters(net), round(work / 1e6, 2), features, nets.entry(name).paper_rate])
    return ["net", "parameters", "MACs (M)", "features (channels@size)", "paper's rate"], rows


def _pools() -> Rows:
    from didact.nets.architecture import cost, parse
    from didact.nets.supernet import SPACES

    rows = []
    for name, space in SPACES.items():
        low, high = (cost(parse(one), 100, (3, 32, 32)) for one in (space.smallest, space.largest))
        parameters = f"{low.parameters:,} to {high.parameters:,}"
        macs = f"{low.macs / 1e6:.1f} to {high.macs / 1e6:.1f}"
        rows.append([name, space.kind, f"{space.size:,}", parameters, macs, space.smallest, space.largest])
    return ["pool", "kind", "students", "parameters (100 classes)", "MACs (M, 3x32x32)", "smallest", "largest"], rows


def _data(only: str | None) -> Rows:
    from didact import data

    rows = []
    for name in data.names() if only is None else [only]:
        d = data.describe(name)
        size = "x".join(map(str, d.image))
        here = "no" if not d.present else f"{d.part:,} of {d.train:,}" if d.part else "yes"
        rows.append([d.name, d.classes, size, d.train, d.test, d.augment, here, d.where, d.source])
    return ["data", "classes", "image", "train", "test", "augment", "here", "where", "source"], rows


def _recipes() -> Rows:
    from didact.engine.recipe import RECIPES

    rows: list[list[Any]] = [[name, text, r.epochs, r.batch_size, r.learning_rate] for name, (text, r) in RECIPES.items()]
    return ["recipe", "what it is", "epochs", "batch", "lr"], rows


def _machine() -> Listing:
    """What ``auto`` stands for here, and why."""
    import torch

    from didact.cli.answer import device
    from didact.engine import precision
    from didact.engine.environment import processor
    from didact.engine.recipe import best_precision

    where, known = device(None), precision.times()
    plain = {
        "processor": processor(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": where,
        "precision": best_precision(where),
        "measured": {"fp32": known.fp32, "bf16": known.bf16},
    }
    rows = [[key, plain[key]] for key in plain if key != "measured"]
    rows += [[f"a step in {name} (ms)", round(1000 * seconds, 1)] for name, seconds in plain["measured"].items()]
    return Listing(["what", "here"], rows, plain)


def _settings() -> Rows:
    return ["setting", "type", "default", "what it is"], [list(row) for row in settings()]


def settings() -> list[tuple[str, str, str, str]]:
    """Everything that ``didact train`` understands as ``--setting value``."""
    from didact.data import Data
    from didact.engine.recipe import RECIPES, Recipe
    from didact.method import Method
    from didact.spec import find, to_json

    rows = _plans_own()
    rows += fields(Data, "data.")
    short = to_json(RECIPES["short"][1]) | {"precision": "auto"}
    rows += [
        (path, kind, str(short[path.removeprefix("recipe.")]), text) for path, kind, _, text in fields(Recipe, "recipe.")
    ]
    rows += fields(find(Method, "sftn"), "teacher.method.")
    rows += fields(
        find(Method, "gtn"), "teacher.method.gtn."
    )  # where several ways are asked for, those of one lie below its name
    rows.append(("method.*", "", "", "Any field of the methods asked for; see didact explain METHOD."))
    return rows


def _plans_own() -> list[tuple[str, str, str, str]]:
    """The settings that are no field of a spec."""
    names = "|".join(catalogue("didact.methods", "didact.peers"))
    return [
        ("net", "names", "required", "The student, or several, separated by commas."),
        (
            "method",
            "names",
            "kd, or ce without a teacher",
            f"How it learns, or several: {names}; a preset after a plus sign: fitnet+kd.",
        ),
        ("route", "equal | greedy", "none", "Follow the teacher's route from its early anchors on (RCO)."),
        ("route.anchors", "int", "4", "How many, at equal intervals of the teacher's epochs, its end included."),
        ("route.threshold", "float", "", "greedy: the KL (nats) below which the next anchor takes over."),
        ("peers.net", "names", "none", "The networks it learns together with (dml, kdcl); several are one group."),
        ("peers.method", "name", "its own", "How they learn, where not like it; by ce they are looked at only."),
        ("peers.recipe.*, peers.seed", "", "its own", "Where a peer's differ; epochs, batches, precision are shared."),
        ("seeds", "int", "1", "How many training seeds, from 0; or --seed for a single one."),
        ("data_seed", "int", "0", "Order and augmentation of the batches."),
        ("start", "branches", "none", "Begin the student with the blocks of its SFTN teacher's first branch."),
        ("teacher.net", "name", "none", "The network that teaches."),
        (
            "teacher.method",
            "names",
            "standard",
            "How it was trained: standard, sftn, gtn, several (standard,sftn), or a student's method.",
        ),
        (
            "teacher.teacher.net",
            "name",
            "none",
            "Makes the teacher an assistant: the network it learns from, by teacher.method=kd.",
        ),
        ("teacher.teacher.*", "", "the teacher's", "All that a teacher takes, to any depth: teacher.teacher.method=sftn."),
        ("teacher.start", "standard", "none", "Fine-tune the SFTN teacher from the standard one instead of from scratch."),
        ("teacher.seed", "int", "0", "The teacher's own seed."),
        ("teacher.recipe.*, teacher.data.*", "", "the student's", "Where the teacher's differ from the student's."),
        ("data", "name", "digits", "Short for data.name."),
        ("recipe", "name", "short", "short or paper; the fields below change it."),
        ("epochs, precision", "", "", "Short for recipe.epochs and recipe.precision (fp32, bf16 or auto)."),
    ]


def settings_help() -> str:
    """The settings as text below the help of ``didact train``."""
    lines = ["Settings (each as --setting value):", ""]
    for path, kind, default, text in settings():
        lines.append(f"  --{path}  [{kind}{', ' if kind else ''}default {default}]" if default else f"  --{path}  {kind}")
        lines += [f"        {text}"] if text else []
    return "\n".join(lines)


def _runs(store: Path, trust: bool) -> Rows:
    from didact.cli.answer import opened
    from didact.store.entries import Lost, untrusted
    from didact.store.listing import rows

    opened_store = opened(store, trust)
    table = []
    code: set[str] = set()
    for row in rows(opened_store):
        if isinstance(row, Lost):
            if not row.running:
                opened_store.say(row.why)
            continue
        table.append([row.digest, row.label, row.how, row.data, row.teacher, row.recipe, round(row.top1, 2)])
        code.update(() if row.trusted else row.code)
    if code:
        opened_store.say(f"listed only: a Record that {untrusted(tuple(sorted(code)))}")
    return ["digest", "run", "how", "data", "teacher", "recipe", "test top-1 (%)"], table


def details(kept: Store, asked: str) -> dict[str, Any]:
    """Everything about one run of the store; where no network can be built from its Record, what that holds.

    Raises:
        SpecError: no run, or several, whose digest or folder begins like ``asked``.
    """
    from didact.cli.missing import missing_teachers
    from didact.measure.similarity import known
    from didact.store.choice import entry_of
    from didact.store.entries import Finished

    entry = entry_of(kept, asked)
    record = entry.record
    similar = known(kept, entry.run, record) if isinstance(entry, Finished) else None
    missing_teachers(kept, [entry.run] if isinstance(entry, Finished) else [])
    built = _built(kept, entry.run) if isinstance(entry, Finished) else {"spec": entry.spec, "note": entry.note}
    return {
        "digest": entry.run.digest if isinstance(entry, Finished) else entry.digest,
        "folder": str(record.folder),
        **built,
        "environment": record.environment(),
        "final": record.final(),
        "test_top1_by_epoch": [row.get("test_top1") for row in record.metrics()],
        "similarity": similar and similar.plain(),
    }


def _built(kept: Store, run: Run) -> dict[str, Any]:
    from didact.data import facts
    from didact.nets.blocks import macs, parameters
    from didact.runs.labels import teacher_label
    from didact.spec import to_json

    deployed = kept.deployed(run)
    return {
        "spec": {key: value for key, value in to_json(run).items() if key not in ("teacher", "start", "peers")},
        "teacher": run.teacher and f"{run.teacher.digest} {teacher_label(run.teacher)}",
        "peers": [f"{one.digest} {one.net}" for one in run.group if one != run] or None,
        "start": run.start and f"{run.start.part} of {run.start.run.digest}",
        "deployed": {"parameters": parameters(deployed), "MACs": macs(deployed, facts(run.data).image)},
    }
