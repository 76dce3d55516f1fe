"""The GTN poster's study: one generic teacher against standard teachers and teachers specialised
for each student.

Binici, Wu, Mitra: Generalizing Teacher Networks (arXiv 2407.16040). Columns: the student alone, KD
from a standard teacher, SCKD from the same teacher, KD from a teacher specialised (SFTN) for each
student, KD from the generic teacher (GTN). Rows: students drawn from the pool with a fixed seed.
The poster does not describe its pool, teacher and students, so those here are our own choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from didact.data import Data
from didact.nets.supernet import as_pool
from didact.papers import scales
from didact.papers.about import About
from didact.papers.gtn_tables import BY_TABLE, COST, SCALES, SHEETS
from didact.papers.gtn_tables import published as published_figures
from didact.papers.memory import Memory
from didact.papers.only import parsed
from didact.request.plan import plan
from didact.request.settings import below, several
from didact.runs.labels import recipe_label
from didact.runs.run import Run
from didact.spec import Count, Seed, SpecError, from_json, full_name, nearest, plural, shown
from didact.store.record import Record
from didact.store.store import Store
from didact.tables.costs import break_even, several_students
from didact.tables.study import Column, Study
from didact.tables.table import Table

KEYS = ("table", "pool", "students", "draw", "teacher", "teacher_seeds", "sftn", "gtn", "sckd", "method", "seeds", "only")

OF_STUDENTS = ("method", "sckd", "seeds")
"""Settings of the students' trainings."""

OF_IMAGES = ("name", "size", "crop", "classes", "skip_corrupt", "content", "holds")
"""Settings of the data on which the memory of a network depends, and those by which a folder is read."""

_SOURCE = "GTN poster (https://arxiv.org/abs/2407.16040), "
_NETWORKS = "4 students of the pool 'large' and resnet32x4, our choice"
ABOUT = {
    "cifar100": About(
        "standard, specialised and generic teachers; SCKD", "CIFAR-100", _NETWORKS, f"{_SOURCE}CIFAR-100 table"
    ),
    "imagenet200": About(
        "standard, specialised and generic teachers; SCKD", "Tiny ImageNet", _NETWORKS, f"{_SOURCE}ImageNet-200 table"
    ),
    "memory": About(
        "memory of the students, and devices that hold them", "none", _NETWORKS, f"{_SOURCE}memory table", trains=False
    ),
    "cost": About("cost of the teachers by number of students", "CIFAR-100", _NETWORKS, f"{_SOURCE}cost figure"),
}
"""What each table and figure compares and needs."""


def study(request: Mapping[str, Any], device: str = "cpu") -> Study | Memory:
    """The study with the settings ``request``; the scale gives the others.

        table              cifar100 (default), imagenet200, memory or cost
        scale              digits, small (default) or paper
        pool               as for :func:`didact.nets.supernet.as_pool`
        students           how many to draw, or their names
        draw               the seed for drawing students
        method             kd,fitnet+kd ...
        seeds              number of training seeds of each student
        teacher_seeds      number of seeds of each teacher
        only               cells: student=s1/teacher=standard,generic
        teacher            net, recipe
        sftn, gtn, sckd    settings of the specialised teacher, the generic teacher and SCKD
        data, recipe, data_seed, epochs, precision    as in ``didact train``

    Raises:
        SpecError: unknown keys or names, or more students than the pool has.
    """
    scale, table = str(request.get("scale", "small")), request.get("table", "cifar100")
    if not isinstance(table, str) or table not in SHEETS:
        raise SpecError(f"table: unknown {shown(table)}{nearest(str(table), SHEETS)}")
    by_table = (
        {**SCALES, scale: {**SCALES.get(scale, {}), **BY_TABLE.get((table, scale), {})}} if scale in SCALES else SCALES
    )
    settings = scales.settings(request, by_table, KEYS)
    if table == "cost":
        scales.check_none(request, OF_STUDENTS, "the table of cost trains no student and has no use for it")
    with below("pool"):
        pool = as_pool(settings["pool"])
    nets = {f"s{i}": net for i, net in enumerate(_students(request, pool), 5 if table == "imagenet200" else 1)}
    if table == "memory":
        return Memory(nets, _untrained(request, settings))
    return _grid(_Request(settings, pool, nets, device), table)


def _students(request: Mapping[str, Any], pool: Any) -> tuple[str, ...]:
    """The networks that are asked for, by name or by number."""
    students = request.get("students", 4)
    if isinstance(students, (str, list, tuple)):
        scales.check_none(request, ["draw"], "it is the seed for drawing students, and these are named")
        return tuple(pool.canonical_name(name) for name in several(students, "students"))
    count = from_json(Count, students, "students")
    if count > pool.size:
        raise SpecError(
            f"students: {count} different students requested from a pool of {pool.size}; write students={pool.size}"
        )
    return pool.draw(count, from_json(Seed, request.get("draw", 0), "draw"))


def _untrained(request: Mapping[str, Any], settings: Mapping[str, Any]) -> Data:
    """The images of the table of memory, and a check that nothing is asked of a training."""
    data, given = from_json(Data, settings["data"], "data"), request.get("data")
    paths = {f"data.{key}": key for key in given} if isinstance(given, Mapping) else {}
    idle = {path for path, key in paths.items() if key not in OF_IMAGES}
    idle |= {*KEYS, *scales.PASSED} - {"table", "pool", "students", "draw", "data"}
    scales.check_none([*request, *paths], idle, "the table of memory trains nothing and has no use for it")
    return data


@dataclass(frozen=True)
class _Request:
    """The settings of a study and its students."""

    settings: Mapping[str, Any]
    pool: Any
    students: Mapping[str, str]
    device: str

    def method(self, key: str, refused: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The settings of the method ``key``. ``refused``: settings that the study varies, with
        advice for each."""
        return scales.of_method(self.settings.get(key), key, key, refused)

    @property
    def teacher(self) -> dict[str, Any]:
        """The settings that all teachers share.

        Raises:
            SpecError: a setting that the study itself varies between columns.
        """
        teacher = dict(self.settings["teacher"])
        for key, instead in (("method", "every column has its own"), ("seed", "write teacher.seeds=2 (how many)")):
            if key in teacher:
                raise SpecError(f"teacher.{key}: the study sets it itself; {instead}, and leave teacher.{key} out")
        return teacher

    def column(self, label: str, how: Mapping[str, Any] | str | None, method: Any, name: str | None = None) -> Column:
        """A column of students trained by ``method`` from teachers trained by ``how`` (None: no
        teacher).

        Args:
            label: the heading.
            how: the method of the teacher.
            method: the methods of the students.
            name: name of the students' table; default: the method's label.
        """
        passed = {key: self.settings[key] for key in scales.PASSED if key in self.settings}
        passed["seeds"] = self.settings["seeds"]
        runs: dict[str, dict[str, tuple[Run, ...]]] = {}
        teachers: dict[str, Run] = {}
        for net in self.students.values():
            for teacher in self._teachers(how):
                with scales.errors_under("teacher.method", how), scales.errors_under("method", method):
                    students = plan({**passed, "net": net, "method": method, **teacher}, self.device)
                for run in students:
                    rows = runs.setdefault(name or full_name(run.method), {})
                    rows[net] = (*rows.get(net, ()), run)
                    if run.teacher is not None:
                        teachers[run.teacher.digest] = run.teacher
        return Column(label, tuple(teachers.values()), runs)

    def _teachers(self, how: Mapping[str, Any] | str | None) -> list[dict[str, Any]]:
        """Settings for each teacher seed: a teacher trained by ``how``, or a single one without
        teacher for None."""
        if how is None:
            return [{}]
        return [{"teacher": {**one, "method": how}} for one in scales.teacher_seeds(self.settings, self.teacher)]


def _grid(request: _Request, table: str) -> Study:
    sckd = request.method("sckd")
    sftn = request.method("sftn", {"student": "write students=NETWORK,NETWORK"})
    gtn = request.method("gtn", {"pool": "write pool=POOL"})
    method = request.settings.get("method", "kd")
    alone, standard = request.column("alone", None, "ce"), request.column("standard", "standard", method)
    methods = list(standard.runs)
    special = [request.column(f"for {s}", {"student": net, **sftn}, method) for s, net in request.students.items()]
    columns = (
        Column(alone.label, (), dict.fromkeys(methods, alone.runs["ce"])),
        standard,
        request.column("SCKD", "standard", {"inner": "kd", **sckd}, methods[0]),
        *special,
        request.column("generic", {"pool": request.pool, **gtn}, method),
    )
    run = next(iter(standard.runs[methods[0]].values()))[0]
    title = f"students of the pool {request.pool.label} taught by {request.teacher['net']}"
    return GenericStudy(
        f"{title} on {run.data.label} ({recipe_label(run)})",
        columns,
        1,
        request.students,
        SHEETS[table],
        published_figures(table, tuple(request.students)),
        None if (only := request.settings.get("only")) is None else parsed(only),
        costs_only=table == "cost",
    )


class GenericStudy(Study):
    """The poster's grid of Runs. Its teachers' seconds are compared, so by default nothing else
    trains beside them."""

    timed: ClassVar = True

    def tables(self, store: Store, device: str, tell: Callable[[str], None] = lambda line: None) -> list[Table]:
        """Tables of accuracy for each method, of each teacher's cost, and of the cost for several
        students."""
        return [*super().tables(store, device, tell), *_several(self, self.records(store))]


def _several(study: Study, records: Mapping[str, Record]) -> list[Table]:
    """The cost of specialised teachers against the generic one by number of students; no table for
    unknown costs."""
    costs = study.costs(records)
    special = [costs[f"for {label}"] for label in study.students if f"for {label}" in costs]
    if "generic" not in costs or not special:
        return []
    k = break_even(special, costs["generic"])
    if k is None:
        note = "Processor time is not known for all teachers."
    else:
        note = f"In processor time, the generic teacher costs less from {plural(k, 'student')} on. {COST}"
    columns = ("students", "specialised: wall clock (s)", "generic", "specialised: processor (s)", "generic")
    rows = tuple(several_students(special, costs["generic"]))
    title = f"{study.title}: preparing teachers for several students"
    plain = {label: asdict(cost) for label, cost in costs.items()}
    return [Table(columns, rows, title, note, plain)]
