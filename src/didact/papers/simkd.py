"""The study of SimKD's variants, resnet32x4 to MobileNetV2 of full width: learning rates, losses,
projectors and labels.

The study's own text is a poster on "Knowledge Distillation with the Reused Teacher Classifier"
(Chen, Mei, Zhang, Wang, Feng, Chen, CVPR 2022, https://arxiv.org/abs/2203.14001). It lists the
rates 0.001, 0.005, 0.01, 0.05 and 0.1, and reports a single figure of each variant, always at 0.01.
So ours is compared at 0.01, a rate that no test image of ours has chosen. Rates chosen on
validation images: ``--data.validation 0.1``.
"""

from __future__ import annotations

from typing import Any

from didact.papers.about import About
from didact.papers.benchmark import Benchmark
from didact.tables.published import Figure, Published
from didact.tables.table import Table

RATES = ("0.001", "0.005", "0.01", "0.05", "0.1")
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "two projectors": {"projectors": "two", "bias": True},
    "all layers": {"projectors": "all"},
    "labels": {"gated": True},
}
"""Settings of SimKD: one projector without biases at the end; a second one two thirds into the
student, with biases; one after every block, without; only images that the teacher has right."""

SHEET = Table(
    ("variant", "loss", "learning rate (best)", "test accuracy (best)", "its improvement over 75.43"),
    (
        ("two projectors", "l2", "0.01", "75.52 ± 0.18", "yes"),
        ("two projectors", "kl", "0.01", "66.88 ± 3.78", "no"),
        ("all layers", "l2", "0.01", "53.23 ± 0.38", "no"),
        ("all layers", "kl", "0.01", "72.6 ± 0.41", "no"),
        ("labels", "l2", "0.01", "75.41 ± 0.48", "on-par"),
        ("labels", "kl", "0.01", "66.87 ± 3.78", "no"),
    ),
    "The SimKD study's table (resnet32x4/mobilenet_v2_x2)",
    "Its baseline, 75.43, is plain SimKD with l2; it has no figure for plain SimKD with kl.",
)
PUBLISHED = Published(
    "the SimKD study",
    "the study's 'test acc (best)', at the rate that is best by test accuracy (0.01 in every row); it says neither over how many "
    "runs the ± is, nor which epoch's accuracy it is, nor at which rate its baseline of 75.43 was trained, which is put at 0.01.",
    {(f"{row[0]} {row[1]}", "0.01"): figure for row in SHEET.rows if (figure := Figure.read(str(row[3]))) is not None}
    | {("plain l2", "0.01"): Figure(75.43)},
)

study = Benchmark(
    title="SimKD's variants",
    pairs="resnet32x4/mobilenet_v2_x2",
    rows={
        f"{variant} {kind}": {"method": {"name": "simkd", **settings, "kind": kind}}
        for variant, settings in VARIANTS.items()
        for kind in ("l2", "kl")
    },
    columns={rate: {"recipe": {"learning_rate": float(rate)}} for rate in RATES},
    base="plain l2",
    scales={
        "digits": {
            "pairs": "resnet14/mobilenet_v2",
            "data": {"name": "digits", "per_class": 20},
            "recipe": {"name": "short", "epochs": 45, "batch_size": 32},
            "seeds": 3,
        },
        "small": {
            "pairs": "resnet8x4/mobilenet_v2",
            "data": {"name": "cifar100", "classes": 20, "per_class": 200, "size": 16},
            "recipe": {"name": "short", "epochs": 40, "batch_size": 64},
            "seeds": 3,
        },
        "paper": {"data": {"name": "cifar100"}, "recipe": {"name": "paper"}, "seeds": 3},
    },
    published=PUBLISHED,
    sheets=(SHEET,),
    names=("method", "rate"),
    about=About(
        what="SimKD with other projectors, losses, rates and labels; differences to plain SimKD with l2",
        data="CIFAR-100",
        networks="resnet32x4 to mobilenet_v2_x2",
        source="a poster on SimKD (CVPR 2022, https://arxiv.org/abs/2203.14001)",
    ),
)
"""8 variants at 5 rates; ``--only rate=0.01`` for one."""
