"""The quickstart: does a teacher trained for its student teach better? Small enough for two CPU cores and three minutes."""

from __future__ import annotations

from typing import Any

from didact.spec import SpecError, nearest
from didact.studies.plan import plan
from didact.studies.run import Run

SETTINGS: dict[str, dict[str, Any]] = {
    "digits": {
        "data": {"name": "digits"},
        "net": "resnet8",
        "teacher": {"net": "resnet14", "how": "standard,sftn"},
        "recipe": {"name": "short", "epochs": 10, "batch_size": 64, "learning_rate": 0.05},
    },
    "cifar100": {
        "data": {"name": "cifar100"},
        "net": "resnet8",
        "teacher": {"net": "resnet8x4", "how": "standard,sftn"},
        "recipe": {"name": "short", "epochs": 12},
    },
}
METHODS = "ce,kd,fitnet,at"


def quickstart(data: str, seeds: int, device: str) -> list[Run]:
    """The students' runs: alone, and by KD, FitNets and AT from a standard and from an SFTN teacher, ``seeds`` times each.

    Raises:
        SpecError: no quickstart is defined for that data set.
    """
    if data not in SETTINGS:
        raise SpecError(f"no quickstart for {data!r}{nearest(data, SETTINGS)}")
    return plan({**SETTINGS[data], "method": METHODS, "seeds": seeds}, device)
