"""What decides whether students gain from a teacher that was trained with students: quantities of the teachers beside the gain.

    DIDACT_DATA=... python benchmarks/what_decides.py STORE > benchmarks/results/what-decides.md

A row is a setting of the store: students of one teacher that was trained with students, and of the standard teacher that is like
it in all else, by the same method and seeds. The gain is the mean of the students' paired differences in test accuracy, in
percentage points. Below stands how each quantity goes with the gain: Spearman's rank correlation, and how often a threshold that
is fitted to settings of other data or another length has the sign of the gain. A quantity "at half" is known after half of the
teachers' epochs, before any student is trained.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from scipy.stats import spearmanr

from didact.advice.records import steps
from didact.data import load
from didact.method import ForPool, ForStudent
from didact.nets import title
from didact.nets.blocks import parameters
from didact.runs.labels import teacher_label
from didact.runs.run import BASELINE, Run
from didact.store.record import Record
from didact.store.store import Store
from teacher_answers import Answers, answers

Pairs = list[tuple[float, float]]
"""Test accuracies of students of the same seed: of the standard teacher, of the friendly one."""


@dataclass(frozen=True)
class Setting:
    """Students of a friendly teacher and of the standard teacher like it."""

    student: Run
    friendly: Run
    standard: Run
    pairs: Pairs

    @property
    def gain(self) -> float:
        return fmean(friendly - standard for standard, friendly in self.pairs)

    @property
    def regime(self) -> str:
        return f"{self.student.data.label}, {self.student.epochs} epochs"

    @property
    def name(self) -> str:
        seed = f", teacher's seed {self.friendly.seed}" if self.friendly.seed else ""
        return f"{self.regime}: {title(self.student.net)} from {teacher_label(self.friendly)}{seed}"


def settings(store: Store) -> list[Setting]:
    """All settings of the store, shortest training first."""
    accuracies = {run.digest: record.final()["test_top1"] for run, record in store.runs() if run.teacher is not None}
    groups: dict[tuple[str, str], tuple[Run, Pairs]] = {}
    for run, _ in store.runs():
        teacher = run.teacher
        if teacher is None or not isinstance(teacher.method, ForStudent | ForPool) or teacher.start is not None:
            continue
        standard = replace(teacher, method=BASELINE)
        beside = replace(run, teacher=standard).digest
        if beside in accuracies:
            _, pairs = groups.setdefault((teacher.digest, replace(run, seed=0).digest), (run, []))
            pairs.append((accuracies[beside], accuracies[run.digest]))
    of_store = [_setting(run, pairs) for run, pairs in groups.values()]
    return sorted(of_store, key=lambda one: (one.student.data.label, one.student.epochs, one.name))


def _setting(run: Run, pairs: Pairs) -> Setting:
    assert run.teacher is not None
    return Setting(run, run.teacher, replace(run.teacher, method=BASELINE), pairs)


def quantities(store: Store, setting: Setting, known: dict[str, Answers]) -> dict[str, float]:
    """What may decide the gain, by name."""
    for teacher in (setting.standard, setting.friendly):
        if teacher.digest not in known:
            net, _ = store.load(teacher)
            known[teacher.digest] = answers(net.eval(), load(teacher.data), "train")
    standard, friendly = (store.opened(teacher) for teacher in (setting.standard, setting.friendly))
    assert standard is not None and friendly is not None, "a student's teacher is in its store"
    return {
        "1 / epochs": 1 / setting.student.epochs,
        "1 / steps": 1 / steps(setting.student),
        "training accuracy of standard": known[setting.standard.digest].accuracy,
        "training accuracy of friendly": known[setting.friendly.digest].accuracy,
        "entropy of standard": known[setting.standard.digest].entropy,
        "entropy of friendly": known[setting.friendly.digest].entropy,
        "standard over its students": standard.final()["test_top1"] - fmean(first for first, _ in setting.pairs),
        "friendly over its best branch": _over_branch(friendly.final()),
        "friendly over standard": friendly.final()["test_top1"] - standard.final()["test_top1"],
        "student's share of parameters": _size(store, setting.student) / _size(store, setting.standard),
        "training accuracy of standard, at half": _at_half(standard)["train_top1"],
        "friendly over its best branch, at half": _over_branch(_at_half(friendly)),
        "friendly over standard, at half": _at_half(friendly)["test_top1"] - _at_half(standard)["test_top1"],
    }


def _size(store: Store, run: Run) -> int:
    return parameters(store.load(run)[0])


def _over_branch(row: Mapping[str, float]) -> float:
    """NaN where no branch was tested, as a supernet's are not."""
    branches = [value for name, value in row.items() if name.startswith("test_branch") and name.endswith("_top1")]
    return row["test_top1"] - max(branches) if branches else float("nan")


def _at_half(record: Record) -> Mapping[str, float]:
    """The first tested epoch from half of the training on."""
    rows = [row for row in record.metrics() if "test_top1" in row]
    return next(row for row in rows if row["epoch"] >= rows[-1]["epoch"] / 2)


@dataclass(frozen=True)
class Point:
    """A quantity's value in one setting, the gain there, and the setting's data and length."""

    value: float
    gain: float
    regime: str


def sign(points: Sequence[Point]) -> int:
    """How often a threshold that is fitted to points of other regimes has the sign of a point's gain."""
    right = 0
    for point in points:
        others = [(other.value, other.gain > 0) for other in points if other.regime != point.regime]
        if len({value for value, _ in others}) > 1:
            right += _best(others)(point.value) == (point.gain > 0)
    return right


@dataclass(frozen=True)
class Threshold:
    """Says "gain" above ``at``, or below it where ``above`` is False."""

    at: float
    above: bool

    def __call__(self, value: float) -> bool:
        return (value > self.at) == self.above


def _best(points: Sequence[tuple[float, bool]]) -> Threshold:
    """The threshold with the fewest errors; of equals the one with the widest gap around it."""
    ordered = sorted({x for x, _ in points})
    cuts = list(itertools.pairwise(ordered))
    candidates = [(Threshold((low + high) / 2, above), high - low) for low, high in cuts for above in (True, False)]
    return min(candidates, key=lambda one: (sum(one[0](x) != gained for x, gained in points), -one[1]))[0]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints it in Markdown."""
    print(f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows), sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store")
    store = Store(parser.parse_args().store)
    of_store = settings(store)
    known: dict[str, Answers] = {}
    rows = [quantities(store, setting, known) for setting in of_store]
    names = list(rows[0])
    table(
        ["setting", "students", "gain", *names], [_cells(setting, row) for setting, row in zip(of_store, rows, strict=True)]
    )
    print()
    judged = []
    for name in names:
        points = [Point(row[name], setting.gain, setting.regime) for setting, row in zip(of_store, rows, strict=True)]
        judged.append(_judged(name, [point for point in points if not math.isnan(point.value)]))
    table(["quantity", "settings", "rank correlation with the gain", "right sign"], judged)


def _cells(setting: Setting, row: Mapping[str, float]) -> list[str]:
    return [setting.name, str(len(setting.pairs)), f"{setting.gain:+.2f}", *(f"{value:.3g}" for value in row.values())]


def _judged(name: str, points: Sequence[Point]) -> list[str]:
    values, gains = [point.value for point in points], [point.gain for point in points]
    if len(set(values)) < 2 or len(set(gains)) < 2:
        return [name, str(len(points)), "-", "-"]
    return [name, str(len(points)), f"{spearmanr(values, gains)[0]:+.2f}", f"{sign(points)} of {len(points)}"]


if __name__ == "__main__":
    main()
