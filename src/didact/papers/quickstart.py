"""The quickstart: does a teacher trained for its student teach better? Three minutes on two CPU
cores."""

from __future__ import annotations

from typing import Any

from didact.request.plan import plan
from didact.runs.run import Run
from didact.spec import SpecError, nearest, shown

SETTINGS: dict[str, dict[str, Any]] = {
    "digits": {
        "data": {"name": "digits", "per_class": 20},  # few images, so that a teacher can help
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
"""Feature methods are combined with KD, as in the SFTN paper."""
TEST_EVERY = 5


def quickstart(data: str, seeds: int, device: str) -> list[Run]:
    """Students alone, and by KD, FitNets and AT (with KD) from a standard and an SFTN teacher, for
    ``seeds`` seeds.

    Raises:
        SpecError: there is no quickstart for this data set.
    """
    if data not in SETTINGS:
        raise SpecError(f"no quickstart for {shown(data)}{nearest(data, SETTINGS)}")
    return plan({**SETTINGS[data], "method": METHODS, "seeds": seeds}, device)
