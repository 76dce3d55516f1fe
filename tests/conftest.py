"""For all tests: shapes in signatures are checked (here only), one thread, modest property tests, pairs of small networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jaxtyping
import pytest
import torch
from beartype import beartype
from beartype.roar import BeartypeDecorHintPep3119Exception
from hypothesis import settings


def check(thing: Any) -> Any:
    """``beartype``, but leave alone what takes a Protocol that isinstance cannot ask (``losses.task``, ``Cohort``)."""
    try:
        return beartype(thing)
    except BeartypeDecorHintPep3119Exception:
        return thing


jaxtyping.install_import_hook("didact", f"sys.modules[{__name__!r}].check")  # before didact is imported

from didact import nets  # noqa: E402
from didact.method import Pair  # noqa: E402
from didact.seeds import seeded  # noqa: E402

torch.set_num_threads(1)
settings.register_profile("didact", deadline=None, max_examples=25)
settings.load_profile("didact")


@pytest.fixture
def pair() -> Callable[..., Pair]:
    """Makes a pair of fresh networks, the teacher frozen: ``pair("resnet20", "resnet8", classes=7, size=32)``."""

    def make(teacher: str | None, net: str, *, classes: int = 5, size: int = 16, channels: int = 3) -> Pair:
        image = (channels, size, size)
        with seeded(0, "net"):
            learner = nets.create(net, classes, channels)
        if teacher is None:
            return Pair(learner, learner.shapes(image), image, classes, samples=50)
        with seeded(0, "teacher"):
            frozen = nets.create(teacher, classes, channels).eval().requires_grad_(False)
        return Pair(learner, learner.shapes(image), image, classes, 50, frozen, frozen.shapes(image))

    return make
