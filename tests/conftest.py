"""For all tests: shapes in signatures are checked (here only), one thread, modest property tests, pairs of small networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jaxtyping
import numpy as np
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


WITH_TENSORS = ("losses", "tensors", "method", "methods", "peers", "teaching", "nets", "data", "engine", "analysis")
"""The rooms that have shapes in their signatures. A check of every call costs more than it finds elsewhere."""

hooked = [f"didact.{room}" for room in WITH_TENSORS]
jaxtyping.install_import_hook(hooked, f"sys.modules[{__name__!r}].check")  # before anything of didact is imported

from didact.data import Split  # noqa: E402
from didact.data.sets.digits import DATA_SET, Digits  # noqa: E402
from didact.engine import precision  # noqa: E402
from didact.execution.executors.here import Here  # noqa: E402
from didact.execution.executors.workers import Workers  # noqa: E402
from didact.method import Pair  # noqa: E402
from didact.runs.run import Run  # noqa: E402
from didact.spec import extras  # noqa: E402
from didact.store.store import Store  # noqa: E402
from support.tiny import make  # noqa: E402
from support.training import network, shapes, taught  # noqa: E402

torch.set_num_threads(1)
settings.register_profile("didact", deadline=None, max_examples=25)
settings.load_profile("didact")

Array = np.ndarray[Any, np.dtype[np.float64]]


@pytest.fixture(autouse=True)
def same_numbers(request: pytest.FixtureRequest) -> None:
    """Every test draws the same numbers whichever tests run before it: from torch's generator, or its file's ``random``."""
    torch.manual_seed(0)
    if isinstance(getattr(request.module, "random", None), np.random.Generator):
        request.module.random = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def from_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages say how to install extras as where didact came from the package index."""
    monkeypatch.setattr(extras, "_installed_from", lambda: "'didact-distill[EXTRA]'")


@pytest.fixture(autouse=True)
def auto_is_fp32(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every machine has measured the same, and nothing is kept in the user's cache."""
    monkeypatch.setattr(precision, "file", lambda: tmp_path_factory.getbasetemp() / "precision.json")
    monkeypatch.setattr(precision, "measure", lambda: precision.Times(fp32=0.5, bf16=0.75))


@pytest.fixture(autouse=True)
def auto_is_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--workers auto`` starts no processes: they would take longer than the training, and know nothing of a test's patches."""

    def automatic(cls: type[Workers], device: str) -> Here:
        """This process, on any device."""
        return Here()

    monkeypatch.setattr(Workers, "automatic", classmethod(automatic))


@pytest.fixture(scope="session")
def all_digits() -> tuple[Split, Split, tuple[str, ...]]:
    return DATA_SET.read()


@pytest.fixture
def few_digits(all_digits: tuple[Split, Split, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only 50 of the 797 images to test on: a tiny training would spend most of its time on them."""
    train, test, names = all_digits
    few = test.take(torch.arange(50))
    monkeypatch.setattr(Digits, "read", lambda _: (train, few, names))


@pytest.fixture(scope="session")
def pair() -> Callable[..., Pair]:
    """Makes a pair of fresh networks, the teacher frozen: ``pair("resnet20", "resnet8", classes=7, size=32)``."""

    def make(teacher: str | None, net: str, *, classes: int = 5, size: int = 16, channels: int = 3) -> Pair:
        image, labels = (channels, size, size), torch.arange(50) % classes
        shown = (None, None) if teacher is None else taught(teacher, image, classes)
        return Pair(network(net, classes, channels), shapes(net, image, classes), image, classes, labels, 4, *shown)

    return make


@pytest.fixture(scope="session")
def pooled() -> Callable[[Array, int], Array]:
    """Adaptive average pooling of (b, c, h, w) to ``size`` squared: window i is rows floor(i h / n) to ceil((i + 1) h / n)."""

    def pool(x: Array, size: int) -> Array:
        height, width = x.shape[2:]
        out = np.empty((*x.shape[:2], size, size))
        for i in range(size):
            rows = slice(i * height // size, -(-(i + 1) * height // size))
            for j in range(size):
                columns = slice(j * width // size, -(-(j + 1) * width // size))
                out[:, :, i, j] = x[:, :, rows, columns].mean((2, 3))
        return out

    return pool


@pytest.fixture(scope="session")
def slope() -> Callable[..., Array]:
    """The gradient of a NumPy function by central differences in float64."""

    def differences(f: Callable[[Array], float], x: Array, step: float = 1e-5) -> Array:
        out = np.zeros_like(x)
        for at in np.ndindex(x.shape):
            for sign in (1, -1):
                moved = x.copy()
                moved[at] += sign * step
                out[at] += sign * f(moved) / (2 * step)
        return out

    return differences


@pytest.fixture
def tiny() -> Callable[..., Run]:
    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
