"""What a table of the SFTN paper is asked for: its Runs, and the published figures for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from didact.papers import scales
from didact.papers.sftn_settings import METHODS, PAIRS
from didact.papers.sftn_tables import PUBLISHED, RULES, SOURCE
from didact.request.plan import plan
from didact.request.settings import as_given, several
from didact.runs.labels import recipe_label
from didact.runs.run import Run
from didact.spec import SpecError, shown
from didact.tables.published import Published


@dataclass(frozen=True)
class Wanted:
    """The settings of one table, and methods that make its Runs.

    Attributes:
        settings: the request's, and the scale's where it has none.
        table: its number, or fig4.
        device: what trains.
        same: whether data and recipe are the paper's.
    """

    settings: Mapping[str, Any]
    table: str
    device: str
    same: bool = False

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
        """The methods that Tables 1, 2, 3, 7, 8 and 9 compare."""
        return self.settings["method"] if "method" in self.settings else METHODS[self.table]

    def settings_of(self, key: str, name: str, **fields: Any) -> dict[str, Any]:
        """The settings of the method ``name``, from the setting ``key``; ``fields`` are
        defaults."""
        return {**fields, **scales.of_method(self.settings.get(key), name, key)}

    def runs(self, pair: tuple[str, str], method: Any, how: Any = None, times: int = 1, **more: Any) -> tuple[Run, ...]:
        """The student of ``pair`` over seeds, from the teachers (one a teacher seed) trained by
        ``how``, for ``times`` the teacher's epochs."""
        passed = {key: self.settings[key] for key in (*scales.PASSED, "seeds") if key in self.settings}
        request = {**passed, "net": pair[1], "method": method, **more}
        if how is None:
            return self._planned(request, how)
        teacher = {**self.settings["teacher"], "net": pair[0], "method": how}
        seeded = scales.teacher_seeds(self.settings, teacher)
        return tuple(run for one in seeded for run in self._planned({**request, "teacher": one}, how, times))

    def _planned(self, request: dict[str, Any], how: Any, times: int = 1) -> tuple[Run, ...]:
        with scales.errors_under("teacher.method", how), scales.errors_under("method", request["method"]):
            runs = plan(request, self.device)
        if times == 1:
            return tuple(runs)
        epochs = runs[0].recipe.epochs
        own = {"epochs": epochs, **as_given(request["teacher"].get("recipe", {}), "teacher.recipe")}
        recipe = {**as_given(request.get("recipe", {}), "recipe"), "epochs": times * epochs}
        longer = {**request, "teacher": {**request["teacher"], "recipe": own}, "recipe": recipe}
        return tuple(plan({key: value for key, value in longer.items() if key != "epochs"}, self.device))

    def title(self, run: Run) -> str:
        """The first part of a table's title; the name of the measure follows."""
        name = self.table.replace("fig", "Figure ") if self.table.startswith("fig") else f"Table {self.table}"
        return f"{name} on {run.data.label} ({recipe_label(run)})"

    def published(self, columns: Mapping[str, str], which: int = 0, pairs: Mapping[str, str] | None = None) -> Published:
        """The paper's figures of this table under our names.

        Args:
            columns: the paper's column by ours.
            which: of several numbers in a cell.
            pairs: our pairs that the paper does not have -> those that they stand for.
        """
        sheet = PUBLISHED[self.table]
        if self.table == "5":  # it has no row of the standard teacher, and Table 6 has the same pairs
            sheet = replace(sheet, rows=(PUBLISHED["6"].rows[0], *sheet.rows))
        read = Published.read(sheet, SOURCE.format(self.table), RULES[self.table], which)
        rows = {str(row[0]): str(row[0]) for row in sheet.rows}
        words = "; ".join(f"{ours} stands for the paper's {there}" for ours, there in (pairs or {}).items())
        return replace(read.named(rows, columns), same=self.same and not pairs, stand_ins=f"{words}." if words else "")

    def paper_pair(self, pair: tuple[str, str]) -> tuple[str, dict[str, str]]:
        """The paper's pair for one of ours, and what to say where it is another."""
        ours, theirs = "/".join(pair), [] if self.table not in PUBLISHED else list(PAIRS[self.table])
        if ours in theirs:
            return ours, {}
        chosen = self.settings.get("stands_for") or next((name for name in theirs if name == USUAL), theirs[0])
        if chosen not in theirs:
            raise SpecError(f"stands_for: table {self.table} has no pair {shown(chosen)}; it has {', '.join(theirs)}")
        return chosen, {ours: chosen}


USUAL = "resnet32x4/resnet8x4"
"""The pair of the paper that others stand for, where a table has it."""
