"""Trials so far: students of a teacher that was trained with students, against those of a standard
teacher.

A trial is one setting: teacher, student, data and length of the training. Its gain is the mean over
methods and seeds of the students' last-epoch test accuracy from the friendly teacher minus that
from the standard teacher, in percentage points. Trials that share their data and length form a
regime; they also share their standard teacher, so they count together.

Left out are trainings whose teachers and students were trained for different numbers of epochs.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from didact.papers import gtn_tables, sftn_settings, sftn_tables
from didact.tables.table import Cell, Table

KINDS = ("sftn", "gtn")
"""Ways to train a teacher with students."""


@dataclass(frozen=True)
class Trial:
    """One setting in which students of both teachers were trained.

    Attributes:
        kind: how the friendly teacher was trained: "sftn" or "gtn".
        regime: data and length, as a text; trials with equal texts are not independent.
        epochs: length of the training, of teachers and students alike.
        steps: optimisation steps of the same.
        teacher, student: networks.
        gain: in percentage points.
        source: the page or table that has the figures.
    """

    kind: str
    regime: str
    epochs: int
    steps: int
    teacher: str
    student: str
    gain: float
    source: str

    @property
    def data(self) -> str:
        """What its networks learned from: the regime without the length."""
        return self.regime.rpartition(", ")[0]


_MEASURED = """
    sftn | digits 20 per class               |  15 |    105 | resnet14 | resnet8  | -9.88 | sftn-small-scale
    sftn | digits 20 per class               |  45 |    315 | resnet14 | resnet8  | -0.28 | sftn-small-scale
    sftn | digits 20 per class               | 135 |    945 | resnet14 | resnet8  | -0.25 | sftn-small-scale
    sftn | digits 20 per class               |  45 |    315 | resnet14 | s1       | +0.15 | gtn-small-scale
    sftn | digits 20 per class               |  45 |    315 | resnet14 | s2       | +0.15 | gtn-small-scale
    sftn | digits 20 per class               |  45 |    315 | resnet14 | s3       | -0.85 | gtn-small-scale
    sftn | digits 20 per class               |  45 |    315 | resnet14 | s4       | -1.01 | gtn-small-scale
    sftn | cifar100 20 classes 200 per class |  20 |   1260 | resnet20 | s1       | -7.52 | gtn-small-scale
    sftn | cifar100 20 classes 200 per class |  20 |   1260 | resnet20 | s2       | -5.39 | gtn-small-scale
    sftn | cifar100 20 classes 200 per class |  20 |   1260 | resnet20 | s3       | -6.79 | gtn-small-scale
    sftn | cifar100 20 classes 200 per class |  20 |   1260 | resnet20 | s4       | -4.10 | gtn-small-scale
    sftn | cifar100 20 classes 200 per class |  40 |   2520 | resnet20 | resnet8  | -3.67 | sftn-tables
    sftn | cifar100 20 classes 100 per class |  60 |   3780 | wrn_16_2 | wrn_16_1 | -1.38 | sftn-small-scale
    sftn | cifar100 at 16x16                 |  40 |  31250 | resnet20 | resnet8  | -1.51 | friendly-teachers
    sftn | cifar100 at 16x16 50 per class    |  60 |   4740 | resnet20 | resnet8  | -1.56 | friendly-teachers
    sftn | cifar100 at 16x16 50 per class    |  60 |   4740 | resnet20 | basic-8-1x8-1x16-1x32 | -1.84 | friendly-teachers
    sftn | cifar100 at 16x16 50 per class    |  60 |   4740 | resnet20 | resnet14 | -0.16 | friendly-teachers
    sftn | cifar100 at 16x16 50 per class    |  60 |   4740 | resnet20 | mobilenet_v2 | -3.07 | friendly-teachers
    sftn | cifar100 at 16x16 50 per class    | 120 |   9480 | resnet20 | resnet8  | +0.01 | friendly-teachers
    sftn | cifar100 at 16x16 50 per class    | 240 |  18960 | resnet20 | resnet8  | +1.81 | friendly-teachers
    sftn | cifar100 at 16x16 50 per class    | 240 |  18960 | resnet20 | resnet8  | +2.52 | friendly-teachers
    sftn | cifar100 at 16x16 50 per class    | 240 |  18960 | resnet20 | resnet14 | +2.78 | friendly-teachers
    sftn | cifar100 at 16x16 20 per class    | 240 |   7680 | resnet20 | resnet8  | +1.36 | friendly-teachers
    sftn | cifar100 at 16x16 20 per class, RandAugment 15, erase 0.5 | 240 | 7680 | resnet20 | resnet8 | -1.07 | friendly-teachers
    gtn  | digits 20 per class               |  15 |    105 | resnet14 | s1 to s4 | -13.1 | gtn-small-scale
    gtn  | digits 20 per class               |  45 |    315 | resnet14 | s1       | +0.45 | gtn-small-scale
    gtn  | digits 20 per class               |  45 |    315 | resnet14 | s2       | +0.48 | gtn-small-scale
    gtn  | digits 20 per class               |  45 |    315 | resnet14 | s3       | +0.08 | gtn-small-scale
    gtn  | digits 20 per class               |  45 |    315 | resnet14 | s4       | +0.54 | gtn-small-scale
    gtn  | digits 20 per class               | 135 |    945 | resnet14 | s1 to s4 | +0.70 | gtn-small-scale
    gtn  | cifar100 20 classes 200 per class |  20 |   1260 | resnet20 | s1       | -4.92 | gtn-small-scale
    gtn  | cifar100 20 classes 200 per class |  20 |   1260 | resnet20 | s2       | -4.63 | gtn-small-scale
    gtn  | cifar100 20 classes 200 per class |  20 |   1260 | resnet20 | s3       | -4.28 | gtn-small-scale
    gtn  | cifar100 20 classes 200 per class |  20 |   1260 | resnet20 | s4       | -3.69 | gtn-small-scale
    gtn  | cifar100 20 classes 200 per class |  60 |   3780 | resnet20 | s1 to s4 | -2.10 | gtn-small-scale
    gtn  | cifar100 at 16x16 50 per class    |  60 |   4740 | resnet20 | resnet8  | -0.67 | friendly-teachers
    gtn  | cifar100 at 16x16 50 per class    | 240 |  18960 | resnet20 | resnet8  | +0.84 | friendly-teachers
"""
"""Our own, with the published weights of each method: data as ``DatasetSettings.label`` has it, so that
such trials in a store are of the same regime. The last column is the page of docs/results that has
the figures.
"""

PAPER_STEPS = 240 * 782
"""240 epochs of CIFAR-100 in batches of 64."""


def measured() -> list[Trial]:
    """The trials of docs/results."""
    rows = [[cell.strip() for cell in line.split("|")] for line in _MEASURED.strip().splitlines()]
    return [
        Trial(
            kind,
            f"{data}, {epochs} epochs",
            int(epochs),
            int(steps),
            teacher,
            student,
            float(gain),
            f"docs/results/{page}.md",
        )
        for kind, data, epochs, steps, teacher, student, gain, page in rows
    ]


def published() -> list[Trial]:
    """The cells of the SFTN paper's Tables 1 to 3 and of the GTN poster, as means over their
    methods.
    """
    return [*_sftn("1"), *_sftn("2"), _imagenet(), *_gtn()]


def trials() -> list[Trial]:
    """All of them."""
    return [*measured(), *published()]


def _sftn(number: str) -> Iterable[Trial]:
    """A pair has two columns, students of the standard and of the SFTN teacher; the first two rows
    are no students of either.
    """
    rows = sftn_tables.PUBLISHED[number].rows[2:]
    for at, pair in enumerate(sftn_settings.PAIRS[number]):
        teacher, _, student = pair.partition("/")
        gain = statistics.fmean(_number(row[2 + 2 * at]) - _number(row[1 + 2 * at]) for row in rows)
        yield Trial("sftn", "cifar100, 240 epochs", 240, PAPER_STEPS, teacher, student, gain, f"SFTN, Table {number}")


def _imagenet() -> Trial:
    """Table 3: ResNet-50 teaches ResNet-34 for 100 epochs in batches of 256; top-1 by KD, FitNets,
    SP, CRD and OH.
    """
    gain = statistics.fmean((0.59, 0.45, 0.58, 0.38, 0.45))
    return Trial("sftn", "imagenet, 100 epochs", 100, 100 * 5005, "resnet50", "resnet34", gain, "SFTN, Table 3")


def _gtn() -> Iterable[Trial]:
    """The poster's table on CIFAR-100; it names no number of epochs, 240 is the SFTN paper's."""
    table: Table = gtn_tables.CIFAR
    standard, generic = table.columns.index("vanilla KD"), table.columns.index("GTN")
    for row in table.rows[1:]:
        gain = _number(row[generic]) - _number(row[standard])
        yield Trial("gtn", "cifar100, 240 epochs", 240, PAPER_STEPS, "unnamed", str(row[0]), gain, "GTN poster")


def _number(cell: Cell) -> float:
    """A published figure."""
    return float(str(cell))
