"""NST against NumPy, by both of its products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from didact.method import Clock, Pair, StepContext
from didact.methods import nst
from didact.nets.adapt import Matched
from didact.seeds import stream
from didact.tensors import Batch, Outputs

random = np.random.default_rng(9)


@pytest.fixture
def reference(pooled: Callable) -> Callable[..., float]:
    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.mean([[[(a @ b) ** 2 for b in two] for a in one] for one, two in zip(x, y, strict=True)]))

    def loss(fs: np.ndarray, ft: np.ndarray) -> float:
        size = min(fs.shape[2], ft.shape[2])
        s, t = (pooled(f, size).reshape(*f.shape[:2], -1) for f in (fs, ft))
        s, t = (f / np.maximum(np.sqrt((f**2).sum(2, keepdims=True)), 1e-12) for f in (s, t))
        return kernel(t, t) + kernel(s, s) - 2 * kernel(s, t)

    return loss


def test_nst_by_hand() -> None:
    # one channel each, at 60 degrees: 1 + 1 - 2 / 4
    fs, ft = torch.tensor([[[[5.0, 0.0]]]]), torch.tensor([[[[1.0, 3**0.5]]]])
    assert nst.loss(fs, ft).item() == pytest.approx(1.5, rel=1e-6)
    assert nst.loss(fs, -7 * fs).item() == pytest.approx(0)
    # two orthogonal channels against one of them: 1 + 1/2 - 2 / 2
    fs = torch.tensor([[[[5.0, 0.0]], [[0.0, 3.0]]]])
    assert nst.loss(fs, fs[:, :1]).item() == pytest.approx(0.5)


SIZES = [((3, 4), (5, 4)), ((3, 8), (2, 4)), ((2, 3), (4, 5)), ((3, 5), (2, 4)), ((9, 2), (7, 2)), ((6, 1), (5, 3))]
"""Channels and size of both: more positions than channels in the first four, fewer in the last two."""


@pytest.mark.parametrize(("student", "teacher"), SIZES)
@pytest.mark.parametrize("batch", [1, 3])
def test_nst(reference: Callable, student: tuple[int, int], teacher: tuple[int, int], batch: int) -> None:
    fs = random.normal(size=(batch, student[0], student[1], student[1]))
    ft = random.normal(size=(batch, teacher[0], teacher[1], teacher[1]))
    assert nst.loss(torch.tensor(fs), torch.tensor(ft)).item() == pytest.approx(reference(fs, ft), rel=1e-10, abs=1e-14)


@pytest.mark.parametrize(("student", "teacher"), [((2, 3), (3, 3)), ((2, 4), (3, 2)), ((5, 2), (6, 2)), ((4, 2), (6, 3))])
def test_the_gradient_of_nst(
    reference: Callable, slope: Callable, student: tuple[int, int], teacher: tuple[int, int]
) -> None:
    fs = random.normal(size=(2, student[0], student[1], student[1]))
    ft = random.normal(size=(2, teacher[0], teacher[1], teacher[1]))
    own = torch.tensor(fs, requires_grad=True)
    nst.loss(own, torch.tensor(ft)).backward()
    np.testing.assert_allclose(own.grad, slope(lambda x: reference(x, ft), fs), atol=1e-8)


@pytest.mark.parametrize("channels", [3, 20])
@pytest.mark.parametrize("side", [3, 6])
def test_an_all_zero_channel_counts_as_zero(reference: Callable, channels: int, side: int) -> None:
    fs, ft = random.normal(size=(2, channels, side, side)).clip(0), random.normal(size=(2, channels, 3, 3)).clip(0)
    fs[1, 2], ft[0, 0] = 0, 0
    own = torch.tensor(fs, requires_grad=True)
    value = nst.loss(own, torch.tensor(ft))
    value.backward()
    assert value.item() == pytest.approx(reference(fs, ft), rel=1e-10)
    assert own.grad is not None and own.grad.isfinite().all()
    assert not own.grad[1, 2].any() and own.grad[1, 1].any()


@pytest.mark.parametrize("channels", [2, 40])
def test_all_zero_maps_give_zero(channels: int) -> None:
    own = torch.zeros(3, channels, 4, 4, requires_grad=True)
    value = nst.loss(own, torch.zeros(3, channels, 4, 4))
    value.backward()
    assert value.item() == 0
    assert own.grad is not None and not own.grad.any()


def test_terms_sum_over_levels_of_like_resolution(pair: Callable[..., Pair]) -> None:
    two = pair("resnet8x4", "mobilenet_v2", size=32)
    method = nst.NST(beta=10.0)
    extras = method.build(two)
    assert isinstance(extras, Matched) and extras.pairs == ((0, 1), (1, 2), (2, 2), (3, 2))
    own, teacher = (
        Outputs(logits=torch.zeros(2, 5), features=tuple(torch.randn(2, *s).double() for s in shapes.features))
        for shapes in (two.shapes, two.teacher_shapes)
    )
    batch = Batch(torch.zeros(2, 3, 32, 32), torch.tensor([0, 1]), torch.arange(2))
    found = method.terms(extras, StepContext(batch, own, teacher, Clock(0, 1, 0, 1, 0), stream(0)))
    levels = [nst.loss(own.features[s], teacher.features[t]).item() for s, t in extras.pairs]
    assert set(found) == {"ce", "selectivity"}
    assert found["selectivity"].item() == pytest.approx(10 * sum(levels), rel=1e-9)


def test_published_defaults() -> None:
    method = nst.NST()
    assert (method.gamma, method.alpha, method.beta) == (1, 0, 50)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened(dtype: torch.dtype) -> None:
    fs, ft = torch.randn(2, 6, 4, 4).to(dtype), torch.randn(2, 8, 4, 4).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        found = nst.loss(fs, ft)
    assert found.dtype == torch.float32 and torch.equal(found, nst.loss(fs.float(), ft.float()))
