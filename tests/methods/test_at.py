"""AT against NumPy, and which blocks belong together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from didact.method import Clock, StepContext
from didact.methods import at
from didact.seeds import stream
from didact.tensors import Batch, Outputs

random = np.random.default_rng(2)


@pytest.fixture
def reference(pooled: Callable) -> Callable[..., float]:
    def loss(fs: np.ndarray, ft: np.ndarray, power: int = 2) -> float:
        size = min(fs.shape[2], ft.shape[2])
        maps = []
        for f in (fs, ft):
            flat = (pooled(f, size) ** power).mean(1).reshape(len(f), -1)
            maps.append(flat / np.maximum(np.sqrt((flat**2).sum(1, keepdims=True)), 1e-12))
        return float(((maps[0] - maps[1]) ** 2).mean())

    return loss


def test_at_by_hand() -> None:
    # the student looks at the first position only, the teacher at the last only: (1 + 0 + 0 + 1) / 4
    fs, ft = torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 2)
    fs[0, 1, 0, 0], ft[0, 0, 1, 1] = 7.0, -2.0
    assert at.loss(fs, ft).item() == 0.5
    assert at.loss(fs, fs).item() == 0
    # (3, 4) twice against (1, 0): ((0.6 - 1)^2 + 0.8^2) / 2 after squares of sqrt(3), sqrt(4)
    fs, ft = torch.tensor([[[[3.0, 4.0]]]]).sqrt(), torch.tensor([[[[1.0, 0.0]]]])
    assert at.loss(fs, ft).item() == pytest.approx((0.4**2 + 0.8**2) / 2, rel=1e-5)


@pytest.mark.parametrize("power", [2, 4])
@pytest.mark.parametrize(
    ("student", "teacher"),
    [((3, 4), (5, 4)), ((3, 16), (2, 8)), ((3, 8), (2, 16)), ((3, 7), (4, 4)), ((3, 2), (4, 5)), ((1, 1), (2, 3))],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_at(reference: Callable, power: int, student: tuple[int, int], teacher: tuple[int, int], batch: int) -> None:
    fs = random.normal(size=(batch, student[0], student[1], student[1]))
    ft = random.normal(size=(batch, teacher[0], teacher[1], teacher[1]))
    value = at.loss(torch.tensor(fs), torch.tensor(ft), power)
    assert value.item() == pytest.approx(reference(fs, ft, power), rel=1e-10, abs=1e-30)


@pytest.mark.parametrize(("student", "teacher", "power"), [(4, 4, 2), (5, 3, 2), (3, 5, 4)])
def test_the_gradient_of_at(reference: Callable, slope: Callable, student: int, teacher: int, power: int) -> None:
    fs, ft = random.normal(size=(2, 2, student, student)), random.normal(size=(2, 3, teacher, teacher))
    own = torch.tensor(fs, requires_grad=True)
    at.loss(own, torch.tensor(ft), power).backward()
    np.testing.assert_allclose(own.grad, slope(lambda x: reference(x, ft, power), fs), atol=1e-8)


@pytest.mark.parametrize("power", [1, 2, 4])
@pytest.mark.parametrize("side", [4, 8])
def test_an_all_zero_sample_counts_as_zero(reference: Callable, power: int, side: int) -> None:
    fs, ft = random.normal(size=(3, 2, side, side)).clip(0), random.normal(size=(3, 2, 4, 4)).clip(0)
    fs[1] = 0
    own = torch.tensor(fs, requires_grad=True)
    value = at.loss(own, torch.tensor(ft), power)
    value.backward()
    assert value.item() == pytest.approx(reference(fs, ft, power), rel=1e-10)
    assert own.grad is not None and own.grad.isfinite().all() and own.grad[0].any()
    assert not own.grad[1].any()


def test_terms_sum_over_levels_of_like_resolution(pair: Callable, reference: Callable) -> None:
    two = pair("resnet8x4", "mobilenet_v2", size=32)
    method = at.AT(beta=10.0, power=4)
    extras = method.build(two)
    assert extras.pairs == ((0, 1), (1, 2), (2, 2), (3, 2))  # 16, 8, 4, 2 against 32, 16, 8
    assert not extras.state_dict()
    own, teacher = (
        Outputs(logits=torch.zeros(2, 5), features=tuple(torch.randn(2, *s).double() for s in shapes.features))
        for shapes in (two.shapes, two.teacher_shapes)
    )
    batch = Batch(torch.zeros(2, 3, 32, 32), torch.tensor([0, 1]), torch.arange(2))
    found = method.terms(extras, StepContext(batch, own, teacher, Clock(0, 1, 0, 1, 0), stream(0)))
    levels = [reference(own.features[s].numpy(), teacher.features[t].numpy(), 4) for s, t in extras.pairs]
    assert found["attention"].item() == pytest.approx(10 * sum(levels), rel=1e-9)


@pytest.mark.parametrize(("teacher", "net"), [("resnet20", "resnet8"), ("wrn_16_2", "shufflenet_v1"), ("vgg13", "vgg8")])
def test_as_many_blocks_are_paired_in_order(pair: Callable, teacher: str, net: str) -> None:
    two = pair(teacher, net)
    assert at.AT().build(two).pairs == tuple((i, i) for i in range(len(two.net)))
