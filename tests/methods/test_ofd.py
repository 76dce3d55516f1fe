"""OH: margins against numerical integration, the loss against NumPy, connectors and weights, teachers without norms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from didact.method import Clock, Pair, StepContext
from didact.methods import ofd
from didact.nets.norms import last_norm
from didact.seeds import stream
from didact.tensors import Batch, Outputs

random = np.random.default_rng(6)


def conditional_mean(scale: float, shift: float) -> float:
    """Mean of the negative values of N(shift, scale^2), by the midpoint rule; -3 sd where they are rarer than 0.001."""
    sd = abs(scale)
    low = min(shift, 0.0) - 12 * sd
    x = low + (np.arange(20_000) + 0.5) * (-low / 20_000)
    density = np.exp(-(((x - shift) / sd) ** 2) / 2) / (sd * np.sqrt(2 * np.pi)) * (-low / 20_000)
    return float((x * density).sum() / density.sum()) if density.sum() > 0.001 else -3 * sd


@pytest.fixture
def reference(pooled: Callable) -> Callable[..., float]:
    def loss(fs: np.ndarray, ft: np.ndarray, margin: np.ndarray) -> float:
        size = min(fs.shape[2], ft.shape[2])
        fs, ft = pooled(fs, size), pooled(ft, size)
        total = 0.0
        for c in range(fs.shape[1]):
            target = np.maximum(ft[:, c], margin[c])
            total += ((fs[:, c] - target) ** 2)[(fs[:, c] > target) | (target > 0)].sum()
        return float(total) / len(fs)

    return loss


def told(own: Any, teacher: Any, classes: int = 5) -> StepContext:
    """What a method sees of these values before activation."""
    batch = Batch(torch.zeros(len(own[0]), 3, 8, 8), torch.zeros(len(own[0]), dtype=torch.long), torch.arange(len(own[0])))
    shown = Outputs(logits=torch.zeros(len(own[0]), classes), preacts=tuple(own))
    return StepContext(batch, shown, Outputs(preacts=tuple(teacher)), Clock(0, 1, 0, 1, 0), stream(0))


def test_margins_by_hand() -> None:
    weight, bias = torch.tensor([1.0, -1.0, 2.0, 0.5, 0.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 0.0, 5.0, -2.0, 1.0, 0.0])
    half_normal = np.sqrt(2 / np.pi)
    expected = [-half_normal, -half_normal, -2 * half_normal, -1.5, -2, 0, 0]
    np.testing.assert_allclose(ofd.margin(weight, bias), expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, -0.3, 2.5])
@pytest.mark.parametrize("ratio", [-8.0, -2.0, -0.5, 0.0, 1.0, 2.5, 3.0902, 3.0903, 20.0])
def test_margins(scale: float, ratio: float) -> None:
    shift = ratio * abs(scale)
    found = ofd.margin(torch.tensor([scale], dtype=torch.float64), torch.tensor([shift], dtype=torch.float64)).item()
    assert found == pytest.approx(conditional_mean(scale, shift), rel=1e-6) and found <= 0


def test_the_margin_jumps_where_negatives_become_rare() -> None:
    # P(x < 0) is 0.00100011 at 3.0902 and 0.00099977 at 3.0903; float32 tells them apart
    before, after = ofd.margin(torch.ones(2), torch.tensor([3.0902, 3.0903])).tolist()
    assert before == pytest.approx(-0.28, abs=0.01) and after == -3


def test_margins_are_finite_and_of_the_type_given() -> None:
    weight, bias = torch.tensor([1e-30, 1e-30, 1e30, 1e-8]), torch.tensor([1.0, -1.0, 1.0, 1e8])
    assert ofd.margin(weight, bias).isfinite().all()
    for dtype, kept in [(torch.float32, torch.float32), (torch.float64, torch.float64), (torch.bfloat16, torch.float32)]:
        assert ofd.margin(torch.ones(2, dtype=dtype), torch.zeros(2, dtype=dtype)).dtype == kept


def test_overhaul_by_hand() -> None:
    margin = torch.tensor([-1.0])
    teacher = torch.tensor([[[[2.0, -0.5, -3.0, -3.0]]]])  # targets 2, -0.5, -1, -1
    student = torch.tensor([[[[1.0, -2.0, 0.5, -4.0]]]])  # below, below, above, below
    # an active target always counts, an inactive one only where the student lies above it
    assert ofd.loss(student, teacher, margin).item() == 1 + 0 + 1.5**2 + 0
    assert ofd.loss(student.expand(4, 1, 1, 4), teacher.expand(4, 1, 1, 4), margin).item() == 1 + 1.5**2
    assert ofd.loss(teacher.clamp(min=-1), teacher, margin).item() == 0  # on the target there is nothing to pay
    assert ofd.loss(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), margin).item() == 1  # a target of 0 is inactive
    assert ofd.loss(-torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), margin).item() == 0


@pytest.mark.parametrize(("student", "teacher"), [(4, 4), (3, 8), (8, 3), (7, 4), (1, 2)])
@pytest.mark.parametrize("batch", [1, 3])
def test_overhaul_and_its_gradient(reference: Callable, slope: Callable, student: int, teacher: int, batch: int) -> None:
    fs, ft = random.normal(size=(batch, 2, student, student)), random.normal(size=(batch, 2, teacher, teacher))
    margin = np.array([-0.8, -0.1])
    own = torch.tensor(fs, requires_grad=True)
    value = ofd.loss(own, torch.tensor(ft), torch.tensor(margin))
    value.backward()
    assert value.item() == pytest.approx(reference(fs, ft, margin), rel=1e-10)
    one = slope(lambda x: reference(x, ft[:1], margin), fs[:1]) / batch  # samples do not mix
    assert own.grad is not None
    np.testing.assert_allclose(own.grad[:1], one, atol=1e-7)


def test_empty_maps_and_half_precision() -> None:
    own = torch.zeros(2, 3, 4, 4, requires_grad=True)
    value = ofd.loss(own, torch.zeros(2, 3, 4, 4), torch.full((3,), -0.5))
    value.backward()
    assert value.item() == 0 and own.grad is not None and not own.grad.any()
    fs, ft = (torch.randn(2, 3, 8, 8, dtype=torch.bfloat16) * 60 for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        found = ofd.loss(fs, ft, torch.full((3,), -0.5))
    assert found.dtype == torch.float32
    assert torch.equal(found, ofd.loss(fs.float(), ft.float(), torch.full((3,), -0.5)))


def test_channels_must_agree() -> None:
    with pytest.raises(ValueError, match="a target of 4 channels for a feature of 2: put a connector between them"):
        ofd.loss(torch.ones(1, 2, 4, 4), torch.ones(1, 4, 4, 4), torch.zeros(4))


@pytest.mark.parametrize(
    ("teacher", "net", "partners"),
    [
        ("resnet20", "resnet8", (0, 1, 2)),
        ("wrn_16_2", "shufflenet_v1", (0, 1, 2)),
        ("mobilenet_v2", "resnet8", (0, 0, 1)),
        ("vgg13", "resnet8", (0, 0, 1)),
    ],
)
def test_the_term_weights_deep_blocks_most(
    pair: Callable[..., Pair], reference: Callable, teacher: str, net: str, partners: tuple[int, ...]
) -> None:
    two = pair(teacher, net)
    assert two.teacher is not None and two.teacher_shapes is not None
    with torch.no_grad():  # fresh norms all have scale 1 and shift 0
        for p in two.teacher.parameters():
            p += 0.1 * torch.randn_like(p)
    extras = ofd.OFD().build(two).double()
    assert not any("margin" in key for key in extras.state_dict())
    own, taught = (
        [torch.randn(2, *s, dtype=torch.float64) for s in shapes.features] for shapes in (two.shapes, two.teacher_shapes)
    )
    found = ofd.OFD(beta=0.5).terms(extras, told(own, taught))
    expected = 0.0
    for i, (level, partner) in enumerate(zip(extras, partners, strict=True)):
        norm = last_norm(two.teacher, partner)
        assert norm is not None and level.partner == partner
        margin = np.array([conditional_mean(w, b) for w, b in zip(norm.weight.tolist(), norm.bias.tolist(), strict=True)])
        value = reference(level.connector(own[i]).detach().numpy(), taught[partner].numpy(), margin)
        expected += value / 2 ** (len(partners) - 1 - i)
    assert found["overhaul"].item() == pytest.approx(0.5 * expected, rel=1e-5)  # the margins are in float32


def test_the_connector(pair: Callable[..., Pair]) -> None:
    extras = ofd.OFD().build(pair("resnet32x4", "resnet8x4"))
    for level, (given, wide) in zip(extras, [(64, 64), (128, 128), (256, 256)], strict=True):  # type: ignore[call-overload]
        conv, norm = level.connector
        assert (conv.in_channels, conv.out_channels, conv.kernel_size, conv.bias) == (given, wide, (1, 1), None)
        assert conv.weight.std().item() == pytest.approx(np.sqrt(2 / wide), rel=0.05)
        assert isinstance(norm, torch.nn.BatchNorm2d)
    with torch.device("meta"):
        ofd.OFD().build(pair("resnet20", "resnet8"))


def test_without_a_norm_the_margin_is_the_mean_of_the_negative_values() -> None:
    margin = ofd.Negatives(3)
    first = torch.tensor([[-1.0, 5.0, 0.0], [-3.0, -4.0, 2.0]])[:, :, None, None]
    assert margin(first).tolist() == [-2, -4, 0]  # the last channel has had none
    second = torch.tensor([[-5.0, 1.0, 1.0]])[:, :, None, None].expand(1, 3, 2, 2)
    assert margin(second).tolist() == pytest.approx([-24 / 6, -4, 0])
    again = ofd.Negatives(3)
    again.load_state_dict(margin.state_dict())  # a training that is taken up again goes on from there
    assert torch.equal(again(torch.zeros(1, 3, 1, 1)), margin(torch.zeros(1, 3, 1, 1)))


def test_a_teacher_without_norms(pair: Callable[..., Pair], reference: Callable) -> None:
    two = pair("shufflenet_v2", "resnet8", size=32)
    assert two.teacher_shapes is not None
    extras = ofd.OFD().build(two).double()
    own, taught = (
        [torch.randn(2, *s, dtype=torch.float64) for s in shapes.features] for shapes in (two.shapes, two.teacher_shapes)
    )
    found = ofd.OFD().terms(extras, told(own, taught))
    expected = 0.0
    for i, level in enumerate(extras):  # type: ignore[arg-type]
        t = taught[i].numpy()
        margin = np.array([t[:, c][t[:, c] < 0].mean() for c in range(t.shape[1])])
        expected += reference(level.connector(own[i]).detach().numpy(), t, margin) / 2 ** (2 - i)
        assert level.margin.count.dtype == torch.long and level.margin.count.min() > 0
    assert found["overhaul"].item() == pytest.approx(1e-3 * expected, rel=1e-5)


def test_the_defaults_are_the_published_ones() -> None:
    method = ofd.OFD()
    assert (method.gamma, method.alpha, method.beta, method.temperature) == (1, 0, 1e-3, 4)
    assert method.needs.teacher == {"preacts"} and method.needs.own == {"logits", "preacts"}
