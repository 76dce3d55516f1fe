"""FT against NumPy: both kinds of factors, the paraphraser's stage, and which parts are trained when."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from didact.method import Clock, Pair, StepContext
from didact.methods import ft
from didact.seeds import seeded, stream
from didact.tensors import Batch, Outputs, reads

random = np.random.default_rng(6)


@pytest.fixture
def reference(pooled: Callable) -> Callable[..., float]:
    def loss(fs: np.ndarray, ft: np.ndarray, kind: str = "attention") -> float:
        size = min(fs.shape[2], ft.shape[2])
        factors = []
        for f in (fs, ft):
            f = pooled(f, size)
            flat = ((f**2).mean(1) if kind == "attention" else f).reshape(len(f), -1)
            factors.append(flat / np.maximum(np.sqrt((flat**2).sum(1, keepdims=True)), 1e-12))
        return float(np.abs(factors[0] - factors[1]).mean())

    return loss


def told(stage: str, own: Outputs, teacher: Outputs) -> StepContext:
    batch = Batch(torch.zeros(3, 3, 8, 8), torch.tensor([0, 1, 0]), torch.arange(3))
    return StepContext(batch, own, teacher, Clock(0, 1, 0, 1, 0, stage), stream(0))


def made(own: int = 4, other: int = 6, k: float = 0.5) -> ft.Factors:
    with seeded(0, "factors"):
        return ft.Factors(own, other, k).double()


def test_ft_by_hand() -> None:
    # the student's factor lies on the first position, the teacher's on the last: (1 + 0 + 0 + 1) / 4
    fs, factor = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    fs[0, 1, 0, 0], factor[0, 0, 1, 1] = 7.0, -2.0
    assert ft.loss(fs, factor).item() == 0.5
    assert ft.loss(fs, factor, "authors").item() == pytest.approx(2 / 8)  # 1 and -1 among eight elements
    assert ft.loss(factor, -factor).item() == 0
    assert ft.loss(factor, -factor, "authors").item() == pytest.approx(2 / 8)
    # squares (9, 16) against (1, 0): |9 / |(9, 16)| - 1| and 16 / |(9, 16)|
    fs, factor = torch.tensor([[[[3.0, 4.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    assert ft.loss(fs, factor).item() == pytest.approx((1 - 9 / 337**0.5 + 16 / 337**0.5) / 2)


@pytest.mark.parametrize("kind", ["attention", "authors"])
@pytest.mark.parametrize(("student", "teacher"), [(4, 4), (8, 4), (3, 5), (7, 4)])
@pytest.mark.parametrize("batch", [1, 2])
def test_ft_and_its_gradient(
    reference: Callable, slope: Callable, kind: str, student: int, teacher: int, batch: int
) -> None:
    fs, factor = random.normal(size=(batch, 2, student, student)), random.normal(size=(batch, 2, teacher, teacher))
    own = torch.tensor(fs, requires_grad=True)
    value = ft.loss(own, torch.tensor(factor), kind)
    value.backward()
    assert value.item() == pytest.approx(reference(fs, factor, kind), rel=1e-10)
    np.testing.assert_allclose(own.grad, slope(lambda x: reference(x, factor, kind), fs), atol=1e-7)


@pytest.mark.parametrize("kind", ["attention", "authors"])
def test_an_all_zero_factor_counts_as_zero(reference: Callable, kind: str) -> None:
    fs, factor = random.normal(size=(3, 2, 4, 4)), random.normal(size=(3, 2, 4, 4))
    fs[1], factor[2] = 0, 0
    own = torch.tensor(fs, requires_grad=True)
    value = ft.loss(own, torch.tensor(factor), kind)
    value.backward()
    assert value.item() == pytest.approx(reference(fs, factor, kind), rel=1e-10)
    assert own.grad is not None and own.grad.isfinite().all() and own.grad[0].any() and not own.grad[1].any()
    half = torch.tensor(fs).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = ft.loss(half, half[[1, 2, 0]], kind)
    assert value.dtype == torch.float32 and value == ft.loss(half.float(), half[[1, 2, 0]].float(), kind)


def test_whole_factors_must_agree_in_channels() -> None:
    assert ft.loss(torch.ones(1, 2, 4, 4), torch.ones(1, 3, 4, 4)).item() == 0
    with pytest.raises(ValueError, match="whole factors must agree in channels, found 2 and 3"):
        ft.loss(torch.ones(1, 2, 4, 4), torch.ones(1, 3, 4, 4), "authors")


def test_the_parts_are_the_papers() -> None:
    extras = made(own=4, other=9)

    def shape(part: nn.Sequential) -> list[tuple[str, int, int]]:
        convs = [m for m in part if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
        assert all((m.kernel_size, m.padding, m.stride) == ((3, 3), (1, 1), (1, 1)) for m in convs)
        assert all(m.bias is not None for m in convs)
        assert all(m.negative_slope == 0.1 for m in part if isinstance(m, nn.LeakyReLU))
        return [(type(m).__name__, m.in_channels, m.out_channels) for m in convs]

    paraphraser = extras.paraphraser
    assert shape(paraphraser.squeeze) == [("Conv2d", 9, 9), ("Conv2d", 9, 4), ("Conv2d", 4, 4)]  # int(4.5)
    assert shape(paraphraser.restore) == [("ConvTranspose2d", *w) for w in ((4, 4), (4, 9), (9, 9))]
    assert shape(extras.translator) == [("Conv2d", 4, 4), ("Conv2d", 4, 4), ("Conv2d", 4, 4)]
    assert [sum(isinstance(m, nn.BatchNorm2d) for m in part.modules()) for part in (paraphraser, extras.translator)] == [
        0,
        3,
    ]
    assert ft.Factors(4, 3, 0.1).paraphraser(torch.ones(1, 3, 4, 4)).shape == (
        1,
        3,
        4,
        4,
    )  # a factor of one channel at least


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_the_paraphraser_is_trained_alone(norm: str) -> None:
    extras = made()
    last = torch.rand(3, 6, 4, 4).double()
    method = ft.FT(reconstruction=norm)
    found = method.terms(extras, told("paraphraser", Outputs(), Outputs(features=(torch.rand(3, 2, 8, 8), last))))
    difference = extras.paraphraser(last).detach().numpy() - last.numpy()
    expected = (difference**2).mean() if norm == "l2" else np.abs(difference).mean()
    assert list(found) == ["reconstruction"] and found["reconstruction"].item() == pytest.approx(expected, rel=1e-10)
    found["reconstruction"].backward()
    assert all(p.grad is not None and p.grad.any() for p in extras.paraphraser.parameters())
    assert all(p.grad is None for p in extras.translator.parameters())


@pytest.mark.parametrize("kind", ["attention", "authors"])
@pytest.mark.parametrize(("student", "teacher"), [(4, 4), (8, 4), (2, 4)])
def test_the_main_stage_compares_the_last_maps(reference: Callable, kind: str, student: int, teacher: int) -> None:
    extras = made()
    fs = torch.rand(3, 4, student, student).double().requires_grad_()
    last = torch.rand(3, 6, teacher, teacher).double()
    own = Outputs(logits=torch.zeros(3, 2), features=(torch.rand(3, 2, 8, 8), fs))
    method = ft.FT(kind=kind, beta=10.0)
    found = method.terms(extras, told("train", own, Outputs(features=(torch.rand(3, 2, 8, 8), last))))
    factors = [f.detach().numpy() for f in (extras.translator(fs), extras.paraphraser.squeeze(last))]
    assert [f.shape[1] for f in factors] == [3, 3]
    assert found["factor"].item() == pytest.approx(10 * reference(*factors, kind), rel=1e-9)
    assert found["ce"].item() == pytest.approx(np.log(2))
    found["factor"].backward()
    assert fs.grad is not None and fs.grad.any()
    assert all(p.grad is None for p in extras.paraphraser.parameters())
    assert all(p.grad is not None for p in extras.translator.parameters())


def test_stages_and_defaults() -> None:
    first, main = ft.FT().stages()
    assert (first.length(240), first.lr(29, 30, 0.05), first.moves) == (30, 0.01, ("extras.paraphraser",))
    assert first.needs == reads("", teacher="features")
    assert main.main and main.moves == ("net.", "extras.translator") and main.needs is None
    assert ft.FT(init_epochs=3, init_rate=0.1).stages()[0].lr(2, 3, 0.05) == 0.1
    assert ft.FT() == ft.FT(gamma=1, alpha=0, beta=200, k=0.5, temperature=4, kind="attention", reconstruction="l2")
    assert ft.FT().needs.teacher == {"features"} and ft.FT(alpha=1.0).needs.teacher == {"features", "logits"}


def test_width_follows_the_teacher(pair: Callable[..., Pair]) -> None:
    extras = ft.FT().build(pair("resnet8x4", "mobilenet_v2"))
    assert isinstance(extras, ft.Factors)
    assert extras.translator(torch.rand(2, 160, 4, 4)).shape == (2, 128, 4, 4)
