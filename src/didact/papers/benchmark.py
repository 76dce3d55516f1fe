"""A study as a value: rows and columns of settings, and the published figures. A file of one's own
holds one as well::

    # mine.py: didact study mine.py
    from didact.papers import Benchmark

    study = Benchmark(
        title="KD on my pair",
        pairs="resnet20/resnet8",
        rows={"alone": {"method": "ce", "teacher": None}, "kd": {"method": "kd"}},
        base="alone",
        scales={"small": {"data": {"name": "digits"}, "recipe": {"name": "short"}, "seeds": 3}},
    )
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from didact.engine import recipes
from didact.papers import scales
from didact.papers.about import About
from didact.papers.only import limited
from didact.request.plan import plan
from didact.request.settings import as_given, several
from didact.runs.labels import recipe_label, row_label
from didact.runs.run import Run
from didact.spec import SpecError, nearest, plural, shown
from didact.tables.chosen import Chosen
from didact.tables.grid import Grid
from didact.tables.grids import Grids
from didact.tables.measures import Measure, accuracy
from didact.tables.published import Published
from didact.tables.table import Table

Settings = Mapping[str, Any]
"""A tree of settings of ``didact train``."""

KEYS = ("pairs", "method", "seeds", "teacher_seeds", "teacher", "only", "stands_for", "base")


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Rows x columns of trainings. Call it with (settings, device) for the study.

    Attributes:
        title: the subject in a line.
        pairs: teacher/student, several in a list or separated by commas.
        rows: settings by the row's label, laid over the scale's. ``"teacher": None`` for students
            without a teacher.
        base: the row to which the others are compared.
        columns: settings by the column's label; then each pair has a table of its own. Without any
            the pairs are the columns. A column's recipe is the student's; the teacher has the
            scale's.
        scales: settings by scale: data, recipe, seeds, teacher. The first is the default.
        published: figures by row and column (by row and pair, where pairs are the columns).
        sheets: the paper's own tables, to be printed.
        names: what rows and columns are, for ``--only``.
        about: for ``didact list studies``.
        method: rows of a scale that are not all: labels by scale.
    """

    title: str
    pairs: str | Sequence[str]
    rows: Mapping[str, Settings]
    base: str
    scales: Mapping[str, Settings]
    columns: Mapping[str, Settings] = field(default_factory=dict)
    published: Published | None = None
    sheets: tuple[Table, ...] = ()
    names: tuple[str, str] = ("method", "pair")
    about: About | None = None

    def __call__(self, settings: Settings, device: str = "cpu") -> Grids:
        """The study with these settings; the scale gives the others.

        Raises:
            SpecError: unknown keys or names.
        """
        usual = "small" if "small" in self.scales else next(iter(self.scales))
        merged = scales.settings(settings, self.scales, KEYS, usual)
        scales.check_teacher(merged.get("teacher", {}))
        made = _Made(self, merged, device, scales.as_published(settings))
        grids = limited(made.grids(), merged.get("only"))
        chosen = tuple(Chosen(grid, self.names[1]) for grid in grids if self.columns)
        return Grids(grids, self.title, chosen, self.sheets)


@dataclass(frozen=True)
class _Made:
    """A benchmark with settings, and what makes its Runs."""

    study: Benchmark
    settings: dict[str, Any]
    device: str
    same: bool

    def grids(self) -> list[Grid]:
        pairs = _pairs(self.settings.get("pairs", self.study.pairs))
        if self.study.columns:
            return [self._grid({label: (pair, one) for label, one in self.study.columns.items()}, pair) for pair in pairs]
        return [self._grid({pair: (pair, {}) for pair in pairs}, "")]

    def _grid(self, columns: Mapping[str, tuple[str, Settings]], pair: str) -> Grid:
        rows: dict[str, dict[str, tuple[Run, ...]]] = {"teacher": {}}
        for label, row in self._rows().items():
            for column, (networks, own) in columns.items():
                for name, runs in self._cell(label, row, networks, own).items():
                    rows.setdefault(name, {})[column] = runs
                    taught = {run.teacher.digest: run.teacher for run in runs if run.teacher is not None}
                    if taught:
                        rows["teacher"].setdefault(column, tuple(taught.values()))
        base = self.settings.get("base", self.study.base)
        if not isinstance(base, str) or base not in rows:
            raise SpecError(f"base: no row {shown(base)}{nearest(str(base), rows)}")
        first = next(iter(rows[base].values()))[0]
        recipe = plural(first.recipe.epochs, "epoch") if self.study.columns else recipe_label(first)
        title = f"{self.study.title}: {f'{pair}, ' if pair else ''}{first.data.label} ({recipe})"
        measure = Measure("test accuracy (%)", accuracy, published=self._published(columns, pair))
        facts = {"pair": pair} if pair else {}
        plain = frozenset({"teacher"})
        return Grid(title, rows, tuple(columns), base, (measure,), plain, names=self.study.names, facts=facts)

    def _rows(self) -> dict[str, Settings]:
        """The rows that are asked for, and the one to which they are compared; methods that are no
        row become one."""
        if "method" not in self.settings:
            return dict(self.study.rows)
        wanted = self.settings["method"]
        named = several(wanted, "method") if isinstance(wanted, (str, list, tuple)) else [wanted]
        base = self.settings.get("base", self.study.base)
        rows = {base: self.study.rows[base]} if isinstance(base, str) and base in self.study.rows else {}
        for one in named:
            known = isinstance(one, str) and one in self.study.rows
            rows[str(one)] = self.study.rows[one] if known else {"method": one}
        return rows

    def _cell(self, label: str, row: Settings, pair: str, column: Settings) -> dict[str, tuple[Run, ...]]:
        """The Runs of a row and a column, by the row's label: a row of its own for each of several
        methods that are no row of the study."""
        teacher_net, student = pair.split("/")
        kept = {key: self.settings[key] for key in (*scales.PASSED, "seeds") if key in self.settings}
        request = {**laid(laid(kept, column), row), "net": student}
        if request.get("teacher", {}) is None:
            teachers: list[dict[str, Any] | None] = [None]
        else:
            own = laid(self.settings.get("teacher") or {}, request.get("teacher", {}))
            teachers = [*scales.teacher_seeds(self.settings, {**own, "net": teacher_net})]
        found: dict[str, tuple[Run, ...]] = {}
        for teacher in teachers:
            asked = {key: value for key, value in request.items() if key != "teacher"}
            if teacher is not None:
                asked["teacher"] = {**teacher, "recipe": self._teachers_recipe(teacher, teacher_net)}
            with scales.errors_under("method", request["method"]):
                runs = plan(asked, self.device)
            for run in runs:
                name = label if label in self.study.rows else row_label(run)
                found[name] = (*found.get(name, ()), run)
        return found

    def _teachers_recipe(self, teacher: Mapping[str, Any], net: str) -> dict[str, Any]:
        """The recipe of the teacher: what it is given, else the scale's, whatever its student's
        column says. The rate is spelt out, since it would be the student's otherwise."""
        scale, short = self.settings["recipe"], {}
        for key in ("epochs", "precision"):
            short |= {key: self.settings[key]} if key in self.settings else {}
        recipe = {**scale, **short, **as_given(teacher.get("recipe", {}), "teacher.recipe")}
        name = recipe["name"]
        return {"learning_rate": recipes.settings(name, net)["learning_rate"], **recipe} if isinstance(name, str) else recipe

    def _published(self, columns: Mapping[str, tuple[str, Settings]], pair: str) -> Published | None:
        """The published figures under our names, and whether amounts are compared."""
        published = self.study.published
        if published is None:
            return None
        if self.study.columns:
            own = pair in _pairs(self.study.pairs)
            words = "" if own else f"{pair} stands for {', '.join(_pairs(self.study.pairs))}."
            return replace(published, same=self.same and own, stand_ins=words)
        known = list(dict.fromkeys(column for _, column in published.figures))
        usual = self.settings.get("stands_for", known[0])
        if usual not in known:
            raise SpecError(f"stands_for: no published pair {shown(usual)}; known: {', '.join(known)}")
        there = {column: column if column in known else usual for column in columns}
        rows = {row: row for row, _ in published.figures}
        words = "; ".join(f"{ours} stands for {theirs}" for ours, theirs in there.items() if ours != theirs)
        same = self.same and all(ours == theirs for ours, theirs in there.items())
        return replace(published.named(rows, there), same=same, stand_ins=f"{words}." if words else "")


def _pairs(given: Any) -> tuple[str, ...]:
    pairs = several(given, "pairs")
    wrong = next((pair for pair in pairs if pair.count("/") != 1), None)
    if wrong is not None:
        raise SpecError(f"pairs: expected teacher/student, e.g. resnet20/resnet8, found {shown(wrong)}")
    return tuple(pairs)


def laid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The settings ``over`` laid over ``base``, one by one at any depth."""
    both = {**base, **over}
    for key in base.keys() & over.keys():
        if isinstance(base[key], Mapping) and isinstance(over[key], Mapping):
            both[key] = laid(base[key], over[key])
    return both
