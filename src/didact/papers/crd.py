"""CRD's benchmark: 14 methods on 13 pairs of networks, on CIFAR-100. Most later papers compare with
it.

Tian, Krishnan, Isola: Contrastive Representation Distillation (ICLR 2020,
https://arxiv.org/abs/1910.10699), Tables 1 and 2, as https://github.com/HobbitLong/RepDistiller
lists them. Methods have its weights: features without KD, except for CRD+KD. FSP has no published
figure for pairs of unequal widths, where didact adapts the channels.
"""

from __future__ import annotations

from didact.papers.about import About
from didact.papers.benchmark import Benchmark
from didact.tables.published import Published
from didact.tables.table import Table

SAME = (
    "wrn_40_2/wrn_16_2", "wrn_40_2/wrn_40_1", "resnet56/resnet20", "resnet110/resnet20", "resnet110/resnet32",
    "resnet32x4/resnet8x4", "vgg13/vgg8",
)  # fmt: skip
DIFFERENT = (
    "vgg13/mobilenet_v2", "resnet50/mobilenet_v2", "resnet50/vgg8", "resnet32x4/shufflenet_v1", "resnet32x4/shufflenet_v2",
    "wrn_40_2/shufflenet_v1",
)  # fmt: skip
METHODS = ("kd", "fitnet", "at", "sp", "cc", "vid", "rkd", "pkt", "ab", "ft", "fsp", "nst", "crd", "crd+kd")


def _sheet(pairs: tuple[str, ...], text: str, title: str) -> Table:
    rows = tuple(tuple(cell.strip() for cell in line.split(",")) for line in text.strip().splitlines())
    return Table(("", *pairs), rows, title)


SHEETS = (
    _sheet(
        SAME,
        """
        teacher, 75.61, 75.61, 72.34, 74.31, 74.31, 79.42, 74.64
        alone, 73.26, 71.98, 69.06, 69.06, 71.14, 72.50, 70.36
        kd, 74.92, 73.54, 70.66, 70.67, 73.08, 73.33, 72.98
        fitnet, 73.58, 72.24, 69.21, 68.99, 71.06, 73.50, 71.02
        at, 74.08, 72.77, 70.55, 70.22, 72.31, 73.44, 71.43
        sp, 73.83, 72.43, 69.67, 70.04, 72.69, 72.94, 72.68
        cc, 73.56, 72.21, 69.63, 69.48, 71.48, 72.97, 70.71
        vid, 74.11, 73.30, 70.38, 70.16, 72.61, 73.09, 71.23
        rkd, 73.35, 72.22, 69.61, 69.25, 71.82, 71.90, 71.48
        pkt, 74.54, 73.45, 70.34, 70.25, 72.61, 73.64, 72.88
        ab, 72.50, 72.38, 69.47, 69.53, 70.98, 73.17, 70.94
        ft, 73.25, 71.59, 69.84, 70.22, 72.37, 72.86, 70.58
        fsp, 72.91, , 69.95, 70.11, 71.89, 72.62, 70.23
        nst, 73.68, 72.24, 69.60, 69.53, 71.96, 73.30, 71.53
        crd, 75.48, 74.14, 71.16, 71.46, 73.48, 75.51, 73.94
        crd+kd, 75.64, 74.38, 71.63, 71.56, 73.75, 75.46, 74.29
        """,
        "CRD's benchmark, teacher and student of the same family",
    ),
    _sheet(
        DIFFERENT,
        """
        teacher, 74.64, 79.34, 79.34, 79.42, 79.42, 75.61
        alone, 64.60, 64.60, 70.36, 70.50, 71.82, 70.50
        kd, 67.37, 67.35, 73.81, 74.07, 74.45, 74.83
        fitnet, 64.14, 63.16, 70.69, 73.59, 73.54, 73.73
        at, 59.40, 58.58, 71.84, 71.73, 72.73, 73.32
        sp, 66.30, 68.08, 73.34, 73.48, 74.56, 74.52
        cc, 64.86, 65.43, 70.25, 71.14, 71.29, 71.38
        vid, 65.56, 67.57, 70.30, 73.38, 73.40, 73.61
        rkd, 64.52, 64.43, 71.50, 72.28, 73.21, 72.21
        pkt, 67.13, 66.52, 73.01, 74.10, 74.69, 73.89
        ab, 66.06, 67.20, 70.65, 73.55, 74.31, 73.34
        ft, 61.78, 60.99, 70.29, 71.75, 72.50, 72.03
        nst, 58.16, 64.96, 71.28, 74.12, 74.68, 74.89
        crd, 69.73, 69.11, 74.30, 75.11, 75.65, 76.05
        crd+kd, 69.94, 69.54, 74.58, 75.12, 76.05, 76.27
        """,
        "CRD's benchmark, teacher and student of different families",
    ),
)
SOURCE = (
    "CRD's benchmark (https://github.com/HobbitLong/RepDistiller, README; crd+kd: "
    "https://github.com/giakoumoglou/distillers, README at commit 3d7d68f)"
)
RULE = (
    "test accuracy after the last of 240 epochs, as its author says; neither README gives the spread or the number of runs."
)


def _published() -> Published:
    both = [Published.read(sheet, SOURCE, RULE) for sheet in SHEETS]
    return Published(SOURCE, RULE, {**both[0].figures, **both[1].figures})


study = Benchmark(
    title="CRD's benchmark",
    pairs=(*SAME, *DIFFERENT),
    rows={"alone": {"method": "ce", "teacher": None}, **{name: {"method": name} for name in METHODS}},
    base="kd",
    scales={
        "digits": {
            "pairs": "resnet14/resnet8",
            "stands_for": "resnet110/resnet20",
            "data": {"name": "digits", "per_class": 20},
            "recipe": {"name": "short", "epochs": 45, "batch_size": 32, "learning_rate": 0.05},
            "seeds": 3,
        },
        "small": {
            "pairs": "resnet20/resnet8",
            "stands_for": "resnet110/resnet20",
            "data": {"name": "cifar100", "classes": 20, "per_class": 200},
            "recipe": {"name": "short", "epochs": 40, "batch_size": 64},
            "seeds": 3,
        },
        "paper": {"data": {"name": "cifar100"}, "recipe": {"name": "paper"}, "seeds": 3},
    },
    published=_published(),
    sheets=SHEETS,
    about=About(
        what="14 methods on 13 pairs, differences to KD",
        data="CIFAR-100",
        networks="wrn, resnet, vgg, mobilenet_v2, shufflenet",
        source=SOURCE,
    ),
)
"""The benchmark; ``--method`` and ``--pairs`` take others, too."""
