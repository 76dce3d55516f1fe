"""The SFTN paper's own tables.

Park et al.: Learning Student-Friendly Teacher Networks for Knowledge Distillation (arXiv
2102.07650). Accuracies are in percent; the paper gives no spread. What it says of how a figure came
about stands in ``RULES``.
"""

from __future__ import annotations

from didact.papers.sftn_settings import PAIRS
from didact.tables.table import Table

SOURCE = "SFTN, Table {} (https://arxiv.org/abs/2102.07650)"

_SAYS = "it says neither which epoch's accuracy it is nor the spread."
RULES = {
    "1": f"outputs of 3 independent runs; the mean is taken to be what it prints; {_SAYS}",
    "2": f"outputs of 3 independent runs; the mean is taken to be what it prints; {_SAYS}",
    "3": f"validation accuracy; the paper does not say over how many runs, and {_SAYS}",
    "4": f"the paper does not say over how many runs, but figures are those of Tables 1 and 2 where both have them; {_SAYS}",
    "5": f"the paper does not say over how many runs; {_SAYS} 'standard' is from its Table 6.",
    "6": f"the paper does not say over how many runs; {_SAYS}",
    "7": f"the paper says neither over how many runs nor how the linear classifiers were trained; {_SAYS}",
    "8": "on the test set; the paper does not say over how many runs.",
    "9": f"averages of 3 independent runs; {_SAYS}",
}
"""By table, how the paper came to its figures, as far as it says."""


def _rows(text: str) -> tuple[tuple[str, ...], ...]:
    """Rows from lines, cells from commas."""
    return tuple(tuple(cell.strip() for cell in line.split(",")) for line in text.strip().splitlines())


def _head(table: str, two: bool = False) -> tuple[str, ...]:
    return ("", *(f"{pair}{how}" for pair in PAIRS[table] for how in ((" standard", " SFTN") if two else ("",))))


PUBLISHED = {
    "1": Table(
        _head("1", two=True),
        _rows("""
            teacher, 76.30, 78.20, 76.30, 77.62, 79.25, 79.41, 79.25, 77.89
            alone, 73.41, , 72.16, , 72.38, , 68.19,
            kd, 75.46, 76.25, 73.73, 75.09, 73.39, 76.09, 67.43, 69.17
            fitnet+kd, 75.72, 76.73, 74.14, 75.54, 75.34, 76.89, 69.80, 71.07
            at+kd, 75.85, 76.82, 74.56, 75.86, 74.98, 76.91, 68.79, 70.90
            sp+kd, 75.43, 76.77, 74.51, 75.31, 74.06, 76.37, 68.39, 70.03
            vid+kd, 75.63, 76.79, 74.21, 75.76, 74.86, 77.00, 69.53, 71.08
            rkd+kd, 75.48, 76.49, 73.86, 75.11, 74.12, 76.62, 68.54, 70.91
            pkt+kd, 75.71, 76.57, 74.43, 75.49, 74.70, 76.57, 69.29, 70.75
            ab+kd, 70.12, 70.76, 74.38, 75.51, 74.73, 76.51, 69.76, 71.05
            ft+kd, 75.6, 76.51, 74.49, 75.11, 74.89, 77.02, 69.70, 71.11
            crd, 75.91, 77.23, 74.93, 76.09, 75.54, 76.95, 70.34, 71.34
            sskd, 75.96, 76.80, 75.72, 76.03, 75.95, 76.85, 69.34, 70.29
            ofd+kd, 76.00, 76.39, 74.79, 75.62, 75.04, 76.65, 68.10, 69.69
        """),
        "SFTN, Table 1",
    ),
    "2": Table(
        _head("2", two=True),
        _rows("""
            teacher, 79.25, 80.03, 79.25, 79.58, 78.70, 82.52, 76.30, 78.21
            alone, 71.95, , 73.21, , 71.12, , 73.21,
            kd, 74.26, 77.93, 75.25, 78.07, 73.82, 74.92, 76.68, 78.06
            fitnet+kd, 75.95, 78.75, 77.00, 79.68, 73.22, 74.80, 77.31, 79.21
            at+kd, 76.12, 78.63, 76.57, 78.79, 73.56, 74.05, 77.41, 78.29
            sp+kd, 75.80, 78.36, 76.11, 78.38, 74.02, 75.37, 76.93, 78.12
            vid+kd, 75.16, 78.03, 75.70, 78.49, 73.59, 74.76, 77.27, 78.78
            rkd+kd, 74.84, 77.72, 75.48, 77.77, 73.54, 74.70, 76.69, 78.11
            pkt+kd, 75.05, 77.46, 75.79, 78.28, 73.79, 75.17, 76.86, 78.28
            ab+kd, 75.95, 78.53, 76.25, 78.68, 73.72, 74.77, 77.28, 78.77
            ft+kd, 75.58, 77.84, 76.42, 78.37, 73.34, 74.77, 76.80, 77.65
            crd, 75.60, 78.20, 76.35, 78.43, 74.52, 75.41, 77.52, 78.81
            sskd, 78.05, 79.10, 78.66, 79.65, 76.03, 76.95, 77.81, 78.34
            ofd+kd, 77.51, 79.56, 78.08, 79.98, 74.55, 75.95, 77.82, 79.14
        """),
        "SFTN, Table 2",
    ),
    "3": Table(
        ("", "top-1 standard", "top-1 SFTN", "top-5 standard", "top-5 SFTN"),
        _rows("""
            teacher, 76.45, 77.43, 93.15, 93.75
            alone, 73.79, , 91.74,
            kd, 73.55, 74.14, 91.81, 92.21
            fitnet+kd, 74.56, 75.01, 92.31, 92.51
            sp+kd, 74.95, 75.53, 92.54, 92.69
            crd, 75.01, 75.39, 92.56, 92.67
            ofd+kd, 74.56, 75.01, 92.36, 92.56
        """),
        "SFTN, Table 3 (ImageNet, resnet50_imagenet/resnet34_imagenet)",
    ),
    "4": Table(
        _head("4"),
        _rows("""
            teacher, 76.3, 76.3, 79.25, 79.25, 79.25, 78.7
            alone, 73.41, 72.16, 72.38, 71.95, 73.21, 71.12
            standard, 75.46 (+2.05), 73.73 (+1.57), 73.39 (+1.01), 74.26 (+2.31), 75.25 (+2.04), 73.82 (+2.70)
            DML, 75.30 (+1.89), 74.08 (+1.92), 74.34 (+1.96), 73.37 (+1.42), 73.80 (+0.59), 73.01 (+1.89)
            KDCL, 75.45 (+2.04), 74.65 (+2.49), 75.21 (+2.83), 73.98 (+2.03), 74.30 (+1.09), 73.48 (+2.36)
            RCO, 75.36 (+1.95), 74.29 (+2.13), 74.06 (+1.68), 76.62 (+4.67), 77.40 (+4.19), 74.30 (+3.18)
            SFTN, 76.25 (+2.84), 75.09 (+2.93), 76.09 (+3.71), 77.93 (+5.98), 78.07 (+4.86), 74.92 (+3.80)
            RCO-4, 75.69 (+2.28), 74.87 (+2.71), 73.73 (+1.35), 76.97 (+5.02), 76.89 (+3.68), 74.24 (+3.12)
            SFTN-4, 76.96 (+3.55), 76.31 (+4.15), 76.67 (+4.29), 79.11 (+7.16), 78.95 (+5.74), 75.52 (+4.40)
        """),
        "SFTN, Table 4",
        "KDCL with the naive target, RCO one-stage EEI; RCO-4 and SFTN-4: 4 x 240 epochs.",
    ),
    "5": Table(
        _head("5"),
        _rows("""
            tau 1, 76.05 (81.19), 77.18 (80.26), 76.30 (78.23), 74.75 (78.14)
            tau 5, 75.36 (81.23), 75.59 (81.56), 76.31 (79.22), 73.64 (78.31)
            tau 10, 74.47 (81.27), 75.93 (81.98), 75.85 (78.81), 73.62 (78.38)
            tau 15, 74.78 (81.89), 75.65 (81.74), 75.79 (79.27), 73.49 (78.63)
            tau 20, 74.62 (81.60), 75.88 (81.70), 75.82 (78.84), 74.03 (78.45)
        """),
        "SFTN, Table 5 (students by KD; in brackets their SFTN teacher)",
        "Its row tau 1 is Table 6's row lambda 1, so lambda_KL is 1 here; the averages that it prints for that row are not the "
        "means of its figures (79.46 and 76.07).",
    ),
    "6": Table(
        _head("6"),
        _rows("""
            standard, 74.31 (79.25), 75.25 (79.25), 75.28 (76.30), 73.56 (76.30)
            lambda 1, 76.05 (81.19), 77.18 (80.26), 76.30 (78.23), 74.75 (78.14)
            lambda 3, 77.36 (78.70), 78.56 (79.80), 76.20 (77.83), 74.71 (77.57)
            lambda 6, 77.33 (78.29), 77.70 (78.29), 76.02 (77.28), 74.67 (76.05)
            lambda 10, 75.57 (73.02), 76.62 (75.01), 74.19 (75.03), 73.08 (73.51)
        """),
        "SFTN, Table 6 (students by KD; in brackets their teacher)",
    ),
    "7": Table(
        ("", "STL-10 standard", "STL-10 SFTN", "Tiny ImageNet standard", "Tiny ImageNet SFTN"),
        _rows("""
            teacher, 69.81, 76.84, 31.25, 40.16
            alone, 70.18, , 33.81,
            kd, 67.49, 73.81 (+6.32), 30.45, 37.81 (+7.36)
            sp+kd, 69.56, 75.01 (+5.45), 31.16, 38.28 (+7.12)
            crd, 71.70, 75.80 (+4.10), 35.50, 40.87 (+5.37)
            sskd, 74.43, 77.45 (+3.02), 38.35, 42.41 (+4.06)
            ofd+kd, 72.09, 76.76 (+4.67), 33.52, 39.95 (+6.43)
            mean, 71.05, 75.77 (+4.71), 33.80, 39.86 (+6.07)
        """),
        "SFTN, Table 7 (resnet32x4/shufflenet_v2)",
    ),
    "8": Table(
        ("", "KL standard", "KL SFTN", "CKA standard", "CKA SFTN"),
        _rows("""
            kd, 1.10, 0.47, 0.88, 0.95
            fitnet+kd, 0.79, 0.38, 0.89, 0.95
            sp+kd, 0.95, 0.45, 0.89, 0.95
            vid+kd, 0.88, 0.45, 0.88, 0.95
            crd, 0.81, 0.43, 0.88, 0.95
            sskd, 0.54, 0.26, 0.92, 0.97
            ofd+kd, 0.85, 0.37, 0.90, 0.96
            mean, 0.84, 0.39, 0.89, 0.96
        """),
        "SFTN, Table 8 (resnet32x4/shufflenet_v2)",
        "It prints 0.39 as the mean of the KL figures from SFTN; their mean is 0.40.",
    ),
    "9": Table(
        ("", *(f"{pair} {size}" for pair in PAIRS["9"] for size in ("smaller", "equal", "larger"))),
        _rows("""
            teacher, 76.22, 78.18, 78.82, 77.89, 79.41, 80.85, 76.53, 79.04, 80.3
            alone, 72.38, 72.38, 72.38, 71.12, 71.12, 71.12, 73.41, 73.41, 73.41
            kd, 74.08, 75.46, 74.84, 75.19, 76.09, 75.19, 75.14, 76.33, 76.37
            sp+kd, 74.01, 75.58, 75.24, 75.76, 76.37, 75.62, 75.61, 76.91, 76.34
            ft+kd, 74.55, 75.83, 76.03, 76.54, 77.02, 76.48, 76.26, 77.07, 76.81
            crd, 75.8, 76.94, 76.52, 76.72, 76.95, 76.54, 76.55, 77.39, 77.27
            sskd, 73.67, 75.85, 75.93, 75.77, 76.85, 76.67, 75.27, 77.14, 77.35
            ofd+kd, 74.79, 75.98, 76.09, 75.69, 76.65, 76.38, 75.85, 76.87, 77.00
            mean, 74.48, 75.94, 75.78, 75.94, 76.66, 76.15, 75.78, 76.95, 76.86
        """),
        "SFTN, Table 9 (students from SFTN teachers with smaller, equal and larger branches)",
        "It gives resnet8x4 alone as 71.12 in its second pair; everywhere else that network has 72.38.",
    ),
}
