"""ReviewKD: the loss and the fusions against NumPy, every combination of sizes, the warm-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from didact.method import Clock, Pair, StepContext
from didact.methods import reviewkd
from didact.seeds import stream
from didact.tensors import Batch, Outputs

random = np.random.default_rng(7)
Array = np.ndarray[Any, np.dtype[np.float64]]


@pytest.fixture
def reference(pooled: Callable) -> Callable[..., float]:
    def loss(fs: Array, ft: Array) -> float:
        total, weight, weights = ((fs - ft) ** 2).mean(), 1.0, 1.0
        for size in (4, 2, 1):
            if size >= fs.shape[2]:
                continue
            weight /= 2
            weights += weight
            total += weight * ((pooled(fs, size) - pooled(ft, size)) ** 2).mean()
        return float(total / weights)

    return loss


def normal(x: Array, norm: nn.Module) -> Array:
    """Batch norm by the batch's statistics."""
    assert isinstance(norm, nn.BatchNorm2d)
    y = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
    return y * plain(norm.weight)[:, None, None] + plain(norm.bias)[:, None, None]


def nearest(x: Array, size: int) -> Array:
    rows = np.arange(size) * x.shape[2] // size
    return x[:, :, rows][:, :, :, rows]


def plain(x: torch.Tensor) -> Array:
    return x.detach().numpy()


def by_hand(review: reviewkd.Review, stages: list[Array], sizes: list[int]) -> list[Array]:
    """The published recipe, deep to shallow, in NumPy."""
    found: list[Array] = []
    deeper = None
    for fusion, x, size in list(zip(review.fusions, stages, sizes, strict=True))[::-1]:
        x = normal(np.einsum("oi,bihw->bohw", plain(fusion.enter[0].weight)[:, :, 0, 0], x), fusion.enter[1])
        if deeper is not None:
            y = nearest(deeper, x.shape[2])
            conv = fusion.attention.conv
            z = np.einsum("oi,bihw->bohw", plain(conv.weight)[:, :, 0, 0], np.concatenate([x, y], 1))
            a = 1 / (1 + np.exp(-z - plain(conv.bias)[:, None, None]))
            x = x * a[:, :1] + y * a[:, 1:]
        deeper = x = nearest(x, size)
        wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        weight = plain(fusion.leave[0].weight)
        out = sum(
            np.einsum("oi,bihw->bohw", weight[:, :, i, j], wide[:, :, i : i + size, j : j + size])
            for i in range(3)
            for j in range(3)
        )
        found.insert(0, normal(out, fusion.leave[1]))
    return found


def settled(review: reviewkd.Review) -> reviewkd.Review:
    """The same in float64 with scales, shifts and biases that are not the initial ones."""
    with torch.no_grad():
        for p in review.parameters():
            p += 0.3 * torch.randn_like(p)
    return review.double()


def test_the_loss_by_hand() -> None:
    fs, ft = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.tensor([[[[1.0, 0.0], [3.0, 0.0]]]])
    # the maps are (4 + 16) / 4 apart, their means 1.5; only 1 of 4, 2, 1 is smaller than 2
    assert reviewkd.loss(fs, ft).item() == pytest.approx((5 + 1.5**2 / 2) / 1.5)
    assert reviewkd.loss(fs[:, :, :1, :1], ft[:, :, :1, 1:]).item() == 1


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 12])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_loss_and_its_gradient(reference: Callable, slope: Callable, size: int, batch: int) -> None:
    fs, ft = (random.normal(size=(batch, 2, size, size)) for _ in range(2))
    own = torch.tensor(fs, requires_grad=True)
    value = reviewkd.loss(own, torch.tensor(ft))
    value.backward()
    assert value.item() == pytest.approx(reference(fs, ft), rel=1e-10)
    assert own.grad is not None
    if size < 6:
        np.testing.assert_allclose(own.grad[:1], slope(lambda x: reference(x, ft[:1]), fs[:1]) / batch, atol=1e-8)


def test_the_loss_of_maps_that_are_not_square() -> None:
    fs, ft = torch.randn(2, 3, 8, 4, dtype=torch.float64), torch.zeros(2, 3, 8, 4, dtype=torch.float64)
    two, one = (nn.functional.adaptive_avg_pool2d(fs, n).pow(2).mean() for n in (2, 1))
    assert reviewkd.loss(fs, ft).item() == pytest.approx(((fs.pow(2).mean() + two / 2 + one / 4) / 1.75).item())


def test_shapes_must_agree() -> None:
    with pytest.raises(
        ValueError, match=r"a target of \(1, 4, 4, 4\) for a feature of \(1, 4, 2, 2\): put a fusion between"
    ):
        reviewkd.loss(torch.ones(1, 4, 2, 2), torch.ones(1, 4, 4, 4))


def test_empty_maps_and_half_precision() -> None:
    own = torch.zeros(2, 3, 8, 8, requires_grad=True)
    value = reviewkd.loss(own, torch.zeros(2, 3, 8, 8))
    value.backward()
    assert value.item() == 0 and own.grad is not None and not own.grad.any()
    fs, ft = (torch.randn(2, 3, 8, 8, dtype=torch.bfloat16) * 60 for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        found = reviewkd.loss(fs, ft)
    assert found.dtype == torch.float32 and torch.equal(found, reviewkd.loss(fs.float(), ft.float()))


@pytest.mark.parametrize(
    ("own", "wanted"),
    [((8, 4, 2), (8, 4, 2)), ((4, 2, 1), (8, 4, 2)), ((8, 4, 2), (4, 2, 1)), ((7, 4, 3), (5, 5, 2)), ((4,), (6,))],
)
def test_fusions(own: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    widths, targets = [3, 4, 5, 6][-len(own) :], [2, 3, 4, 5][-len(own) :]
    review = settled(reviewkd.Review([*widths, 7], [*targets, 6], tuple(range(len(own)))))
    stages = [random.normal(size=(3, c, n, n)) for c, n in zip([*widths, 7], [*own, 1], strict=True)]
    meets = [torch.zeros(3, c, n, n) for c, n in zip([*targets, 6], [*wanted, 1], strict=True)]
    found = review([torch.tensor(x) for x in stages], meets)
    expected = by_hand(review, stages, [*wanted, 1])
    for x, y, meet in zip(found, expected, meets, strict=True):
        assert x.shape == meet.shape
        np.testing.assert_allclose(x.detach(), y, atol=1e-9)
    assert review.fusions[-1].attention is None  # the deepest has nothing to be fused with


def test_one_image_is_normalised_by_the_running_statistics() -> None:
    norm, x = reviewkd.Norm(4), torch.randn(1, 4, 1, 1)
    norm.running_mean += 1  # type: ignore[operator]
    assert torch.allclose(norm(x), (x - 1) / (1 + 1e-5) ** 0.5)
    assert norm.running_mean is not None and (norm.running_mean == 1).all()
    twice = torch.randn(2, 4, 1, 1)
    assert torch.allclose(norm(twice), nn.BatchNorm2d(4)(twice))


def told(two: Pair, epoch: int = 0, epochs: int = 1, batch: int = 2, parts: str = "features") -> StepContext:
    assert two.teacher_shapes is not None
    own, taught = (
        {
            "pooled": torch.randn(batch, *shapes.pooled, dtype=torch.float64),
            parts: tuple(torch.randn(batch, *s, dtype=torch.float64) for s in shapes.features),
        }
        for shapes, parts in ((two.shapes, parts), (two.teacher_shapes, "preacts"))
    )
    labels = torch.zeros(batch, dtype=torch.long)
    return StepContext(
        Batch(torch.zeros(batch, 3, 8, 8), labels, torch.arange(batch)),
        Outputs(logits=torch.zeros(batch, 5), **own),  # type: ignore[arg-type]
        Outputs(**taught),  # type: ignore[arg-type]
        Clock(epoch, epochs, 0, 1, epoch),
        stream(0),
    )


@pytest.mark.parametrize(
    ("teacher", "net", "partners", "middle"),
    [
        ("resnet20", "resnet8", (0, 1, 2), 64),
        ("wrn_16_2", "shufflenet_v1", (0, 1, 2), 512),
        ("resnet8", "mobilenet_v2", (1, 2, 2, 2), 512),
        ("vgg8", "resnet8", (0, 0, 1), 64),
    ],
)
@pytest.mark.parametrize("preact", [False, True])
def test_the_term_sums_over_the_stages(
    pair: Callable[..., Pair],
    reference: Callable,
    teacher: str,
    net: str,
    partners: tuple[int, ...],
    middle: int,
    preact: bool,
) -> None:
    two = pair(teacher, net)
    method = reviewkd.ReviewKD(beta=2.0, preact=preact)
    extras = method.build(two)
    assert isinstance(extras, reviewkd.Review)
    assert extras.partners == partners
    assert {fusion.enter[0].out_channels for fusion in extras.fusions} == {middle}  # type: ignore[index, union-attr]
    extras = extras.double()
    context = told(two, parts="preacts" if preact else "features")
    assert context.teacher is not None and context.teacher.pooled is not None and context.own.pooled is not None
    own = [*(context.own.features or context.own.preacts), context.own.pooled[:, :, None, None]]
    taught = [*(context.teacher.preacts[t] for t in partners), context.teacher.pooled[:, :, None, None]]
    reviewed = by_hand(extras, [plain(x) for x in own], [x.shape[2] for x in taught])
    expected = 2 * sum(reference(x, plain(t)) for x, t in zip(reviewed, taught, strict=True))
    found = method.terms(extras, context)
    assert found["review"].item() == pytest.approx(expected, rel=1e-8)
    assert found["ce"].item() == pytest.approx(np.log(5))


def test_a_batch_of_one_can_be_reviewed(pair: Callable[..., Pair]) -> None:
    two = pair("resnet20", "resnet8")
    method = reviewkd.ReviewKD()
    extras = method.build(two).double()
    found = method.terms(extras, told(two, batch=1))["review"]
    found.backward()
    assert found.isfinite() and all(p.grad is not None and p.grad.isfinite().all() for p in extras.parameters())


def test_the_warm_up_weighs_the_term(pair: Callable[..., Pair]) -> None:
    two = pair("resnet20", "resnet8")
    method = reviewkd.ReviewKD(warmup=0.5)
    extras = method.build(two).double()
    torch.manual_seed(1)
    first = method.terms(extras, told(two, epoch=0, epochs=8))["review"]
    torch.manual_seed(1)
    last = method.terms(extras, told(two, epoch=7, epochs=8))["review"]
    assert (first / last).item() == pytest.approx(1 / 4)


def test_the_defaults_are_mdistillers(pair: Callable[..., Pair]) -> None:
    method = reviewkd.ReviewKD()
    assert (method.gamma, method.alpha, method.beta, method.temperature, method.warmup * 240) == (1, 0, 1, 4, 20)
    assert method.needs.own == {"logits", "pooled", "features"} and method.needs.teacher == {"pooled", "preacts"}
    assert reviewkd.ReviewKD(preact=True).needs.own == {"logits", "pooled", "preacts"}
    extras = method.build(pair("resnet32x4", "resnet8x4"))
    assert isinstance(extras, reviewkd.Review)
    rows = [(f.enter[0].in_channels, f.enter[0].out_channels, f.leave[0].out_channels) for f in extras.fusions]  # type: ignore[index, union-attr]
    assert rows == [(64, 256, 64), (128, 256, 128), (256, 256, 256), (256, 256, 256)]
    with torch.device("meta"):
        method.build(pair("resnet20", "resnet8"))
    with pytest.raises(ValueError, match="expected at most 1"):
        reviewkd.ReviewKD(warmup=20)
