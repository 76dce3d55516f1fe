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
from didact.engine.recipe import IN_EIGHT_BITS
from didact.papers import layers, scales
from didact.papers.about import About
from didact.papers.layers import laid
from didact.papers.only import limited
from didact.request.plan import plan
from didact.request.settings import as_given, merged, several
from didact.runs.labels import recipe_label, row_label, row_labels
from didact.runs.run import Run
from didact.spec import SpecError, nearest, shown
from didact.tables.chosen import Chosen
from didact.tables.grid import Grid
from didact.tables.grids import Grids
from didact.tables.measures import Measure, accuracy
from didact.tables.published import Published
from didact.tables.table import Table

Settings = Mapping[str, Any]
"""A tree of settings of ``didact train``."""

SHORT = ("epochs", "precision")
"""Settings of a recipe that have a short form."""

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
        scales: settings by scale: data, recipe, seeds, teacher; also pairs, method (rows that are
            not all) and stands_for. ``small`` is the default, without one the first.
        published: figures by row and column (by row and pair, where pairs are the columns).
        sheets: the paper's own tables, to be printed.
        names: what rows and columns are, for ``--only``.
        about: for ``didact list studies``.
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
        sizes = layers.scales(self.scales, (*KEYS, *scales.PASSED))
        usual = "small" if "small" in sizes else next(iter(sizes))
        chosen_settings = scales.settings(settings, sizes, KEYS, usual)
        scales.check_teacher(chosen_settings.get("teacher", {}))
        checked = replace(self, rows=layers.rows(self.rows, "rows"), columns=layers.rows(self.columns, "columns"))
        made = _Made(checked, chosen_settings, device, scales.as_published(settings))
        made_grids = made.grids()
        if not any(run.teacher for grid in made_grids for run in grid.runs):
            scales.check_none(settings, ("teacher", "teacher_seeds"), "no row of this study has a teacher")
        if not made.stand_in:
            scales.check_none(settings, ("stands_for",), scales.NO_STAND_IN)
        grids = limited(made_grids, chosen_settings.get("only"))
        chosen = tuple(Chosen(grid, self.names[1]) for grid in grids if self.columns)
        return Grids(grids, self.title, chosen, self.sheets)


@dataclass(frozen=True)
class _Made:
    """A benchmark with settings, and what makes its Runs."""

    study: Benchmark
    settings: dict[str, Any]
    device: str
    same: bool

    @property
    def pairs(self) -> tuple[str, ...]:
        return _pairs(self.settings.get("pairs", self.study.pairs))

    @property
    def stand_in(self) -> bool:
        """Whether a pair without published figures is compared with those of another one."""
        published = self.study.published
        if published is None or not published.figures or self.study.columns:
            return False
        return not set(self.pairs) <= {pair for _, pair in published.figures}

    def grids(self) -> list[Grid]:
        pairs = self.pairs
        if self.study.columns:
            return [self._grid({label: (pair, one) for label, one in self.study.columns.items()}, pair) for pair in pairs]
        return [self._grid({pair: (pair, {}) for pair in pairs}, "")]

    def _grid(self, columns: Mapping[str, tuple[str, Settings]], pair: str) -> Grid:
        rows: dict[str, dict[str, tuple[Run, ...]]] = {}
        for label, row in self._rows().items():
            for column, (networks, own) in columns.items():
                for name, runs in self._cell(label, row, networks, own).items():
                    rows.setdefault(name, {})[column] = runs
        base = self.settings.get("base", self.study.base)
        if not isinstance(base, str) or base not in rows:
            raise SpecError(f"base: no row {shown(base)}{nearest(str(base), rows)}")
        teachers = _teachers(rows)
        measure = Measure("test accuracy (%)", accuracy, published=self._published(columns, pair))
        return Grid(
            self._title(list(rows[base].values()), pair),
            teachers | rows,
            tuple(columns),
            base,
            (measure,),
            frozenset(teachers),
            names=self.study.names,
            facts={"pair": pair} if pair else {},
        )

    def _title(self, cells: Sequence[tuple[Run, ...]], pair: str) -> str:
        """The subject, the pair, and the data and recipe of the cells of a row."""
        data = ", ".join(dict.fromkeys(runs[0].data.label for runs in cells))
        if not self.study.columns:
            return f"{self.study.title}: {data} ({recipe_label(cells[0][0])})"
        epochs = ", ".join(dict.fromkeys(str(runs[0].recipe.epochs) for runs in cells))
        return f"{self.study.title}: {pair}, {data} ({epochs} {'epoch' if epochs == '1' else 'epochs'})"

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
                asked["teacher"] = {**teacher, "recipe": self._teachers_recipe(teacher, teacher_net, request)}
            with scales.errors_under("method", request.get("method")):
                runs = plan(asked, self.device)
            if label in self.study.rows:
                _check_one(label, runs)
            for run in runs:
                name = label if label in self.study.rows else row_label(run)
                found[name] = (*found.get(name, ()), run)
        return found

    def _teachers_recipe(self, teacher: Mapping[str, Any], net: str, student: Settings) -> dict[str, Any]:
        """The recipe of the teacher: what it is given, else the scale's, whatever its student's row
        and column say. What only they set is spelt out, since it would be the student's
        otherwise."""
        short = {key: self.settings[key] for key in SHORT if key in self.settings}
        scale = {"name": "short", **self.settings.get("recipe", {}), **short}
        recipe = merged(scale, as_given(teacher.get("recipe", {}), "teacher.recipe"))
        name = recipe.get("name", scale["name"])
        if not isinstance(name, str):
            return recipe
        usual = recipes.settings(name, net) | {"precision": "auto"}
        own = {"learning_rate", *student.get("recipe", {}), *(key for key in SHORT if key in student)}
        return {key: usual[key] for key in sorted(own & usual.keys() - {*IN_EIGHT_BITS})} | recipe

    def _published(self, columns: Mapping[str, tuple[str, Settings]], pair: str) -> Published | None:
        """The published figures under our names, and whether amounts are compared."""
        published = self.study.published
        if published is None or not published.figures:
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


def _teachers(rows: Mapping[str, Mapping[str, tuple[Run, ...]]]) -> dict[str, dict[str, tuple[Run, ...]]]:
    """The teachers of the rows as rows of their own: "teacher", and "teacher of ROW" where a row has
    others."""
    found: dict[str, dict[str, tuple[Run, ...]]] = {"teacher": {}}
    for row, cells in rows.items():
        taught = {
            column: tuple({run.teacher.digest: run.teacher for run in runs if run.teacher is not None}.values())
            for column, runs in cells.items()
        }
        taught = {column: teachers for column, teachers in taught.items() if teachers}
        same = (name for name, known in found.items() if all(known.get(c, runs) == runs for c, runs in taught.items()))
        name = next(same, f"teacher of {row}")
        found[name] = taught | found.get(name, {})
    return found


def _check_one(row: str, runs: Sequence[Run]) -> None:
    """Raise SpecError if the runs of a row, which are averaged, differ in more than their seeds."""
    labels = row_labels(runs)
    kinds = list(dict.fromkeys((labels[run.digest], None if run.teacher is None else run.teacher.digest) for run in runs))
    if len(kinds) > 1:
        names = ", ".join(dict.fromkeys(name for name, _ in kinds))
        raise SpecError(
            f"rows.{row}: a row has one method and one teacher, found {len(kinds)} ({names}); write a row for each"
        )
