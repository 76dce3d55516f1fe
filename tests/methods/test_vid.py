"""VID against NumPy, its variances, and which regressors are built."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from didact.method import Clock, Pair, StepContext
from didact.methods import vid
from didact.seeds import seeded, stream
from didact.tensors import Batch, Outputs

random = np.random.default_rng(5)


def reference(mean: np.ndarray, ft: np.ndarray, variance: np.ndarray) -> float:
    total = 0.0
    for at in np.ndindex(mean.shape):
        total += 0.5 * ((mean[at] - ft[at]) ** 2 / variance[at[1]] + np.log(variance[at[1]]))
    return total / mean.size


def test_vid_by_hand() -> None:
    # errors 1 and 3 in a channel of variance 1, 2 and 0 in one of variance e: (1 + 9 + 4 / e + 2) / 2 / 4
    mean = torch.tensor([[[[1.0, 3.0]], [[2.0, 5.0]]]], dtype=torch.float64)
    ft = torch.tensor([[[[0.0, 0.0]], [[0.0, 5.0]]]], dtype=torch.float64)
    variance = torch.tensor([1.0, np.e], dtype=torch.float64)
    assert vid.loss(mean, ft, variance).item() == pytest.approx((10 + 4 / np.e + 2) / 8)
    assert vid.loss(ft, ft, torch.ones(2, dtype=torch.float64)).item() == 0


@pytest.mark.parametrize(("student", "teacher"), [(4, 4), (3, 5), (5, 3)])
@pytest.mark.parametrize("batch", [1, 2])
def test_vid_and_its_gradients(pooled: Callable, slope: Callable, student: int, teacher: int, batch: int) -> None:
    size = min(student, teacher)
    mean, ft = (random.normal(size=(batch, 2, n, n)) for n in (student, teacher))
    variance = random.uniform(0.1, 3, size=2)

    def of_mean(x: np.ndarray) -> float:
        return reference(pooled(x, size), pooled(ft, size), variance)

    own, scale = torch.tensor(mean, requires_grad=True), torch.tensor(variance, requires_grad=True)
    value = vid.loss(own, torch.tensor(ft), scale)
    value.backward()
    assert value.item() == pytest.approx(of_mean(mean), rel=1e-10)
    np.testing.assert_allclose(own.grad, slope(of_mean, mean), atol=1e-8)
    expected = slope(lambda v: reference(pooled(mean, size), pooled(ft, size), v), variance)
    np.testing.assert_allclose(scale.grad, expected, atol=1e-8)


def test_channels_must_agree() -> None:
    with pytest.raises(ValueError, match="a mean of 2 channels for a feature of 4"):
        vid.loss(torch.ones(1, 2, 4, 4), torch.ones(1, 4, 4, 4), torch.ones(4))


def test_variances_begin_at_5_and_are_the_softplus() -> None:
    level = vid.Level((3, 4, 4), (5, 4, 4), 0)
    assert level.variance().detach().numpy() == pytest.approx(np.full(5, 5.0), rel=1e-6)
    level = level.double()
    a = np.array([-20.0, -1.0, 0.0, 3.0, 30.0])
    level.log_scale.data = torch.tensor(a)
    level.variance().sum().backward()
    np.testing.assert_allclose(level.variance().detach(), np.log(1 + np.exp(a)) + 1e-5, rtol=1e-8)
    np.testing.assert_allclose(level.log_scale.grad, 1 / (1 + np.exp(-a)), rtol=1e-8)
    level.log_scale.data = torch.tensor([-1e4, 1e4, 0.0, 0.0, 0.0]).double()  # where exp overflows and where it underflows
    assert level.variance()[:2].tolist() == pytest.approx([1e-5, 1e4])


@pytest.mark.parametrize(("source", "target", "met"), [(4, 4, 4), (8, 4, 4), (4, 8, 4), (7, 4, 4)])
def test_a_level_pools_the_student_before_its_regressor(pooled: Callable, source: int, target: int, met: int) -> None:
    with seeded(0, "vid"):
        level = vid.Level((3, source, source), (5, target, target), 0).double()
    fs, ft = torch.randn(2, 3, source, source).double(), torch.randn(2, 5, target, target).double()
    hidden = pooled(fs.numpy(), met)
    convs = [layer for layer in level.regressor if isinstance(layer, nn.Conv2d)]
    assert [(conv.in_channels, conv.out_channels) for conv in convs] == [(3, 5), (5, 5), (5, 5)]
    for i, conv in enumerate(convs):
        assert conv.bias is None and conv.kernel_size == (1, 1)
        hidden = np.einsum("oc,bchw->bohw", conv.weight.detach().numpy()[:, :, 0, 0], hidden.clip(0) if i else hidden)
    expected = reference(hidden, pooled(ft.numpy(), met), np.full(5, 5.0))
    assert level(fs, (ft,)).item() == pytest.approx(expected, rel=1e-6)


def test_terms_sum_over_levels_of_like_resolution(pair: Callable[..., Pair]) -> None:
    two = pair("resnet8x4", "mobilenet_v2", size=32)
    method = vid.VID(beta=3.0, gamma=0.0)
    extras = method.build(two)
    assert isinstance(extras, nn.ModuleList)
    assert [level.guide for level in extras] == [1, 2, 2, 2]  # 16, 8, 4, 2 against 32, 16, 8
    assert [level.log_scale.shape for level in extras] == [(128,), (256,), (256,), (256,)]
    own, teacher = (
        Outputs(logits=torch.zeros(2, 5), features=tuple(torch.randn(2, *s) for s in shapes.features))
        for shapes in (two.shapes, two.teacher_shapes)
    )
    batch = Batch(torch.zeros(2, 3, 32, 32), torch.tensor([0, 1]), torch.arange(2))
    found = method.terms(extras, StepContext(batch, own, teacher, Clock(0, 1, 0, 1, 0), stream(0)))
    levels = [level(fs, teacher.features).item() for level, fs in zip(extras, own.features, strict=True)]
    assert set(found) == {"vid"}
    assert found["vid"].item() == pytest.approx(3 * sum(levels), rel=1e-5)


def test_published_defaults() -> None:
    method = vid.VID()
    assert (method.gamma, method.alpha, method.beta) == (1, 0, 1)


def test_all_zero_maps_have_no_gradient_but_the_variances() -> None:
    level = vid.Level((3, 4, 4), (5, 4, 4), 0)
    fs = torch.zeros(2, 3, 4, 4, requires_grad=True)
    value = level(fs, (torch.zeros(2, 5, 4, 4),))
    value.backward()
    assert value.item() == pytest.approx(np.log(5) / 2, rel=1e-5)
    assert fs.grad is not None and not fs.grad.any()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in level.parameters())
    assert level.log_scale.grad is not None and level.log_scale.grad.all()


def test_half_precision_is_widened() -> None:
    mean, ft, variance = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8), torch.rand(3) + 0.1
    half = [x.bfloat16() for x in (mean, ft)]
    with torch.autocast("cpu", torch.bfloat16):
        found = vid.loss(*half, variance)
    assert found.dtype == torch.float32
    assert torch.equal(found, vid.loss(*(x.float() for x in half), variance))
