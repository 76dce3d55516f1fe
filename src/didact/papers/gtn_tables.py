"""The GTN poster's own tables, and the settings of our study of it.

Binici, Wu, Mitra: Generalizing Teacher Networks (https://arxiv.org/abs/2407.16040), the poster. It
describes neither its pool nor its teacher nor its students, so all of ours are our own choice, and
only directions of differences are compared.
"""

from __future__ import annotations

from typing import Any

from didact.tables.published import Published
from didact.tables.table import Table

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
"""Settings by scale: minutes on two cores; one to two hours on two cores; the poster's size, for a
GPU."""

BY_TABLE: dict[tuple[str, str], dict[str, Any]] = {
    ("imagenet200", "small"): {"data": {"name": "tiny-imagenet", "classes": 20, "per_class": 200, "size": 32}},
    ("imagenet200", "paper"): {"data": {"name": "tiny-imagenet"}},
}
"""By table and scale, settings in place of the scale's. What "ImageNet-200" is the poster does not
say: Tiny ImageNet has 200 classes of ImageNet; ``--data folder:imagenet#tiny-imagenet`` takes the
same classes at their full size.
"""

_HEAD = ("", "no KD", "vanilla KD", "SCKD", "for s1", "for s2", "for s3", "for s4", "GTN")
CIFAR = Table(
    _HEAD,
    (
        ("teacher", "", "78.04", "78.04", "81.54", "81.46", "81.49", "80.97", "80.71"),
        ("s1", "73.22", "75.40", "75.34", "75.82", "76.09", "75.34", "76.03", "76.70"),
        ("s2", "77.92", "77.89", "77.47", "78.23", "78.52", "77.90", "77.76", "78.85"),
        ("s3", "76.87", "77.21", "77.08", "77.66", "78.05", "78.05", "77.94", "78.22"),
        ("s4", "75.60", "76.42", "75.77", "77.20", "77.71", "77.23", "77.66", "77.79"),
    ),
    "GTN poster, CIFAR-100 (its own pool, teacher and students)",
    "Single figures; the poster gives no spread.",
)
IMAGENET = Table(
    ("", "no KD", "vanilla KD", "SCKD", "for s5", "for s6", "for s7", "for s8", "GTN"),
    (
        ("teacher", "", "65.28", "65.28", "69.71", "69.08", "68.96", "69.00", "70.10"),
        ("s5", "62.63", "64.86", "65.36", "65.54", "64.99", "65.08", "65.30", "65.63"),
        ("s6", "64.34", "64.79", "65.68", "66.00", "65.71", "65.88", "65.82", "66.08"),
        ("s7", "62.62", "64.37", "63.97", "64.69", "64.73", "64.71", "65.13", "65.74"),
        ("s8", "62.15", "63.53", "63.95", "63.48", "64.13", "63.88", "64.13", "64.29"),
    ),
    "GTN poster, ImageNet-200 (its own pool, teacher and students)",
    "Single figures; the poster gives no spread. It prints the difference of s6 by SCKD as +0.45; its figures differ by +0.89.",
)
_STUDENTS = ("s1", "s2", "s3", "s4", "s_nas", "m_nas", "l_nas")
_SIZES = ("22.2", "5.5", "29.9", "7.5", "50.6", "12.6", "25.4", "6.4", "6.7", "1.7", "28.6", "7.2", "77.1", "19.3")
MEMORY = Table(
    ("", *(f"{name}, {bits} bit" for name in _STUDENTS for bits in (32, 8))),
    (
        ("memory (MB)", *_SIZES),
        ("Arm Ethos N77 (1-4 MB)", *"\u2717" * 8, *"\u2713" * 2, *"\u2717" * 4),
        ("Edge TPU (8 MB)", *"\u2713" * 14),
        ("Raspberry Pi (1 GB)", *"\u2713" * 14),
    ),
    "GTN poster, memory of its students",
    "Nine of its marks contradict its own sizes: docs/devices.md corrects them.",
)
SHEETS = {"cifar100": (CIFAR,), "imagenet200": (IMAGENET,), "memory": (MEMORY,), "cost": ()}
"""By table of the study, the poster's."""

RULE = "single figures; the poster says neither after which epoch nor over how many runs."
COST = (
    "The poster's figure of costs prints no numbers; its text: with more than two students the generic teacher costs less."
)


def published(table: str, students: tuple[str, ...]) -> Published | None:
    """The poster's accuracies by student and kind of teacher, named as our columns are; None for
    tables of other things."""
    if table not in ("cifar100", "imagenet200"):
        return None
    (sheet,) = SHEETS[table]
    columns = {"alone": "no KD", "standard": "vanilla KD", "SCKD": "SCKD", "generic": "GTN"}
    columns |= {f"for {student}": f"for {student}" for student in students}
    read = Published.read(sheet, sheet.title, RULE)
    return read.named({row: row for row in ("teacher", *students)}, columns)
