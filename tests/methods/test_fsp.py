"""FSP against NumPy, both definitions; which levels follow each other when blocks differ; and what each stage does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from didact.method import Clock, Pair, StepContext
from didact.methods import fsp
from didact.seeds import stream
from didact.tensors import Batch, Outputs, reads

random = np.random.default_rng(7)

Maps = tuple[np.ndarray, np.ndarray]


def peaks(x: np.ndarray, size: int) -> np.ndarray:
    """Adaptive max pooling, over the windows of adaptive average pooling."""
    side = x.shape[2]
    windows = [slice(i * side // size, -(-(i + 1) * side // size)) for i in range(size)]
    return np.stack([np.stack([x[:, :, rows, cols].max((2, 3)) for cols in windows], -1) for rows in windows], -2)


@pytest.fixture
def reference(pooled: Callable) -> Callable[..., float]:
    def flow(maps: Maps, pool: Callable) -> np.ndarray:
        size = min(f.shape[2] for f in maps)
        lower, upper = (pool(f, size) for f in maps)
        return np.einsum("biyx,bjyx->bij", lower, upper) / size**2

    def loss(own: Maps, other: Maps, kind: str = "repdistiller") -> float:
        if kind == "repdistiller":
            return float(((flow(own, pooled) - flow(other, pooled)) ** 2).mean())
        difference = flow(own, peaks) - flow(other, peaks)
        return float(np.sqrt((difference**2).sum(1)).sum() / len(difference))

    return loss


def told(stage: str, own: Outputs, teacher: Outputs | None) -> StepContext:
    batch = Batch(torch.zeros(2, 3, 8, 8), torch.tensor([0, 1]), torch.arange(2))
    return StepContext(batch, own, teacher, Clock(0, 1, 0, 1, 0, stage), stream(0))


def test_fsp_by_hand() -> None:
    # one lower channel (1, 2), two upper ones: (3, 0) and (0, 4); G = (1.5, 4) against zero
    lower, upper = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[3.0, 0.0]], [[0.0, 4.0]]]])
    assert fsp.flow(lower, upper).tolist() == [[[1.5, 4.0]]]
    zero = torch.zeros(1, 1, 1, 2), torch.zeros(1, 2, 1, 2)
    assert fsp.loss((lower, upper), zero).item() == (1.5**2 + 4**2) / 2
    assert fsp.loss((lower, upper), zero, "torchdistill").item() == 5.5
    assert fsp.loss((upper, lower), zero[::-1], "torchdistill").item() == pytest.approx((1.5**2 + 4**2) ** 0.5)
    # the upper map has one position: the lower one is averaged to 1.5, or its larger value taken
    one = torch.tensor([[[[2.0]]]])
    assert fsp.flow(lower, one).item() == 3 and fsp.flow(lower, one, peak=True).item() == 4


@pytest.mark.parametrize("kind", ["repdistiller", "torchdistill"])
@pytest.mark.parametrize("sizes", [(4, 4, 4, 4), (8, 4, 6, 3), (4, 7, 3, 3)])
@pytest.mark.parametrize("batch", [1, 2])
def test_fsp_and_its_gradient(reference: Callable, slope: Callable, kind: str, sizes: tuple[int, ...], batch: int) -> None:
    own, other = (
        tuple(random.normal(size=(batch, c, n, n)) for c, n in zip((2, 3), pair, strict=True))
        for pair in (sizes[:2], sizes[2:])
    )
    maps = tuple(torch.tensor(f, requires_grad=True) for f in own)
    value = fsp.loss(maps, tuple(torch.tensor(f) for f in other), kind)
    value.backward()
    assert value.item() == pytest.approx(reference(own, other, kind), rel=1e-10)
    lower, upper = own
    np.testing.assert_allclose(maps[0].grad, slope(lambda x: reference((x, upper), other, kind), lower), atol=1e-7)
    np.testing.assert_allclose(maps[1].grad, slope(lambda x: reference((lower, x), other, kind), upper), atol=1e-7)


@pytest.mark.parametrize("kind", ["repdistiller", "torchdistill"])
def test_extremes_are_finite(kind: str) -> None:
    own = tuple(torch.zeros(2, c, 4, 4, requires_grad=True) for c in (2, 3))
    value = fsp.loss(own, tuple(torch.zeros(2, c, 4, 4) for c in (2, 3)), kind)
    value.backward()
    assert value.item() == 0 and all(f.grad is not None and not f.grad.any() for f in own)
    lower, upper = torch.randn(2, 2, 4, 4).bfloat16(), torch.randn(2, 3, 2, 2).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = fsp.loss((lower, upper), (lower, -upper), kind)
    wide = fsp.loss((lower.float(), upper.float()), (lower.float(), -upper.float()), kind)
    assert value.dtype == torch.float32 and value == wide
    with pytest.raises(ValueError, match=r"flows must agree in channels, found \(2, 3\) and \(3, 3\)"):
        fsp.loss((lower, upper), (upper, upper), kind)


@pytest.mark.parametrize(
    ("teacher", "net", "pairs"),
    [
        ("resnet20", "resnet8", ((0, 0), (1, 1), (2, 2), (3, 3))),
        # blocks of 16, 8, 4, 2 against 32, 16, 8: the last of the three that belong to the teacher's last stands for them
        ("resnet8x4", "mobilenet_v2", ((0, 0), (1, 2), (4, 3))),
        ("mobilenet_v2", "resnet8x4", ((0, 0), (2, 1), (3, 2))),
    ],
)
def test_levels(pair: Callable[..., Pair], teacher: str, net: str, pairs: tuple[tuple[int, int], ...]) -> None:
    two = pair(teacher, net, size=32)
    extras = fsp.FSP().build(two)
    assert isinstance(extras, fsp.Levels) and two.teacher_shapes is not None
    assert extras.pairs == pairs
    own, other = ((s.stem, *s.features) for s in (two.shapes, two.teacher_shapes))
    for (s, t), adapt in zip(pairs, extras.adapt, strict=True):
        same = own[s][0] == other[t][0]
        assert isinstance(adapt, nn.Identity) == same
        assert same or (adapt[0].kernel_size, adapt[0].bias, adapt[0].out_channels) == ((1, 1), None, other[t][0])


def test_the_first_stage_sums_over_successive_levels(pair: Callable[..., Pair], reference: Callable) -> None:
    two = pair("resnet8x4", "mobilenet_v2", size=32)
    extras = fsp.FSP().build(two).double()
    assert isinstance(extras, fsp.Levels) and two.teacher_shapes is not None
    own, teacher = (
        Outputs(stem=torch.randn(2, *s.stem).double(), features=tuple(torch.randn(2, *f).double() for f in s.features))
        for s in (two.shapes, two.teacher_shapes)
    )
    levels = [m.detach().numpy() for m in extras.own(own)]
    others = [m.numpy() for m in (teacher.stem, teacher.features[1], teacher.features[2]) if m is not None]
    for kind in ("repdistiller", "torchdistill"):
        found = fsp.FSP(beta=3.0, kind=kind).terms(extras, told("init", own, teacher))
        expected = sum(reference((levels[i], levels[i + 1]), (others[i], others[i + 1]), kind) for i in range(2))
        assert list(found) == ["flow"] and found["flow"].item() == pytest.approx(3 * expected, rel=1e-9)


def test_the_main_stage_does_not_look_at_the_teacher(pair: Callable[..., Pair]) -> None:
    extras = fsp.FSP().build(pair("resnet20", "resnet8"))
    assert not extras.state_dict()
    found = fsp.FSP().terms(extras, told("train", Outputs(logits=torch.zeros(2, 5)), None))
    assert list(found) == ["ce"] and found["ce"].item() == pytest.approx(np.log(5))


def test_stages_and_defaults() -> None:
    first, main = fsp.FSP().stages()
    assert (first.length(240), first.lr(29, 30, 0.05), first.moves) == (30, 0.05, ("extras.", "net.stem", "net.blocks"))
    assert first.needs == reads("stem features", teacher="stem features")
    assert main.main and main.moves == ("net.",) and main.needs == reads("logits")
    assert fsp.FSP(alpha=1.0).stages()[1].needs == reads("logits", teacher="logits")
    assert fsp.FSP(init_epochs=7).stages()[0].length(240) == 7
    assert fsp.FSP() == fsp.FSP(gamma=1, alpha=0, beta=1, temperature=4, init_epochs=None, kind="repdistiller")
