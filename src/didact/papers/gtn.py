"""The GTN poster's study: one generic teacher against standard teachers and teachers specialised for each student.

Binici, Wu, Mitra: Generalizing Teacher Networks (arXiv 2407.16040). Columns: the student alone, KD from a standard teacher, SCKD
from it, KD from a teacher specialised (SFTN) for each of the students, KD from the generic teacher (GTN). Rows: students
drawn from the pool under a fixed seed. The poster does not say what its pool, teacher and students are; ours are our own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from didact.nets.supernet import as_pool
from didact.papers import scales
from didact.request.plan import plan
from didact.request.settings import below, several
from didact.runs.labels import recipe_label
from didact.runs.run import Run, method_label
from didact.runs.spread import text
from didact.spec import Count, Seed, Seeds, SpecError, from_json
from didact.store.record import Record
from didact.tables.study import Column, Sheet, Study

KEYS = ("pool", "students", "draw", "teacher", "sftn", "gtn", "sckd", "method", "seeds")

SCALES: dict[str, dict[str, Any]] = {
    "digits": {
        "pool": "tiny",
        "data": {"name": "digits", "per_class": 20},
        "teacher": {"net": "resnet14"},
        "recipe": {"name": "short", "epochs": 45, "batch_size": 32, "learning_rate": 0.05},
        "seeds": 3,
    },
    "small": {
        "pool": "tiny",
        "data": {"name": "cifar100", "classes": 20, "per_class": 200},
        "teacher": {"net": "resnet20"},
        "recipe": {"name": "short", "epochs": 20, "batch_size": 64},
        "seeds": 2,
    },
    "paper": {
        "pool": "large",
        "data": {"name": "cifar100"},
        "teacher": {"net": "resnet32x4"},
        "recipe": {"name": "paper"},
        "seeds": 3,
    },
}
"""What is asked for by name: minutes on two cores; an hour or two on two cores; the poster's size, for a GPU."""

WHAT = ("seconds", "cpu_seconds")
_HEAD = ("", "no KD", "vanilla KD", "SCKD", "for s1", "for s2", "for s3", "for s4", "GTN")
PUBLISHED = (
    Sheet(
        "GTN poster, CIFAR-100 (its own pool, teacher and students)",
        _HEAD,
        (
            ("teacher", "", "78.04", "78.04", "81.54", "81.46", "81.49", "80.97", "80.71"),
            ("s1", "73.22", "75.40", "75.34", "75.82", "76.09", "75.34", "76.03", "76.70"),
            ("s2", "77.92", "77.89", "77.47", "78.23", "78.52", "77.90", "77.76", "78.85"),
            ("s3", "76.87", "77.21", "77.08", "77.66", "78.05", "78.05", "77.94", "78.22"),
            ("s4", "75.60", "76.42", "75.77", "77.20", "77.71", "77.23", "77.66", "77.79"),
        ),
        "Single figures; the poster gives no spread.",
    ),
)


def study(wanted: Mapping[str, Any], device: str = "cpu") -> Study:
    """The study that ``wanted`` describes, laid over the scale it names ("small" when none).

    scale      digits, small or paper                 pool       as :func:`didact.nets.supernet.as_pool` takes it
    students   how many are drawn, or their names     draw       the seed under which they are drawn
    method     kd,fitnet+kd ...                       seeds      training seeds of each student
    teacher    net, seeds, recipe                     sftn, gtn, sckd   settings of the specialised and generic teacher, of SCKD
    data, recipe, data_seed, epochs, precision        as in ``didact train``

    Raises:
        SpecError: unknown keys, names nobody knows, more students than the pool has.
    """
    settings = scales.settings(wanted, SCALES, KEYS)
    with below("pool"):
        pool = as_pool(settings["pool"])
    students = settings.get("students", 4)
    if not isinstance(students, (str, list, tuple)):
        students = from_json(Count, students, "students")
    draw = from_json(Seed, settings.get("draw", 0), "draw")
    if isinstance(students, int) and students > pool.size:
        raise SpecError(
            f"students: {students} different students are asked of a pool that has {pool.size}; write students={pool.size}"
        )
    nets = pool.draw(students, draw) if isinstance(students, int) else _named(students, pool)
    return _grid(settings, pool, nets, device)


def _grid(settings: Mapping[str, Any], pool: Any, nets: Sequence[str], device: str) -> Study:
    labels = {f"s{i}": net for i, net in enumerate(nets, 1)}
    passed = {key: settings[key] for key in scales.PASSED if key in settings} | {"seeds": settings["seeds"]}
    teacher = dict(settings["teacher"])
    for key, instead in (("method", "every column has its own"), ("seed", "write teacher.seeds=2 (how many)")):
        if key in teacher:
            raise SpecError(f"teacher.{key}: the study sets it itself; {instead}, and leave teacher.{key} out")
    sckd = scales.of_method(settings.get("sckd"), "sckd", "sckd")
    sftn = scales.of_method(settings.get("sftn"), "sftn", "sftn", {"student": "write students=NETWORK,NETWORK"})
    gtn = scales.of_method(settings.get("gtn"), "gtn", "gtn", {"pool": "write pool=POOL"})
    seeds = range(from_json(Seeds, teacher.pop("seeds", 1), "teacher.seeds"))
    method = settings.get("method", "kd")

    def column(label: str, how: Mapping[str, Any] | str | None, method: Any, name: str | None = None) -> Column:
        runs: dict[str, dict[str, tuple[Run, ...]]] = {}
        teachers: dict[str, Run] = {}
        for net in nets:
            taught = [None] if how is None else [{**teacher, "method": how, "seed": seed} for seed in seeds]
            for given in taught:
                asked = {**passed, "net": net, "method": method} | ({} if given is None else {"teacher": given})
                with scales.told_as("teacher.method", how), scales.told_as("method", method):
                    students = plan(asked, device)
                for run in students:
                    rows = runs.setdefault(name or method_label(run.method), {})
                    rows[net] = (*rows.get(net, ()), run)
                    if run.teacher is not None:
                        teachers[run.teacher.digest] = run.teacher
        return Column(label, tuple(teachers.values()), runs)

    alone, standard = column("alone", None, "ce"), column("standard", "standard", method)
    methods = list(standard.runs)
    columns = [
        Column(alone.label, (), dict.fromkeys(methods, alone.runs["ce"])),
        standard,
        column("SCKD", "standard", {"inner": "kd", **sckd}, methods[0]),
        *(column(f"for {label}", {"student": net, **sftn}, method) for label, net in labels.items()),
        column("generic", {"pool": pool, **gtn}, method),
    ]
    run = next(iter(columns[1].runs[methods[0]].values()))[0]
    title = f"students of the pool {pool.label} taught by {teacher['net']} on {run.data.label} ({recipe_label(run)})"
    return Study(title, tuple(columns), 1, labels, PUBLISHED)


def _named(students: Any, pool: Any) -> tuple[str, ...]:
    names = several(students, "students")
    return tuple(pool.canonical_name(name) for name in names)


def costs(made: Study, records: Mapping[str, Record]) -> tuple[Sheet, ...]:
    """What the teachers cost, and from how many students on the generic one costs less than specialised ones together."""
    each = made.costs(records)
    plain = each.plain or {}
    special = [plain[f"for {label}"] for label in made.students if f"for {label}" in plain]
    if "generic" not in plain or not special:
        return (each,)
    generic = plain["generic"]
    rows = []
    for k in sorted({1, 2, 3, 4, 7, len(special)}):
        measured = "" if k <= len(special) else f" (the mean of {len(special)}, times {k})"
        pairs = [text(_sum(special, k, what), 1) for what in WHAT], [text(generic[what], 1) for what in WHAT]
        rows.append((f"{k}{measured}", *(figure for pair in zip(*pairs, strict=True) for figure in pair)))
    head = ("students", "specialised: wall clock (s)", "generic", "specialised: processor (s)", "generic")
    return (
        each,
        Sheet(
            f"{made.title}: preparing teachers for several students", head, tuple(rows), _break_even(special, generic), plain
        ),
    )


def _sum(special: Sequence[Mapping[str, Any]], k: int, what: str) -> float:
    """Of the first ``k``; beyond those that there are, ``k`` times their mean."""
    values = [one[what] for one in special]
    return sum(values[:k]) if k <= len(values) else k * sum(values) / len(values)


def _break_even(special: Sequence[Mapping[str, Any]], generic: Mapping[str, Any]) -> str:
    wanted = generic["cpu_seconds"]
    each = _sum(special, len(special), "cpu_seconds")
    if math.isnan(wanted + each) or each == 0:
        return "By the processor's time: not known for all of them."
    k = 1
    while _sum(special, k, "cpu_seconds") < wanted:
        k += 1
    return f"By the processor's time the generic teacher costs less from {k} student{'s' if k > 1 else ''} on."
