"""The SFTN paper's studies on CIFAR-100: Tables 1, 2 and 4 to 9.

Park, Cha, Jeong, Kim, Han: Learning Student-Friendly Teacher Networks for Knowledge Distillation
(arXiv 2102.07650).

    1, 2   every method from a standard and from an SFTN teacher
    4      SFTN against DML, KDCL, RCO and training four times as long
    5      temperature of SFTN
    6      lambda_KL of SFTN
    7      linear probes on other data
    8      KL and CKA between teacher and student
    9      branches smaller and larger than the student

Table 3 (ImageNet) is not included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from didact import nets
from didact.data import Data
from didact.papers import scales
from didact.papers.sftn_settings import check
from didact.papers.sftn_tables import BRANCHES, METHODS, PAIRS, PUBLISHED, SCALES
from didact.request.plan import plan
from didact.request.settings import as_given, named, several
from didact.runs.labels import recipe_label
from didact.runs.run import Run, method_label
from didact.spec import SpecError, from_json, shown, under
from didact.tables.grid import Grid, Grids, Measure, Transferred, accuracy, cka, kl

KEYS = (
    "table", "pairs", "method", "seeds", "teacher", "sftn", "dml", "kdcl", "route", "long", "temperatures", "weights",
    "branches", "transfer",
)  # fmt: skip


@dataclass(frozen=True)
class _Request:
    """The settings of one table, and methods that make its Runs."""

    settings: Mapping[str, Any]
    table: str
    device: str

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(teacher, student) of each pair."""
        pairs = several(self.settings.get("pairs", PAIRS[self.table]), "pairs")
        wrong = next((pair for pair in pairs if pair.count("/") != 1), None)
        if wrong is not None:
            raise SpecError(f"pairs: expected teacher/student, e.g. resnet20/resnet8, found {shown(wrong)}")
        return tuple((teacher, student) for teacher, _, student in (pair.partition("/") for pair in pairs))

    @property
    def method(self) -> Any:
        """The methods that Tables 1, 2, 7 and 8 compare."""
        return self.settings.get("method", METHODS[self.table])

    def settings_of(self, key: str, name: str, **fields: Any) -> dict[str, Any]:
        """The settings of the method ``name``, from the setting ``key``; ``fields`` are
        defaults."""
        return {**fields, **scales.of_method(self.settings.get(key), name, key)}

    def runs(self, pair: tuple[str, str], method: Any, how: Any = None, times: int = 1, **more: Any) -> tuple[Run, ...]:
        """The student of ``pair`` over seeds, from the teacher trained by ``how``, for ``times``
        the teacher's epochs."""
        passed = {key: self.settings[key] for key in (*scales.PASSED, "seeds") if key in self.settings}
        request = {**passed, "net": pair[1], "method": method, **more}
        if how is not None:
            request["teacher"] = {**self.settings["teacher"], "net": pair[0], "method": how}
        with scales.errors_under("teacher.method", how), scales.errors_under("method", method):
            runs = plan(request, self.device)
        if times == 1:
            return tuple(runs)
        epochs = runs[0].recipe.epochs
        request["teacher"]["recipe"] = {
            "epochs": epochs,
            **as_given(request["teacher"].get("recipe", {}), "teacher.recipe"),
        }
        request["recipe"] = {**as_given(request.get("recipe", {}), "recipe"), "epochs": times * epochs}
        return tuple(plan({k: v for k, v in request.items() if k != "epochs"}, self.device))

    def title(self, run: Run) -> str:
        """The first part of a table's title; the name of the measure follows."""
        return f"Table {self.table} on {run.data.label} ({recipe_label(run)})"


def study(request: Mapping[str, Any], device: str = "cpu") -> Grids:
    """The tables of the settings ``request``; the scale gives the others.

        scale      digits, small (default) or paper
        table      numbers of tables: 4 (default), or 4,7,8
        pairs      teacher/student,teacher/student
        method     methods of tables 1, 2, 7 and 8: kd,fitnet+kd ...
        seeds      number of training seeds of each student
        teacher    seed, recipe, data, data_seed of the teachers
        sftn, dml, kdcl, route    settings of these methods
        long       Table 4: also trainings four times as long
        temperatures, weights     values for tables 5 and 6
        branches   networks of Table 9: smaller, equal, larger
        transfer   data sets of Table 7: stl10,tiny-imagenet; or
                   {"name": ..., "fraction": share of the training images}
        data, recipe, data_seed, epochs, precision    as in ``didact train``

    Raises:
        SpecError: unknown keys, tables or names.
    """
    settings = scales.settings(request, SCALES, KEYS)
    teacher = settings.setdefault("teacher", {})
    if not isinstance(teacher, Mapping) or {"net", "method"} & set(teacher):
        raise SpecError(
            "teacher: its network comes from pairs=resnet20/resnet8 and its method from the table; leave both out"
        )
    tables = [number.strip() for number in str(request.get("table", 4)).strip("[]").split(",")]
    for table in tables:
        if table not in TABLES:
            raise SpecError(f"table: unknown {shown(table)}; available: {', '.join(TABLES)} (Table 3 is ImageNet's)")
    check(request, tables)
    grids: list[Grid] = []
    for table in dict.fromkeys(tables):
        grids += TABLES[table](_Request(settings, table, device))
    return Grids(tuple(grids), "SFTN")


def _methods(request: _Request) -> list[Grid]:
    """Tables 1, 2, 7 and 8: for each pair, every method from either teacher."""
    return [_compared(request, pair) for pair in request.pairs]


def _compared(request: _Request, pair: tuple[str, str]) -> Grid:
    rows: dict[str, dict[str, tuple[Run, ...]]] = {"teacher": {}, "alone": {}}
    alone = request.runs(pair, "ce")
    for column, how in (("standard", "standard"), ("SFTN", request.settings_of("sftn", "sftn"))):
        runs = request.runs(pair, request.method, how)
        rows["teacher"][column] = _teachers(runs)
        rows["alone"][column] = alone
        for run in runs:
            row = rows.setdefault(method_label(run.method), {})
            row[column] = (*row.get(column, ()), run)
    if request.table == "8":
        rows = {row: cells for row, cells in rows.items() if row not in ("teacher", "alone")}
    title = f"{request.title(alone[0])}, {pair[0]} to {pair[1]}"
    columns, plain = ("standard", "SFTN"), frozenset({"teacher", "alone"})
    return Grid(title, rows, columns, "standard", _measures(request), plain, True, PUBLISHED[request.table])


def _measures(request: _Request) -> tuple[Measure, ...]:
    if request.table == "7":
        fields = named(request.settings.get("transfer"), "stl10,tiny-imagenet", "transfer")
        names = several(fields["name"], "transfer")
        data_sets = [from_json(Data, {**fields, "name": name}, "transfer") for name in names]
        return tuple(Measure(f"linear probe on {data.name} (%)", Transferred(data), needs=(data,)) for data in data_sets)
    if request.table == "8":
        return (Measure("KL(teacher || student) (nats)", kl, digits=3), Measure("CKA, pooled vectors", cka, digits=3))
    return (Measure(_ACCURACY, accuracy),)


def _collaborative(request: _Request) -> list[Grid]:
    """Table 4: KD from a standard teacher, DML and KDCL with the teacher's network, RCO, KD from
    SFTN; long trainings."""
    columns = {f"{teacher}/{student}": (teacher, student) for teacher, student in request.pairs}
    sftn = request.settings_of("sftn", "sftn")
    route = named(request.settings.get("route"), "equal", "route")
    methods: dict[str, Callable[[tuple[str, str]], tuple[Run, ...]]] = {
        "alone": lambda pair: request.runs(pair, "ce"),
        "standard": lambda pair: request.runs(pair, "kd", "standard"),
        "DML": lambda pair: request.runs(pair, request.settings_of("dml", "dml"), peers=pair[0]),
        "KDCL": lambda pair: request.runs(pair, request.settings_of("kdcl", "kdcl"), peers=pair[0]),
        "RCO": lambda pair: request.runs(pair, "kd", "standard", route=route),
        "SFTN": lambda pair: request.runs(pair, "kd", sftn),
    }
    if request.settings.get("long"):
        methods["RCO-4"] = lambda pair: request.runs(pair, "kd", "standard", times=4, route=route)
        methods["SFTN-4"] = lambda pair: request.runs(pair, "kd", sftn, times=4)
    rows = {label: {column: runs(pair) for column, pair in columns.items()} for label, runs in methods.items()}
    teachers = {label: {c: _teachers(rows[label][c]) for c in columns} for label in ("standard", "SFTN")}
    rows = {"teacher": teachers["standard"], "SFTN teacher": teachers["SFTN"], **rows}
    title = request.title(rows["alone"][next(iter(columns))][0])
    plain = frozenset({"teacher", "SFTN teacher"})
    return [Grid(title, rows, tuple(columns), "alone", (Measure(_ACCURACY, accuracy),), plain, published=PUBLISHED["4"])]


def _temperatures(request: _Request) -> list[Grid]:
    """Table 5: KD from SFTN teachers with different temperatures and lambda_KL 1."""
    return [
        _varied(request, "temperature", "tau", request.settings.get("temperatures", (1, 5, 10, 15, 20)), {"kl_weight": 1.0})
    ]


def _weights(request: _Request) -> list[Grid]:
    """Table 6: KD from SFTN teachers with different lambda_KL."""
    return [_varied(request, "kl_weight", "lambda", request.settings.get("weights", (1, 3, 6, 10)), {})]


def _varied(request: _Request, field: str, symbol: str, values: Any, fixed: Mapping[str, float]) -> Grid:
    """KD from a standard teacher, and from SFTN teachers that differ in the setting ``field``."""
    methods: dict[str, Any] = {"standard": "standard"}
    for value in values if isinstance(values, Sequence) and not isinstance(values, str) else [values]:
        methods[f"{symbol} {value:g}"] = {**request.settings_of("sftn", "sftn"), **fixed, field: float(value)}
    rows = {label: dict.fromkeys(request.pairs, method) for label, method in methods.items()}
    return _by_teacher(request, rows, "standard")


def _branches(request: _Request) -> list[Grid]:
    """Table 9: KD from SFTN teachers with branches smaller than, equal to and larger than the
    student."""
    rows: dict[str, dict[tuple[str, str], Any]] = {}
    for pair in request.pairs:
        setting = request.settings.get("branches", BRANCHES.get("/".join(pair)))
        names = [] if setting is None else several(setting, "branches")
        if len(names) != len(_SIZES):
            raise SpecError(
                f"branches: expected three networks (smaller, equal, larger) for {'/'.join(pair)}, found {names}"
            )
        for size, name in zip(_SIZES, names, strict=True):
            row = f"{size} ({name})" if len(request.pairs) == 1 else size
            rows.setdefault(row, {})[pair] = request.settings_of("sftn", "sftn", student=_known(name))
    return [_by_teacher(request, rows, next(row for row in rows if row.startswith("equal")))]


def _by_teacher(request: _Request, methods: Mapping[str, Mapping[tuple[str, str], Any]], base: str) -> Grid:
    """A grid of KD students by the method of their teacher: ``methods`` by row label and pair."""
    rows = {
        label: {"/".join(pair): request.runs(pair, "kd", method) for pair, method in by_pair.items()}
        for label, by_pair in methods.items()
    }
    measures = (
        Measure(f"teachers, {_ACCURACY}", accuracy, teachers=True),
        Measure(f"students by KD, {_ACCURACY}", accuracy),
    )
    first = next(iter(next(iter(rows.values())).values()))[0]
    columns = tuple("/".join(pair) for pair in request.pairs)
    return Grid(request.title(first), rows, columns, base, measures, published=PUBLISHED[request.table])


TABLES: dict[str, Callable[[_Request], list[Grid]]] = {
    "1": _methods,
    "2": _methods,
    "4": _collaborative,
    "5": _temperatures,
    "6": _weights,
    "7": _methods,
    "8": _methods,
    "9": _branches,
}
_ACCURACY = "test accuracy (%)"
_SIZES = ("smaller", "equal", "larger")


def _known(branch: str) -> str:
    try:
        return nets.resolve(branch)
    except SpecError as error:
        raise SpecError(under("branches", str(error))) from None


def _teachers(runs: Sequence[Run]) -> tuple[Run, ...]:
    return tuple({run.teacher.digest: run.teacher for run in runs if run.teacher is not None}.values())
