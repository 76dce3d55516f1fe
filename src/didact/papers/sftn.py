"""The SFTN paper's studies on CIFAR-100: Tables 1, 2 and 4 to 9.

Park, Cha, Jeong, Kim, Han: Learning Student-Friendly Teacher Networks for Knowledge Distillation (arXiv 2102.07650).

    1, 2   every method from a standard and from an SFTN teacher         6   lambda_KL of SFTN
    4      beside DML, KDCL, RCO and training four times as long         7   linear probes on other data
    5      temperature of SFTN                                           8   KL and CKA between teacher and student
                                                                         9   branches smaller and larger than the student
Table 3 is ImageNet's and not here.
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
class _Asked:
    """The settings of a study, and the Runs that they make."""

    settings: Mapping[str, Any]
    table: str
    device: str

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(teacher, student) of each pair."""
        given = self.settings.get("pairs", PAIRS[self.table])
        asked = several(given, "pairs")
        wrong = next((pair for pair in asked if pair.count("/") != 1), None)
        if wrong is not None:
            raise SpecError(f"pairs: expected teacher/student, e.g. resnet20/resnet8, found {shown(wrong)}")
        return tuple((teacher, student) for teacher, _, student in (pair.partition("/") for pair in asked))

    @property
    def method(self) -> Any:
        """What Tables 1, 2, 7 and 8 compare."""
        return self.settings.get("method", METHODS[self.table])

    def own(self, key: str, name: str, **fields: Any) -> dict[str, Any]:
        """The settings of the method ``name``, given under ``key``."""
        return {**fields, **scales.of_method(self.settings.get(key), name, key)}

    def runs(self, pair: tuple[str, str], method: Any, how: Any = None, times: int = 1, **more: Any) -> tuple[Run, ...]:
        """Students of ``pair`` over seeds, from the teacher trained by ``how``, for ``times`` as many epochs as their teacher."""
        given = {key: self.settings[key] for key in (*scales.PASSED, "seeds") if key in self.settings}
        asked = {**given, "net": pair[1], "method": method, **more}
        if how is not None:
            asked["teacher"] = {**self.settings["teacher"], "net": pair[0], "method": how}
        with scales.told_as("teacher.method", how), scales.told_as("method", method):
            once = plan(asked, self.device)
        if times == 1:
            return tuple(once)
        epochs = once[0].recipe.epochs
        asked["teacher"]["recipe"] = {"epochs": epochs, **as_given(asked["teacher"].get("recipe", {}), "teacher.recipe")}
        asked["recipe"] = {**as_given(asked.get("recipe", {}), "recipe"), "epochs": times * epochs}
        return tuple(plan({k: v for k, v in asked.items() if k != "epochs"}, self.device))

    def title(self, run: Run) -> str:
        """What stands before a table's name of its measure."""
        return f"Table {self.table} on {run.data.label} ({recipe_label(run)})"


def study(wanted: Mapping[str, Any], device: str = "cpu") -> Grids:
    """The tables that ``wanted`` describes, laid over the scale it names ("small" when none).

    scale      digits, small or paper             table     numbers of tables: 4, or 4,7,8 (4 when none)
    pairs      teacher/student,teacher/student    method    of tables 1, 2, 7 and 8: kd,fitnet+kd ...
    seeds      training seeds of each student     teacher   seed, recipe, data, data_seed of the teachers
    sftn, dml, kdcl, route    settings of these   long      Table 4: also trainings four times as long
    temperatures, weights     of tables 5 and 6   branches  of Table 9: smaller, equal, larger network
    transfer   what Table 7 probes on: stl10,tiny-imagenet; or {"name": ..., "fraction": of the training images}
    data, recipe, data_seed, epochs, precision    as in ``didact train``

    Raises:
        SpecError: unknown keys, tables or names.
    """
    settings = scales.settings(wanted, SCALES, KEYS)
    teacher = settings.setdefault("teacher", {})
    if not isinstance(teacher, Mapping) or {"net", "method"} & set(teacher):
        raise SpecError(
            "teacher: its network comes from pairs=resnet20/resnet8 and how it is trained from the table; leave it out"
        )
    tables = [one.strip() for one in str(wanted.get("table", 4)).strip("[]").split(",")]
    for table in tables:
        if table not in TABLES:
            raise SpecError(f"table: unknown {shown(table)}; there are {', '.join(TABLES)} (Table 3 is ImageNet's)")
    check(wanted, tables)
    grids: list[Grid] = []
    for table in dict.fromkeys(tables):
        grids += TABLES[table](_Asked(settings, table, device))
    return Grids(tuple(grids), "SFTN")


def _methods(asked: _Asked) -> list[Grid]:
    """Tables 1, 2, 7 and 8: for each pair, every method from either teacher."""
    return [_compared(asked, pair) for pair in asked.pairs]


def _compared(asked: _Asked, pair: tuple[str, str]) -> Grid:
    rows: dict[str, dict[str, tuple[Run, ...]]] = {"teacher": {}, "alone": {}}
    alone = asked.runs(pair, "ce")
    for column, how in (("standard", "standard"), ("SFTN", asked.own("sftn", "sftn"))):
        runs = asked.runs(pair, asked.method, how)
        rows["teacher"][column] = _teachers(runs)
        rows["alone"][column] = alone
        for run in runs:
            row = rows.setdefault(method_label(run.method), {})
            row[column] = (*row.get(column, ()), run)
    if asked.table == "8":
        rows = {row: cells for row, cells in rows.items() if row not in ("teacher", "alone")}
    title = f"{asked.title(alone[0])}, {pair[0]} to {pair[1]}"
    columns, plain = ("standard", "SFTN"), frozenset({"teacher", "alone"})
    return Grid(title, rows, columns, "standard", _measures(asked), plain, True, PUBLISHED[asked.table])


def _measures(asked: _Asked) -> tuple[Measure, ...]:
    if asked.table == "7":
        fields = named(asked.settings.get("transfer"), "stl10,tiny-imagenet", "transfer")
        names = several(fields["name"], "transfer")
        sets = [from_json(Data, {**fields, "name": name}, "transfer") for name in names]
        return tuple(Measure(f"linear probe on {data.name} (%)", Transferred(data), needs=(data,)) for data in sets)
    if asked.table == "8":
        return (Measure("KL(teacher || student) (nats)", kl, digits=3), Measure("CKA, pooled vectors", cka, digits=3))
    return (Measure(_ACCURACY, accuracy),)


def _collaborative(asked: _Asked) -> list[Grid]:
    """Table 4: KD from a standard teacher, DML and KDCL with the teacher's network, RCO, KD from SFTN; and four times as long."""
    columns = {f"{teacher}/{student}": (teacher, student) for teacher, student in asked.pairs}
    sftn = asked.own("sftn", "sftn")
    route = named(asked.settings.get("route"), "equal", "route")
    ways: dict[str, Callable[[tuple[str, str]], tuple[Run, ...]]] = {
        "alone": lambda pair: asked.runs(pair, "ce"),
        "standard": lambda pair: asked.runs(pair, "kd", "standard"),
        "DML": lambda pair: asked.runs(pair, asked.own("dml", "dml"), peers=pair[0]),
        "KDCL": lambda pair: asked.runs(pair, asked.own("kdcl", "kdcl"), peers=pair[0]),
        "RCO": lambda pair: asked.runs(pair, "kd", "standard", route=route),
        "SFTN": lambda pair: asked.runs(pair, "kd", sftn),
    }
    if asked.settings.get("long"):
        ways["RCO-4"] = lambda pair: asked.runs(pair, "kd", "standard", times=4, route=route)
        ways["SFTN-4"] = lambda pair: asked.runs(pair, "kd", sftn, times=4)
    rows = {way: {column: made(pair) for column, pair in columns.items()} for way, made in ways.items()}
    taught = {way: {c: _teachers(rows[way][c]) for c in columns} for way in ("standard", "SFTN")}
    rows = {"teacher": taught["standard"], "SFTN teacher": taught["SFTN"], **rows}
    title = asked.title(rows["alone"][next(iter(columns))][0])
    plain = frozenset({"teacher", "SFTN teacher"})
    return [Grid(title, rows, tuple(columns), "alone", (Measure(_ACCURACY, accuracy),), plain, published=PUBLISHED["4"])]


def _varied(asked: _Asked) -> list[Grid]:
    """Tables 5 and 6: KD from SFTN teachers that differ in one setting, beside a standard teacher."""
    one = asked.table == "5"
    values = asked.settings.get("temperatures", (1, 5, 10, 15, 20)) if one else asked.settings.get("weights", (1, 3, 6, 10))
    fixed = {"kl_weight": 1.0} if one else {}
    field = "temperature" if one else "kl_weight"
    ways: dict[str, Any] = {"standard": "standard"}
    for value in values if isinstance(values, Sequence) and not isinstance(values, str) else [values]:
        ways[f"{'tau' if one else 'lambda'} {value:g}"] = asked.own("sftn", "sftn") | fixed | {field: float(value)}
    return [_by_teacher(asked, {way: dict.fromkeys(asked.pairs, how) for way, how in ways.items()}, "standard")]


def _branches(asked: _Asked) -> list[Grid]:
    """Table 9: KD from SFTN teachers whose branches are smaller than, equal to and larger than the student."""
    rows: dict[str, dict[tuple[str, str], Any]] = {}
    for pair in asked.pairs:
        given = asked.settings.get("branches", BRANCHES.get("/".join(pair)))
        names = [] if given is None else several(given, "branches")
        if len(names) != len(_SIZES):
            raise SpecError(
                f"branches: expected three networks (smaller, equal, larger) for {'/'.join(pair)}, found {names}"
            )
        for size, name in zip(_SIZES, names, strict=True):
            row = f"{size} ({name})" if len(asked.pairs) == 1 else size
            rows.setdefault(row, {})[pair] = asked.own("sftn", "sftn", student=_known(name))
    return [_by_teacher(asked, rows, next(row for row in rows if row.startswith("equal")))]


def _by_teacher(asked: _Asked, ways: Mapping[str, Mapping[tuple[str, str], Any]], base: str) -> Grid:
    rows = {way: {"/".join(pair): asked.runs(pair, "kd", how) for pair, how in cells.items()} for way, cells in ways.items()}
    measures = (
        Measure(f"teachers, {_ACCURACY}", accuracy, teachers=True),
        Measure(f"students by KD, {_ACCURACY}", accuracy),
    )
    first = next(iter(next(iter(rows.values())).values()))[0]
    columns = tuple("/".join(pair) for pair in asked.pairs)
    return Grid(asked.title(first), rows, columns, base, measures, published=PUBLISHED[asked.table])


TABLES: dict[str, Callable[[_Asked], list[Grid]]] = {
    "1": _methods,
    "2": _methods,
    "4": _collaborative,
    "5": _varied,
    "6": _varied,
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
