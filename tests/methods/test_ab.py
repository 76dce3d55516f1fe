"""AB against NumPy: boundaries, level weights, connectors for every pair, and what each stage reads and moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from didact.method import Clock, Pair, StepContext
from didact.methods import ab
from didact.nets.adapt import Regressor
from didact.seeds import seeded, stream
from didact.tensors import Batch, Outputs, reads

random = np.random.default_rng(5)


def reference(s: np.ndarray, t: np.ndarray, margin: float = 1.0) -> float:
    """Element by element, as the definition has its four cases."""
    total = 0.0
    for own, other in zip(s.flat, t.flat, strict=True):
        if other <= 0 and own > -margin:
            total += (own + margin) ** 2
        elif other > 0 and own <= margin:
            total += (own - margin) ** 2
    return total / len(s)


def told(stage: str, own: Outputs, teacher: Outputs | None) -> StepContext:
    batch = Batch(torch.zeros(2, 3, 8, 8), torch.tensor([0, 1]), torch.arange(2))
    return StepContext(batch, own, teacher, Clock(0, 1, 0, 1, 0, stage), stream(0))


def test_ab_by_hand() -> None:
    # active teacher: (0.5 - 1)^2, 0 at the margin, 0 beyond; inactive (a zero is): (0.5 + 1)^2, 0 at -1, 0 beyond
    fs = torch.tensor([0.5, 1.0, 2.0, 0.5, -1.0, -2.0]).reshape(1, 1, 2, 3)
    ft = torch.tensor([0.1, 3.0, 3.0, 0.0, -3.0, -3.0]).reshape(1, 1, 2, 3)
    assert ab.loss(fs, ft).item() == 0.25 + 2.25
    assert ab.loss(fs.repeat(4, 1, 1, 1), ft.repeat(4, 1, 1, 1)).item() == 2.5  # the mean over samples
    assert ab.loss(fs, ft, margin=0.5).item() == 1.0


@pytest.mark.parametrize("margin", [0.5, 1.0])
@pytest.mark.parametrize(("student", "teacher"), [(3, 3), (6, 3), (7, 4), (3, 5)])
@pytest.mark.parametrize("batch", [1, 2])
def test_ab_and_its_gradient(
    pooled: Callable, slope: Callable, margin: float, student: int, teacher: int, batch: int
) -> None:
    fs, ft = (2 * random.normal(size=(batch, 2, n, n)) for n in (student, teacher))
    size = min(student, teacher)

    def value(x: np.ndarray) -> float:
        return reference(pooled(x, size), pooled(ft, size), margin)

    own = torch.tensor(fs, requires_grad=True)
    found = ab.loss(own, torch.tensor(ft), margin)
    found.backward()
    assert found.item() == pytest.approx(value(fs), rel=1e-10)
    np.testing.assert_allclose(own.grad, slope(value, fs), atol=1e-7)


def test_extremes_are_finite() -> None:
    for fs, ft in [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)),
        (torch.full((1, 3, 4, 4), 1e4), -torch.ones(1, 3, 4, 4)),
    ]:
        own = fs.clone().requires_grad_()
        value = ab.loss(own, ft)
        value.backward()
        assert value.isfinite() and own.grad is not None and own.grad.isfinite().all()
    half = torch.randn(2, 3, 4, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = ab.loss(half, half)
    assert value.dtype == torch.float32 and value == ab.loss(half.float(), half.float())
    with pytest.raises(ValueError, match="boundaries of 4 channels for a feature of 2"):
        ab.loss(torch.ones(1, 2, 4, 4), torch.ones(1, 4, 4, 4))


def test_the_first_stage_weighs_later_levels_more(pair: Callable[..., Pair]) -> None:
    two = pair("resnet20", "resnet8", size=8)
    method = ab.AB(beta=2.0)
    extras = method.build(two)
    assert [type(c) for c in extras.connect] == [nn.Identity] * 3
    assert two.teacher_shapes is not None
    own, teacher = (
        Outputs(preacts=tuple(torch.randn(2, *s).double() for s in shapes.features))
        for shapes in (two.shapes, two.teacher_shapes)
    )
    found = method.terms(extras, told("init", own, teacher))
    levels = [reference(s.numpy(), t.numpy()) for s, t in zip(own.preacts, teacher.preacts, strict=True)]
    expected = 2 * 3 / 1000 * (levels[0] / 4 + levels[1] / 2 + levels[2])
    assert list(found) == ["boundary"] and found["boundary"].item() == pytest.approx(expected, rel=1e-9)


def test_the_main_stage_does_not_look_at_the_teacher(pair: Callable[..., Pair]) -> None:
    extras = ab.AB().build(pair("resnet20", "resnet8"))
    own = Outputs(logits=torch.zeros(2, 5))
    found = ab.AB().terms(extras, told("train", own, None))
    assert list(found) == ["ce"] and found["ce"].item() == pytest.approx(np.log(5))


def test_stages() -> None:
    first, main = ab.AB().stages()
    assert (first.length(240), first.lr(29, 30, 0.05), first.moves) == (30, 0.05, ("extras.", "net.stem", "net.blocks"))
    assert first.needs == reads("preacts", teacher="preacts")
    assert main.main and main.moves == ("net.",) and main.needs == reads("logits")
    assert ab.AB(alpha=1.0).stages()[1].needs == reads("logits", teacher="logits")
    assert ab.AB(init_epochs=7).stages()[0].length(240) == 7
    assert ab.AB().needs.teacher == {"preacts"}


@pytest.mark.parametrize(
    ("source", "target", "size", "kinds"),
    [
        ((3, 8, 8), (5, 4, 4), 4, (Regressor, nn.Sequential)),
        ((3, 4, 4), (5, 4, 4), 4, (Regressor, nn.Sequential)),
        ((3, 2, 2), (5, 4, 4), 4, (Regressor, nn.Sequential)),
        ((3, 2, 2), (5, 7, 7), 2, (Regressor, nn.Sequential)),
        ((5, 8, 8), (5, 4, 4), 4, (Regressor, nn.Identity)),
        ((5, 4, 4), (5, 4, 4), 4, (nn.Identity, nn.Identity)),
    ],
)
def test_connectors(pooled: Callable, source: Any, target: Any, size: int, kinds: tuple[type, type]) -> None:
    for kind, expected in zip(("repdistiller", "authors"), kinds, strict=True):
        with seeded(0, "connector"):
            extras = ab.Connectors((source,), (target,), kind).double()
        (connect,) = extras.connect
        assert type(connect) is expected
        fs, ft = torch.randn(3, *source).double(), torch.randn(3, *target).double()
        led: Tensor = connect(fs)
        assert led.shape[1] == target[0] and (isinstance(connect, nn.Identity) or led.min() < 0)  # no ReLU
        side = min(led.shape[2], target[1])
        assert side == size or kind == "authors"
        found = ab.AB(connector=kind).terms(extras, told("init", Outputs(preacts=(fs,)), Outputs(preacts=(ft,))))
        expected_value = 3 / 1000 * reference(pooled(led.detach().numpy(), side), pooled(ft.numpy(), side))
        assert found["boundary"].item() == pytest.approx(expected_value, rel=1e-9)


def test_blocks_of_like_resolution_belong_together(pair: Callable[..., Pair]) -> None:
    two = pair("resnet8x4", "mobilenet_v2", size=32)
    assert ab.AB().build(two).pairs == ((0, 1), (1, 2), (2, 2), (3, 2))
    assert ab.AB() == ab.AB(gamma=1, alpha=0, beta=1, margin=1, temperature=4, init_epochs=None, connector="repdistiller")
