"""The quickstart: does a teacher trained for its student teach better? Small enough for two CPU cores and three minutes."""

from __future__ import annotations

from typing import Any

from didact.request.plan import plan
from didact.runs.run import Run
from didact.spec import SpecError, nearest, shown

SETTINGS: dict[str, dict[str, Any]] = {
    "digits": {
        "data": {"name": "digits", "per_class": 20},  # few enough that a student has something to learn from a teacher
        "net": "resnet8",
        "teacher": {"net": "resnet14", "method": "standard,sftn"},
        "recipe": {"name": "short", "epochs": 60, "batch_size": 32, "learning_rate": 0.05},
    },
    "cifar100": {
        "data": {"name": "cifar100"},
        "net": "resnet8",
        "teacher": {"net": "resnet8x4", "method": "standard,sftn"},
        "recipe": {"name": "short", "epochs": 12},
    },
}
METHODS = "ce,kd,fitnet+kd,at+kd"
"""Feature methods jointly with KD, as the SFTN paper trains them."""
TEST_EVERY = 5


def quickstart(data: str, seeds: int, device: str) -> list[Run]:
    """The students: alone, and by KD, FitNets and AT (with KD) from a standard and an SFTN teacher, ``seeds`` times each.

    Raises:
        SpecError: no quickstart is defined for that data set.
    """
    if data not in SETTINGS:
        raise SpecError(f"no quickstart for {shown(data)}{nearest(data, SETTINGS)}")
    return plan({**SETTINGS[data], "method": METHODS, "seeds": seeds}, device)
