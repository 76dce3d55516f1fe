"""SRRL against NumPy: the two errors, the connector with the batch's own statistics, the teacher's classifier untouched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from didact.method import Clock, Method, Pair, StepContext
from didact.methods import srrl
from didact.seeds import seeded, stream
from didact.spec import choose
from didact.tensors import Batch, Outputs

random = np.random.default_rng(9)


def context(vs: torch.Tensor, vt: torch.Tensor, zt: torch.Tensor) -> StepContext:
    return StepContext(
        Batch(torch.zeros(len(vs), 3, 8, 8), torch.zeros(len(vs), dtype=torch.long), torch.arange(len(vs))),
        own=Outputs(logits=torch.zeros_like(zt), pooled=vs),
        teacher=Outputs(logits=zt, pooled=vt),
        clock=Clock(0, 1, 0, 1, 0),
        random=stream(0),
    )


def reference(extras: srrl.Transfer, vs: np.ndarray, vt: np.ndarray, zt: np.ndarray) -> float:
    weight = extras.connector[0].weight.detach().numpy()[:, :, 0, 0]  # type: ignore[union-attr]
    v = vs @ weight.T
    v = np.maximum((v - v.mean(0)) / np.sqrt(v.var(0) + 1e-5), 0)
    linear = extras.classifier.part
    z = v @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()  # type: ignore[union-attr]
    return float(((v - vt) ** 2).mean() + ((z - zt) ** 2).mean())


def test_srrl_by_hand() -> None:
    v, vt = torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([[0.0, 2.0, 1.0]])
    z, zt = torch.tensor([[3.0, -1.0]]), torch.tensor([[1.0, -1.0]])
    assert srrl.loss(v, vt, z, zt).item() == pytest.approx(2 / 3 + 4 / 2)
    assert srrl.loss(v, v, z, z).item() == 0


@pytest.mark.parametrize("batch", [1, 4])
def test_srrl_and_its_gradients(slope: Callable, batch: int) -> None:
    v, vt = random.normal(size=(2, batch, 6))
    z, zt = random.normal(size=(2, batch, 3))
    given = [torch.tensor(x, requires_grad=x is v or x is z) for x in (v, vt, z, zt)]
    value = srrl.loss(*given)
    value.backward()
    assert value.item() == pytest.approx(((v - vt) ** 2).mean() + ((z - zt) ** 2).mean())
    np.testing.assert_allclose(given[0].grad, 2 * (v - vt) / v.size, atol=1e-12)
    np.testing.assert_allclose(given[2].grad, 2 * (z - zt) / z.size, atol=1e-12)


@pytest.mark.parametrize(("width", "wanted"), [(6, 4), (3, 8), (5, 5)])
def test_terms_and_the_gradient_of_the_vector(slope: Callable, width: int, wanted: int) -> None:
    with seeded(0, "transfer"):
        extras = srrl.Transfer(width, wanted, nn.Linear(wanted, 3)).double().train()
    vs, vt, zt = random.normal(size=(5, width)), random.normal(size=(5, wanted)), random.normal(size=(5, 3))
    own = torch.tensor(vs, requires_grad=True)
    found = srrl.SRRL(beta=2.0).terms(extras, context(own, torch.tensor(vt), torch.tensor(zt)))
    assert list(found) == ["ce", "regression"]
    assert found["ce"].item() == pytest.approx(np.log(3))
    assert found["regression"].item() == pytest.approx(2 * reference(extras, vs, vt, zt))
    found["regression"].backward()
    np.testing.assert_allclose(own.grad, slope(lambda x: 2 * reference(extras, x, vt, zt), vs), atol=1e-6)


@pytest.mark.parametrize(
    ("teacher", "net"), [("resnet20", "resnet8"), ("wrn_16_2", "shufflenet_v1"), ("vgg13", "mobilenet_v2")]
)
def test_the_teachers_classifier_is_copied_and_frozen(pair: Callable[..., Pair], teacher: str, net: str) -> None:
    two = pair(teacher, net)
    assert two.teacher is not None and two.teacher.head is not None and two.teacher_shapes is not None
    extras = srrl.SRRL().build(two)
    assert isinstance(extras, srrl.Transfer)
    given = two.teacher.head.classifier
    assert isinstance(given, nn.Linear) and isinstance(extras.classifier.part, nn.Linear)
    assert torch.equal(extras.classifier.part.weight, given.weight) and extras.classifier.part.weight is not given.weight
    assert [k for k, p in extras.named_parameters() if not p.requires_grad] == [
        "classifier.part.weight",
        "classifier.part.bias",
    ]
    conv = extras.connector[0]
    assert isinstance(conv, nn.Conv2d) and conv.bias is None and conv.kernel_size == (1, 1)
    assert (conv.in_channels, conv.out_channels) == (two.shapes.pooled[0], two.teacher_shapes.pooled[0])
    assert [type(layer) for layer in extras.connector] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]


def test_all_zero_vectors_are_finite() -> None:
    extras = srrl.Transfer(4, 6, nn.Linear(6, 3)).train()
    own = torch.zeros(3, 4, requires_grad=True)
    value = srrl.SRRL().terms(extras, context(own, torch.zeros(3, 6), torch.zeros(3, 3)))["regression"]
    value.backward()
    assert value.isfinite() and own.grad is not None and own.grad.isfinite().all()


def test_logits_of_scale_60_are_finite() -> None:
    v, vt = torch.randn(2, 4, 6)
    z, zt = torch.randn(2, 4, 3) * 60
    z.requires_grad_()
    srrl.loss(v, vt, z, zt).backward()
    assert z.grad is not None and z.grad.isfinite().all()
    half = [x.detach().bfloat16() for x in (v, vt, z, zt)]
    assert torch.equal(srrl.loss(*half), srrl.loss(*[x.float() for x in half]))


def test_the_settings_are_the_published_ones() -> None:
    method, with_kd = choose(Method, "srrl"), choose(Method, "srrl+kd")
    assert isinstance(method, srrl.SRRL) and isinstance(with_kd, srrl.SRRL)
    assert (method.gamma, method.alpha, method.beta) == (1.0, 0.0, 1.0)
    assert (with_kd.gamma, with_kd.alpha, with_kd.beta, with_kd.temperature) == (1.0, 1.0, 1.0, 4.0)
