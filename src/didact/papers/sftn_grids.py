"""The grids of Runs of the SFTN paper's tables, each with the published figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from didact import nets
from didact.data import Data
from didact.papers.sftn_request import Wanted
from didact.papers.sftn_settings import BRANCHES
from didact.papers.sftn_tables import PUBLISHED
from didact.request.settings import named, several
from didact.runs.labels import row_label
from didact.runs.run import Run
from didact.spec import SpecError, from_json, plural, under
from didact.tables.grid import Grid
from didact.tables.measures import Measure, Transferred, accuracy, cka, kl, top5
from didact.tables.published import Published
from didact.teaching.route import Route


def _methods(request: Wanted) -> list[Grid]:
    """Tables 1, 2, 3, 7 and 8: for each pair, every method from either teacher."""
    return [_compared(request, pair) for pair in request.pairs]


def _compared(request: Wanted, pair: tuple[str, str]) -> Grid:
    sftn = {"kl_weight": 1.0} if request.table == "3" else {}  # its lambda_KL on ImageNet
    hows = {"standard": "standard", "SFTN": request.settings_of("sftn", "sftn", **sftn)}
    rows = by_method(request, pair, hows)
    if request.table == "3":
        request = replace(request, same=request.same and _whole(rows["alone"]["standard"][0].data))
    if request.table == "8":
        rows = {row: cells for row, cells in rows.items() if row not in ("teacher", "alone")}
    return Grid(
        f"{request.title(rows[next(iter(rows))]['standard'][0])}, {pair[0]} to {pair[1]}",
        rows,
        ("standard", "SFTN"),
        "standard",
        _measures(request, pair),
        frozenset({"teacher", "alone"}),
        average=True,
        published=PUBLISHED[request.table],
        names=("method", "teacher"),
        facts={"pair": "/".join(pair), "table": request.table},
    )


def _whole(data: Data) -> bool:
    """Whether a folder holds ImageNet as published: classes and training images."""
    return data.holds is not None and data.holds[:2] == (1000, 1_281_167)


def by_method(request: Wanted, pair: tuple[str, str], hows: Mapping[str, Any]) -> dict[str, dict[str, tuple[Run, ...]]]:
    """A row for the teachers, for the student alone, and for each method; a column for each way to
    train the teacher."""
    rows: dict[str, dict[str, tuple[Run, ...]]] = {"teacher": {}, "alone": {}}
    alone = request.runs(pair, "ce")
    for column, how in hows.items():
        runs = request.runs(pair, request.method, how)
        rows["teacher"][column] = _teachers(runs)
        rows["alone"][column] = alone
        for run in runs:
            row = rows.setdefault(row_label(run), {})
            row[column] = (*row.get(column, ()), run)
    return rows


def _measures(request: Wanted, pair: tuple[str, str]) -> tuple[Measure, ...]:
    there, pairs = request.paper_pair(pair)

    def published(name: str) -> Published:
        return request.published({how: f"{name} {how}" for how in ("standard", "SFTN")}, pairs=pairs)

    if request.table == "7":
        fields = named(request.settings.get("transfer"), "stl10,tiny-imagenet", "transfer")
        names = several(fields["name"], "transfer")
        data_sets = [from_json(Data, {**fields, "name": name}, "transfer") for name in names]
        known = {"stl10": "STL-10", "tiny-imagenet": "Tiny ImageNet"}
        return tuple(
            Measure(
                f"linear probe on {data.name} (%)",
                Transferred(data),
                needs=(data,),
                published=published(known[data.name]) if data.name in known else None,
                rule=PROBED,
            )
            for data in data_sets
        )
    if request.table == "8":
        likeness = "Ours: networks after the last epoch, on the test images."
        return (
            Measure("KL(teacher || student) (nats)", kl, digits=3, published=published("KL"), margin=0.02, rule=likeness),
            Measure("CKA, pooled vectors", cka, digits=3, published=published("CKA"), margin=0.01, rule=likeness),
        )
    if request.table == "3":
        return (
            Measure(_ACCURACY, accuracy, published=published("top-1")),
            Measure("top-5 test accuracy (%)", top5, published=published("top-5")),
        )
    return (Measure(_ACCURACY, accuracy, published=published(there)),)


def _collaborative(request: Wanted) -> list[Grid]:
    """Table 4: KD from a standard teacher, DML and KDCL with the teacher's network, RCO, KD from
    SFTN; long trainings."""
    columns = {f"{teacher}/{student}": (teacher, student) for teacher, student in request.pairs}
    sftn = request.settings_of("sftn", "sftn")
    route = named(request.settings.get("route"), "equal", "route")
    _check_route(request, route)
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
    measures = (Measure(_ACCURACY, accuracy, published=_by_pair(request)),)
    facts = {"table": "4"}
    return [Grid(title, rows, tuple(columns), "alone", measures, plain, published=PUBLISHED["4"], facts=facts)]


def _check_route(request: Wanted, settings: Mapping[str, Any]) -> None:
    """Check that the teachers have an epoch for each anchor.

    Raises:
        SpecError: they have not.
    """
    teacher = request.runs(request.pairs[0], "kd", "standard")[0].teacher
    assert teacher is not None
    anchors = settings.get("anchors", Route().anchors)
    if isinstance(anchors, int) and anchors > teacher.epochs:
        fewer = f", or --route.anchors {teacher.epochs}" if teacher.epochs > 1 else ""
        raise SpecError(
            f"epochs: the row RCO of Table 4 has {anchors} anchors, networks after one or more epochs of the teacher each, and "
            f"the teacher has {plural(teacher.epochs, 'epoch')}; write --epochs {anchors} or more{fewer}"
        )


def _by_pair(request: Wanted, which: int = 0) -> Published:
    """The published figures of a table with a column for each pair."""
    found = {"/".join(pair): request.paper_pair(pair) for pair in request.pairs}
    pairs = {ours: theirs for _, words in found.values() for ours, theirs in words.items()}
    return request.published({ours: there for ours, (there, _) in found.items()}, which, pairs)


def _temperatures(request: Wanted) -> list[Grid]:
    """Table 5: KD from SFTN teachers with different temperatures and lambda_KL 1."""
    return [
        _varied(request, "temperature", "tau", request.settings.get("temperatures", (1, 5, 10, 15, 20)), {"kl_weight": 1.0})
    ]


def _weights(request: Wanted) -> list[Grid]:
    """Table 6: KD from SFTN teachers with different lambda_KL."""
    return [_varied(request, "kl_weight", "lambda", request.settings.get("weights", (1, 3, 6, 10)), {})]


def _varied(request: Wanted, field: str, symbol: str, values: Any, fixed: Mapping[str, float]) -> Grid:
    """KD from a standard teacher, and from SFTN teachers that differ in the setting ``field``."""
    methods: dict[str, Any] = {"standard": "standard"}
    for value in values if isinstance(values, Sequence) and not isinstance(values, str) else [values]:
        methods[f"{symbol} {value:g}"] = {**request.settings_of("sftn", "sftn"), **fixed, field: float(value)}
    rows = {label: dict.fromkeys(request.pairs, method) for label, method in methods.items()}
    return _by_teacher(request, rows, "standard")


def _branches(request: Wanted) -> list[Grid]:
    """Table 9: every method, from SFTN teachers with branches smaller than, equal to and larger than
    the student."""
    return [_sized(request, pair) for pair in request.pairs]


def _sized(request: Wanted, pair: tuple[str, str]) -> Grid:
    setting = request.settings.get("branches", BRANCHES.get("/".join(pair)))
    names = [] if setting is None else several(setting, "branches")
    if len(names) != len(_SIZES):
        raise SpecError(f"branches: expected three networks (smaller, equal, larger) for {'/'.join(pair)}, found {names}")
    hows = {
        size: request.settings_of("sftn", "sftn", student=_known(name)) for size, name in zip(_SIZES, names, strict=True)
    }
    rows = by_method(request, pair, hows)
    there, pairs = request.paper_pair(pair)
    published = request.published({size: f"{there} {size}" for size in _SIZES}, pairs=pairs)
    return Grid(
        f"{request.title(rows['alone']['equal'][0])}, {pair[0]} to {pair[1]}, branches {', '.join(names)}",
        rows,
        _SIZES,
        "equal",
        (Measure(_ACCURACY, accuracy, published=published),),
        frozenset({"teacher", "alone"}),
        average=True,
        published=PUBLISHED["9"],
        names=("method", "branches"),
        facts={"pair": "/".join(pair), "table": "9"},
    )


def _sizes_of_teachers(request: Wanted) -> list[Grid]:
    """Figure 4: one student by KD from standard and SFTN teachers of several sizes."""
    hows = {"standard": "standard", "SFTN": request.settings_of("sftn", "sftn")}
    return [_by_teacher(request, {label: dict.fromkeys(request.pairs, how) for label, how in hows.items()}, "standard")]


def _by_teacher(request: Wanted, methods: Mapping[str, Mapping[tuple[str, str], Any]], base: str) -> Grid:
    """A grid of KD students by the method of their teacher: ``methods`` by row label and pair."""
    rows = {
        label: {"/".join(pair): request.runs(pair, "kd", method) for pair, method in by_pair.items()}
        for label, by_pair in methods.items()
    }
    of_teachers, of_students = (None, None) if request.table not in PUBLISHED else (_by_pair(request, 1), _by_pair(request))
    measures = (
        Measure(f"teachers, {_ACCURACY}", accuracy, teachers=True, published=of_teachers),
        Measure(f"students by KD, {_ACCURACY}", accuracy, published=of_students),
    )
    first = next(iter(next(iter(rows.values())).values()))[0]
    columns = tuple("/".join(pair) for pair in request.pairs)
    sheet, facts = PUBLISHED.get(request.table), {"method": "kd", "table": request.table}
    return Grid(request.title(first), rows, columns, base, measures, published=sheet, names=("teacher", "pair"), facts=facts)


TABLES: dict[str, Callable[[Wanted], list[Grid]]] = {
    "1": _methods,
    "2": _methods,
    "3": _methods,
    "4": _collaborative,
    "5": _temperatures,
    "6": _weights,
    "7": _methods,
    "8": _methods,
    "9": _branches,
    "fig4": _sizes_of_teachers,
}
"""What makes the grids of a table."""

PROBED = "Ours: the accuracy of a linear classifier on frozen vectors of the network after the last epoch."
_ACCURACY = "test accuracy (%)"
_SIZES = ("smaller", "equal", "larger")


def _known(branch: str) -> str:
    try:
        return nets.resolve(branch)
    except SpecError as error:
        raise SpecError(under("branches", str(error))) from None


def _teachers(runs: Sequence[Run]) -> tuple[Run, ...]:
    return tuple({run.teacher.digest: run.teacher for run in runs if run.teacher is not None}.values())
