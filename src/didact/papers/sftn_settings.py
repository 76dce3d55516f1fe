"""Settings of the SFTN paper's studies: scales, pairs and methods of each table; settings that only
some tables read, and the values that they take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from didact.papers.scales import of_method
from didact.spec import Flag, NonNegative, Positive, SpecError, from_json

SCALES: dict[str, dict[str, Any]] = {
    "digits": {
        "pairs": "resnet14/resnet8",
        "branches": "basic-8-1x8-1x16-1x32,resnet8,resnet14",
        "method": "kd,fitnet+kd,sp+kd",
        "data": {"name": "digits", "per_class": 20},
        "recipe": {"name": "short", "epochs": 45, "batch_size": 32, "learning_rate": 0.05},
        "seeds": 3,
        "long": True,
    },
    "small": {
        "pairs": "resnet20/resnet8",
        "branches": "basic-8-1x8-1x16-1x32,resnet8,resnet20",
        "method": "kd,fitnet+kd,sp+kd",
        "data": {"name": "cifar100", "classes": 20, "per_class": 200},
        "recipe": {"name": "short", "epochs": 40, "batch_size": 64},
        "seeds": 2,
        "transfer": {"name": "tiny-imagenet"},
    },
    "paper": {
        "data": {"name": "cifar100"},
        "recipe": {"name": "paper"},
        "seeds": 3,
        "long": True,
        "transfer": {"name": "stl10,tiny-imagenet"},
    },
}
"""Settings by scale: minutes on two cores; one to two hours on two cores; the paper's pairs and
recipe, for a GPU."""

PAIRS: dict[str, tuple[str, ...]] = {
    "1": ("wrn_40_2/wrn_16_2", "wrn_40_2/wrn_40_1", "resnet32x4/resnet8x4", "resnet32x4/resnet8x2"),
    "2": ("resnet32x4/shufflenet_v1", "resnet32x4/shufflenet_v2", "resnet50/vgg8", "wrn_40_2/shufflenet_v2"),
    "4": (
        "wrn_40_2/wrn_16_2",
        "wrn_40_2/wrn_40_1",
        "resnet32x4/resnet8x4",
        "resnet32x4/shufflenet_v1",
        "resnet32x4/shufflenet_v2",
        "resnet50/vgg8",
    ),
    "5": ("resnet32x4/shufflenet_v1", "resnet32x4/shufflenet_v2", "wrn_40_2/wrn_16_2", "wrn_40_2/wrn_40_1"),
    "6": ("resnet32x4/shufflenet_v1", "resnet32x4/shufflenet_v2", "wrn_40_2/wrn_16_2", "wrn_40_2/wrn_40_1"),
    "7": ("resnet32x4/shufflenet_v2",),
    "8": ("resnet32x4/shufflenet_v2",),
    "9": ("wrn_40_2/resnet8x4", "resnet32x4/resnet8x4", "resnet32x4/wrn_16_2"),
    "3": ("resnet50_imagenet/resnet34_imagenet",),
    "fig4": tuple(f"{teacher}/mobilenet_v2" for teacher in ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110")),
    "fig5": ("resnet32x4/shufflenet_v2",),
}
"""The paper's pairs (teacher/student) of each table. Figure 4 has resnets "with different sizes" for
teachers and MobileNetV2 for student; it does not say which, so the sizes are our choice.
"""

BRANCHES = {
    "wrn_40_2/resnet8x4": ("resnet8x2", "resnet8x4", "resnet32x4"),
    "resnet32x4/resnet8x4": ("resnet8x2", "resnet8x4", "resnet32x4"),
    "resnet32x4/wrn_16_2": ("wrn_16_1", "wrn_16_2", "wrn_40_2"),
}
"""By pair, the networks of Table 9's smaller, equal and larger branches."""

METHODS = {
    "1": "kd,fitnet+kd,at+kd,sp+kd,vid+kd,rkd+kd,pkt+kd,ab+kd,ft+kd,crd,sskd,ofd+kd",
    "2": "kd,fitnet+kd,at+kd,sp+kd,vid+kd,rkd+kd,pkt+kd,ab+kd,ft+kd,crd,sskd,ofd+kd",
    "7": "kd,sp+kd,crd,sskd,ofd+kd",
    "8": "kd,fitnet+kd,sp+kd,vid+kd,crd,sskd,ofd+kd",
    "9": "kd,sp+kd,ft+kd,crd,sskd,ofd+kd",
    "3": "kd,fitnet+kd,sp+kd,crd,ofd+kd",
}
"""By table, the paper's methods; those on features jointly with KD (Section 4.1)."""

BY_TABLE: dict[tuple[str, str], dict[str, Any]] = {
    ("3", "paper"): {"recipe": {"name": "imagenet"}},
    ("fig4", "digits"): {"pairs": "resnet8/resnet8,resnet14/resnet8,resnet20/resnet8"},
    ("fig4", "small"): {"pairs": "resnet8/mobilenet_v2,resnet14/mobilenet_v2,resnet20/mobilenet_v2"},
}
"""By table and scale, settings in place of the scale's."""

TABLES_OF = {
    "method": ("1", "2", "3", "7", "8", "9", "fig3"),
    "dml": ("4",),
    "kdcl": ("4",),
    "route": ("4",),
    "long": ("4",),
    "temperatures": ("5",),
    "weights": ("6",),
    "transfer": ("7",),
    "branches": ("9",),
}
"""The tables that read each setting."""

VALUES: dict[str, Any] = {
    "long": Flag,
    "temperatures": Annotated[tuple[Positive, ...], Field(min_length=1, max_length=100)],
    "weights": Annotated[tuple[NonNegative, ...], Field(min_length=1, max_length=100)],
}
"""Types of plain settings; a single number stands for a list of one."""

VARIED = {
    "temperature": {"5": "write temperatures=1,5,10"},
    "kl_weight": {"5": "write table=6 and weights=1,3,6 to vary it (it is 1 in table 5)", "6": "write weights=1,3,6"},
    "student": {"9": "write branches=SMALLER,EQUAL,LARGER"},
}
"""For each setting of SFTN, the tables that vary it themselves, and what to write instead."""


def check(request: Mapping[str, Any], tables: Sequence[str]) -> None:
    """Check that the requested tables read the settings, and that the values are valid.

    Raises:
        SpecError: the message names the setting and its tables.
    """
    for key, readers in TABLES_OF.items():
        if key in request and not set(readers) & set(tables):
            use = "use" if len(readers) > 1 else "uses"
            raise SpecError(f"{key}: only {_listed(readers)} {use} it; write table={readers[0]}, or leave {key} out")
    varied = {field: instead[tables[0]] for field, instead in VARIED.items() if set(tables) <= instead.keys()}
    of_method(request.get("sftn"), "sftn", "sftn", varied)
    for key, kind in VALUES.items():
        if key in request:
            value = request[key]
            single = isinstance(value, (int, float)) and not isinstance(value, bool) and key != "long"
            from_json(kind, [value] if single else value, key)


def _listed(tables: Sequence[str]) -> str:
    """Tables in words: "table 4", "tables 1, 2, 7 and 8"."""
    return f"tables {', '.join(tables[:-1])} and {tables[-1]}" if len(tables) > 1 else f"table {tables[0]}"
