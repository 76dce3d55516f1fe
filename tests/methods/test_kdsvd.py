"""KDSVD against NumPy's SVD, gradients by differences, and what happens where singular vectors are not determined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from didact.method import Clock, Pair, StepContext
from didact.methods import kdsvd
from didact.seeds import stream
from didact.tensors import Batch, Outputs

random = np.random.default_rng(8)

TALL, WIDE = (3, 5, 4, 4), (3, 7, 2, 3)
"""Maps (b, c, h, w) with more positions than channels, and with fewer."""


def vectors(f: np.ndarray, keep: int) -> np.ndarray:
    """Right singular vectors of positions x channels, (b, c, keep)."""
    rows = f.reshape(len(f), f.shape[1], -1).transpose(0, 2, 1)
    return np.linalg.svd(rows, full_matrices=False)[2].transpose(0, 2, 1)[:, :, :keep]


def reference(own: list[np.ndarray], other: list[np.ndarray]) -> float:
    """Sample by sample: align the student's vector, fix the teacher's sign, compare relations of successive levels."""
    total = 0.0
    for i in range(len(own[0])):
        before: tuple[np.ndarray, np.ndarray] | None = None
        for fs, ft in zip(own, other, strict=True):
            vt = vectors(ft, 1)[i, :, 0]
            vt = vt * np.sign(vt[np.abs(vt).argmax()])
            cosines = vectors(fs, 4)[i].T @ vt
            best = np.abs(cosines).argmax()
            vs = vectors(fs, 4)[i, :, best] * np.sign(cosines[best])
            if before is not None:
                relations = [np.exp(-((v[:, None] - w[None]) ** 2) / 8) for v, w in zip((vs, vt), before, strict=True)]
                total += ((relations[0] - relations[1]) ** 2).sum()
            before = vs, vt
    return total / len(own[0])


def test_kdsvd_by_hand() -> None:
    # one direction each; signs do not matter, neither do sizes
    one, tilted = torch.zeros(1, 2, 1, 3), torch.tensor([[[[0.6]], [[0.8]]]])
    one[:, 0] = -2.0
    vs, vt = kdsvd.aligned(one, tilted)
    assert vs[0].tolist() == [1, 0] and vt[0].tolist() == pytest.approx([0.6, 0.8])
    assert kdsvd.loss((tilted, one), (-tilted, one)).item() == pytest.approx(0, abs=1e-12)
    # (1, 0) over (0.6, 0.8) against (1, 0) over (1, 0): the differences v_i - w_j of student and teacher
    student = [np.exp(-(d**2) / 8) for d in (0.4, 0.2, -0.6, -0.8)]
    teacher = [np.exp(-(d**2) / 8) for d in (0.0, 1.0, -1.0, 0.0)]
    expected = sum((a - b) ** 2 for a, b in zip(student, teacher, strict=True))
    assert kdsvd.loss((tilted, one), (one, one)).item() == pytest.approx(expected, rel=1e-5)
    # orthogonal to the teacher's (1, 0) there is no cosine to take the sign of, and the student's vector counts as zero
    other = one.flip(1)
    expected = 2 * (1 - np.exp(-1 / 8)) ** 2  # (0, 0) over (1, 0) against (1, 0) over (1, 0)
    assert kdsvd.loss((one, other), (one, one)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [TALL, WIDE, (2, 4, 2, 2), (1, 3, 1, 1), (2, 1, 3, 3), (2, 2, 1, 5)])
def test_leading_vectors_are_the_svds(shape: tuple[int, ...]) -> None:
    f = random.normal(size=shape)
    found, expected = kdsvd.leading(torch.tensor(f), 4).numpy(), vectors(f, 4)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found * np.sign((found * expected).sum(1, keepdims=True)), expected, atol=1e-10)


@pytest.mark.parametrize(("channels", "side"), [(64, 32), (128, 16), (256, 8)])
def test_float32_is_as_good_as_an_svd(channels: int, side: int) -> None:
    f = torch.randn(2, channels, side, side).relu()
    exact = torch.tensor(vectors(f.double().numpy(), 1))
    found, svd = kdsvd.leading(f, 1).double(), torch.tensor(vectors(f.numpy(), 1)).double()
    errors = [(v * (v * exact).sum(1, keepdim=True).sign() - exact).norm(dim=1).max() for v in (found, svd)]
    assert errors[0] < max(2e-6, 2 * errors[1])


@pytest.mark.parametrize("scale", [1e-18, 1.0, 1e18])
@pytest.mark.parametrize("shapes", [(TALL, (3, 4, 2, 3)), (WIDE, TALL, (3, 6, 2, 2))])
def test_kdsvd(shapes: tuple[tuple[int, ...], ...], scale: float) -> None:
    own, other = ([random.normal(size=shape) for shape in shapes] for _ in "st")
    value = kdsvd.loss(*(tuple(torch.tensor(f) * scale for f in maps) for maps in (own, other)))
    assert value.item() == pytest.approx(reference(own, other), rel=1e-9)
    narrow = kdsvd.loss(*(tuple(torch.tensor(f).float() * scale for f in maps) for maps in (own, other)))
    assert narrow.item() == pytest.approx(value.item(), rel=1e-3)


@pytest.mark.parametrize("shapes", [(TALL, WIDE), (WIDE, (3, 3, 3, 3)), ((1, 4, 2, 2), (1, 6, 1, 2))])
def test_the_gradient_of_kdsvd(slope: Callable, shapes: tuple[tuple[int, ...], ...]) -> None:
    own, other = ([random.normal(size=shape) for shape in shapes] for _ in "st")
    maps = tuple(torch.tensor(f, requires_grad=True) for f in own)
    kdsvd.loss(maps, tuple(torch.tensor(f) for f in other)).backward()
    for level, f in enumerate(maps):
        expected = slope(lambda x: reference([*own[:level], x, *own[level + 1 :]], other), own[level])  # noqa: B023
        np.testing.assert_allclose(f.grad, expected, atol=1e-7)
        assert f.grad is not None and f.grad.any()


@pytest.mark.parametrize("shapes", [(TALL, WIDE)])
def test_no_sign_of_the_decomposition_matters(monkeypatch: pytest.MonkeyPatch, shapes: tuple[tuple[int, ...], ...]) -> None:
    own, other = (tuple(torch.randn(shape).double() for shape in shapes) for _ in "st")
    value, eigh = kdsvd.loss(own, other), torch.linalg.eigh

    def flipped(x: Tensor) -> tuple[Tensor, Tensor]:
        values, found = eigh(x)
        return values, found * torch.tensor([1.0, -1.0])[torch.randint(2, (len(x), 1, x.shape[1]))]

    monkeypatch.setattr(torch.linalg, "eigh", flipped)
    for _ in range(5):
        assert kdsvd.loss(own, other).item() == pytest.approx(value.item(), rel=1e-12)


def test_the_students_vector_may_be_any_of_its_first_four() -> None:
    f = torch.diag(torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])).reshape(1, 5, 1, 5)  # channel i is direction i
    for channel in range(5):
        teacher = torch.zeros(1, 5, 1, 5)
        teacher[:, channel] = -1.0
        vs, vt = kdsvd.aligned(f, teacher)
        assert vt[0].tolist() == [float(i == channel) for i in range(5)]
        assert vs[0].tolist() == [float(i == channel < 4) for i in range(5)]  # the fifth is not among them: no vector at all


def gradients(own: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> list[Tensor]:
    maps = [f.clone().requires_grad_() for f in own]
    value = kdsvd.loss(tuple(maps), other)
    value.backward()
    assert value.isfinite() and value >= 0
    assert all(f.grad is not None and f.grad.isfinite().all() for f in maps)
    return [f.grad for f in maps if f.grad is not None]


@pytest.mark.parametrize("shape", [TALL, WIDE])
def test_an_all_zero_map_has_no_gradient(shape: tuple[int, ...]) -> None:
    own, other = (tuple(torch.randn(shape).relu() for _ in range(2)) for _ in "st")
    for side in (own, other):
        side[0][1] = 0
    for maps in ((own, other), (own, tuple(f + 1 for f in other))):
        lower, _ = gradients(*maps)
        assert not lower[1].any() and lower[0].any() and lower[2].any()
    zeros = tuple(torch.zeros(shape) for _ in range(2))
    assert all(not g.any() for g in (*gradients(zeros, other), *gradients(own, zeros), *gradients(zeros, zeros)))


@pytest.mark.parametrize("shape", [(2, 6, 4, 4), (2, 16, 2, 3)])
@pytest.mark.parametrize("noise", [0.0, 1e-8, 1e-6, 1e-4])
def test_nearly_equal_singular_values_stay_finite(shape: tuple[int, ...], noise: float) -> None:
    channels, positions = shape[1], shape[2] * shape[3]
    even = torch.eye(channels, positions).expand(2, -1, -1).reshape(shape)  # all singular values are one
    flat = torch.ones(shape)  # all but one are zero
    other = tuple(torch.rand(shape) for _ in range(2))
    for base in (even, flat):
        own = tuple(base + noise * torch.randn(shape) for _ in range(2))
        gradients(own, other)
        gradients(tuple(1e-15 * f for f in own), other)
        gradients(own, own)


def test_a_fault_in_the_student_is_seen_and_not_raised() -> None:
    for shape in (TALL, WIDE):
        broken = torch.randn(shape)
        broken[0, 0, 0, 0] = torch.nan
        assert kdsvd.loss((broken, broken), (torch.ones(shape), torch.ones(shape))).isnan()


def test_half_precision_is_widened() -> None:
    own, other = (tuple(torch.randn(TALL).bfloat16() for _ in range(2)) for _ in "st")
    with torch.autocast("cpu", torch.bfloat16):
        value = kdsvd.loss(own, other)
    wide = kdsvd.loss(tuple(f.float() for f in own), tuple(f.float() for f in other))
    assert value.dtype == torch.float32 and value == wide
    with pytest.raises(ValueError, match="directions of 7 channels for a feature of 5"):
        kdsvd.aligned(torch.ones(TALL), torch.ones(WIDE))


@pytest.mark.parametrize(
    ("teacher", "net", "pairs", "adapted"),
    [
        ("resnet20", "resnet8", ((0, 0), (1, 1), (2, 2)), 0),
        ("resnet8x4", "mobilenet_v2", ((0, 1), (1, 2), (2, 2), (3, 2)), 4),
        ("vgg13", "vgg8", ((0, 0), (1, 1), (2, 2), (3, 3)), 0),
    ],
)
def test_levels(pair: Callable[..., Pair], teacher: str, net: str, pairs: Any, adapted: int) -> None:
    two = pair(teacher, net, size=32)
    extras = kdsvd.KDSVD().build(two)
    assert isinstance(extras, kdsvd.Levels) and two.teacher_shapes is not None
    assert extras.pairs == pairs
    convs = [m for m in extras.adapt if isinstance(m, nn.Conv2d)]
    assert len(convs) == adapted and all(m.bias is None and m.kernel_size == (1, 1) for m in convs)


def test_the_term(pair: Callable[..., Pair]) -> None:
    two = pair("wrn_16_2", "resnet8")
    method = kdsvd.KDSVD(beta=10.0)
    extras = method.build(two).double()
    assert isinstance(extras, kdsvd.Levels) and two.teacher_shapes is not None
    own, teacher = (
        Outputs(logits=torch.zeros(2, 5), features=tuple(torch.randn(2, *f).double() for f in s.features))
        for s in (two.shapes, two.teacher_shapes)
    )
    batch = Batch(torch.zeros(2, 3, 8, 8), torch.tensor([0, 1]), torch.arange(2))
    found = method.terms(extras, StepContext(batch, own, teacher, Clock(0, 1, 0, 1, 0), stream(0)))
    led = [adapt(f).detach().numpy() for adapt, f in zip(extras.adapt, own.features, strict=True)]
    expected = 10 * reference(led, [f.numpy() for f in teacher.features])
    assert found["singular"].item() == pytest.approx(expected, rel=1e-9)
    assert kdsvd.KDSVD() == kdsvd.KDSVD(gamma=1, alpha=0, beta=1, temperature=4)


def test_one_block_has_no_relations() -> None:
    with pytest.raises(ValueError, match="successive blocks of a network that has 1: take one with two or more"):
        kdsvd.Levels(((4, 8, 8),), ((4, 8, 8),))
