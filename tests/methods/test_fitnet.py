"""FitNets: the hint against NumPy, the regressor for every rule of sizes, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from didact.method import Clock, Method, Pair, StepContext
from didact.methods import fitnet
from didact.seeds import seeded, stream
from didact.spec import choose
from didact.tensors import Batch, Outputs

random = np.random.default_rng(4)


def test_hint_by_hand() -> None:
    fs, ft = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.tensor([[[[1.0, 0.0], [3.0, 0.0]]]])
    assert fitnet.loss(fs, ft).item() == (4 + 16) / 4
    assert fitnet.loss(fs, torch.tensor([[[[2.0]]]])).item() == 0.25  # the student pooled to 2.5
    assert fitnet.loss(torch.tensor([[[[2.0]]]]), fs).item() == 0.25


@pytest.mark.parametrize(("student", "teacher"), [(4, 4), (16, 8), (8, 16), (7, 4), (4, 7)])
@pytest.mark.parametrize("batch", [1, 3])
def test_hint_and_its_gradient(pooled: Callable, slope: Callable, student: int, teacher: int, batch: int) -> None:
    fs, ft = (random.normal(size=(batch, 2, n, n)) for n in (student, teacher))
    size = min(student, teacher)

    def reference(x: np.ndarray) -> float:
        return float(((pooled(x, size) - pooled(ft, size)) ** 2).mean())

    own = torch.tensor(fs, requires_grad=True)
    value = fitnet.loss(own, torch.tensor(ft))
    value.backward()
    assert value.item() == pytest.approx(reference(fs), rel=1e-10)
    one = fs[:1]  # samples do not mix
    expected = slope(lambda x: float(((pooled(x, size) - pooled(ft[:1], size)) ** 2).mean()), one) / batch
    assert own.grad is not None
    np.testing.assert_allclose(own.grad[:1], expected, atol=1e-8)


def test_channels_must_agree() -> None:
    with pytest.raises(ValueError, match="hint of 4 channels for a feature of 2"):
        fitnet.loss(torch.ones(1, 2, 4, 4), torch.ones(1, 4, 4, 4))


@pytest.mark.parametrize(
    ("teacher", "net", "hint", "guide", "conv", "kernel", "stride"),
    [
        ("resnet20", "resnet8", 2, 1, nn.Conv2d, 1, 1),
        ("shufflenet_v1", "wrn_16_2", 2, 1, nn.Conv2d, 3, 2),  # 16 to 8
        ("wrn_16_2", "shufflenet_v1", 2, 1, nn.ConvTranspose2d, 4, 2),  # 8 to 16
        ("resnet8x4", "mobilenet_v2", 4, 2, nn.Conv2d, 3, 1),  # 2 to 8: the teacher is pooled
        ("mobilenet_v2", "resnet8x4", 1, 0, nn.Conv2d, 3, 2),  # 32 to 16, other numbers of blocks
    ],
)
def test_regressor(
    pair: Callable[..., Pair], teacher: str, net: str, hint: int, guide: int, conv: type, kernel: int, stride: int
) -> None:
    two = pair(teacher, net, size=32)
    extras = fitnet.FitNet(hint=hint).build(two)
    assert isinstance(extras, fitnet.Hint) and extras.guide == guide
    made = extras.regressor.conv
    assert type(made) is conv
    assert (made.kernel_size, made.stride) == ((kernel, kernel), (stride, stride))
    assert made.bias is not None
    assert two.teacher_shapes is not None
    assert made.in_channels == two.shapes.features[hint - 1][0]
    assert made.out_channels == two.teacher_shapes.features[guide][0]


@pytest.mark.parametrize(("source", "target", "met"), [(8, 5, 5), (4, 7, 4), (4, 8, 8), (8, 4, 4), (6, 6, 6), (3, 16, 3)])
def test_hint_term_for_every_rule_of_sizes(pooled: Callable, source: int, target: int, met: int) -> None:
    with seeded(0, "hint"):
        extras = fitnet.Hint((3, source, source), (5, target, target), guide=0).double()
    fs, ft = torch.rand(4, 3, source, source).double(), torch.rand(4, 5, target, target).double()
    context = StepContext(
        Batch(torch.zeros(4, 3, 8, 8), torch.zeros(4, dtype=torch.long), torch.arange(4)),
        own=Outputs(logits=torch.zeros(4, 2), features=(fs,)),
        teacher=Outputs(features=(ft,)),
        clock=Clock(0, 1, 0, 1, 0),
        random=stream(0),
    )
    found = fitnet.FitNet(hint=1, beta=10.0).terms(extras, context)
    guided = extras.regressor(fs).detach().numpy()
    assert guided.shape == (4, 5, met, met)
    assert found["hint"].item() == pytest.approx(10 * ((guided - pooled(ft.numpy(), met)) ** 2).mean())
    assert found["ce"].item() == pytest.approx(np.log(2))


def test_a_hint_out_of_range_is_refused(pair: Callable[..., Pair]) -> None:
    with pytest.raises(ValueError, match="hint after block 4, but the network has 3 blocks"):
        choose(Method, {"name": "fitnet", "hint": 4}).build(pair("resnet20", "resnet8"))
    with pytest.raises(ValueError, match="expected 1 or more"):
        choose(Method, {"name": "fitnet", "hint": 0})
