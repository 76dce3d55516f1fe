"""DKD against NumPy: the two KLs from sums of probabilities, extreme logits, the warm-up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from didact.method import Clock, Method, StepContext
from didact.methods import dkd
from didact.seeds import stream
from didact.spec import choose
from didact.tensors import Batch, Outputs

random = np.random.default_rng(7)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()


def reference(
    zs: np.ndarray, zt: np.ndarray, labels: np.ndarray, alpha: float = 1, beta: float = 8, temperature: float = 4
) -> float:
    total = 0.0
    for s, t, y in zip(zs / temperature, zt / temperature, labels, strict=True):
        q, p = softmax(s)[y], softmax(t)[y]
        total += alpha * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
        q, p = softmax(np.delete(s, y)), softmax(np.delete(t, y))
        total += beta * (p * np.log(p / q)).sum()
    return float(temperature**2 * total / len(zs))


def test_dkd_by_hand() -> None:
    # the teacher says (1/2, 1/3, 1/6), the student 1/3 each; label 0
    zs, zt, label = torch.zeros(1, 3), torch.tensor([[3.0, 2.0, 1.0]]).log(), torch.tensor([0])
    tckd = (np.log(3 / 2) + np.log(3 / 4)) / 2
    nckd = 2 / 3 * np.log(4 / 3) + 1 / 3 * np.log(2 / 3)
    assert dkd.loss(zs, zt, label, 1.0, 0.0, 1.0).item() == pytest.approx(tckd, rel=1e-5)
    assert dkd.loss(zs, zt, label, 0.0, 1.0, 1.0).item() == pytest.approx(nckd, rel=1e-5)
    assert dkd.loss(zs, 4 * zt, label).item() == pytest.approx(16 * (tckd + 8 * nckd), rel=1e-5)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 8.0), (1.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize(("batch", "classes"), [(1, 10), (6, 10), (3, 2)])
def test_dkd_and_its_gradient(
    slope: Callable, alpha: float, beta: float, temperature: float, batch: int, classes: int
) -> None:
    zs, zt = random.normal(size=(2, batch, classes)) * 2
    labels = random.integers(0, classes, batch)
    own = torch.tensor(zs, requires_grad=True)
    value = dkd.loss(own, torch.tensor(zt), torch.tensor(labels), alpha, beta, temperature)
    value.backward()
    assert value.item() == pytest.approx(reference(zs, zt, labels, alpha, beta, temperature), rel=1e-9, abs=1e-14)
    expected = slope(lambda x: reference(x, zt, labels, alpha, beta, temperature), zs)
    np.testing.assert_allclose(own.grad, expected, atol=1e-7)


def test_it_is_kd_taken_apart() -> None:
    # KD = TCKD + (1 - p of the label) NCKD, the identity on which the paper rests; with equal weights for one image
    zs, zt = random.normal(size=(2, 1, 10)) * 2
    p, q = softmax(zt[0] / 4), softmax(zs[0] / 4)
    given = torch.tensor(zs), torch.tensor(zt), torch.tensor([3])
    whole = dkd.loss(*given, 1.0, 1 - p[3])
    assert whole.item() == pytest.approx(16 * (p * np.log(p / q)).sum(), rel=1e-10)


def test_the_authors_way_of_leaving_out_the_label() -> None:
    zs, zt = random.normal(size=(2, 5, 10)) * 3
    labels = random.integers(0, 10, 5)
    apart = 1000 * np.eye(10)[labels]
    total = 0.0
    for s, t in zip(zs / 4 - apart, zt / 4 - apart, strict=True):
        p, q = softmax(t), softmax(s)
        total += sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)
    found = dkd.loss(torch.tensor(zs), torch.tensor(zt), torch.tensor(labels), 0.0, 1.0)
    assert found.item() == pytest.approx(16 * total / 5, rel=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_dkd_of_logits_of_scale_60(temperature: float) -> None:
    zs, zt = (random.normal(size=(2, 8, 10)) * 60).astype(np.float32)
    labels = random.integers(0, 10, 8)
    zs[0, labels[0]] = zt[0, labels[0]] = zt[1, labels[1]] = 200  # certain of the label: both, the teacher alone

    def logs(z: np.ndarray, y: int) -> tuple[np.ndarray, np.ndarray]:
        z = z.astype(np.float64) / temperature
        rest = np.logaddexp.reduce(np.delete(z, y))
        return np.array([z[y], rest]) - np.logaddexp(z[y], rest), np.delete(z, y) - rest

    expected = 0.0
    for s, t, y in zip(zs, zt, labels, strict=True):
        (two_s, rest_s), (two_t, rest_t) = logs(s, y), logs(t, y)
        expected += (np.exp(two_t) * (two_t - two_s)).sum() + 8 * (np.exp(rest_t) * (rest_t - rest_s)).sum()
    own = torch.tensor(zs, requires_grad=True)
    value = dkd.loss(own, torch.tensor(zt), torch.tensor(labels), temperature=temperature)
    value.backward()
    assert value.item() == pytest.approx(temperature**2 * expected / 8, rel=1e-5)
    assert own.grad is not None and own.grad.isfinite().all()
    wide = torch.tensor(zs, dtype=torch.float64, requires_grad=True)
    dkd.loss(wide, torch.tensor(zt).double(), torch.tensor(labels), temperature=temperature).backward()
    np.testing.assert_allclose(own.grad, wide.grad, atol=1e-4)


def test_bfloat16_is_widened() -> None:
    zs, zt = torch.randn(2, 4, 10).bfloat16()
    labels = torch.arange(4)
    found = dkd.loss(zs, zt, labels)
    assert found.dtype == torch.float32
    assert torch.equal(found, dkd.loss(zs.float(), zt.float(), labels))


def test_standardised() -> None:
    zs, zt = random.normal(size=(2, 4, 10)) * 3
    labels = random.integers(0, 10, 4)
    scores = [(z - z.mean(1, keepdims=True)) / (z.std(1, ddof=1, keepdims=True) + 1e-7) for z in (zs, zt)]
    value = dkd.loss(torch.tensor(zs), torch.tensor(zt), torch.tensor(labels), 9.0, 72.0, 2.0, standardise=True)
    assert value.item() == pytest.approx(reference(*scores, labels, 9, 72, 2), rel=1e-9)
    flat = torch.full((4, 10), 0.3, requires_grad=True)
    dkd.loss(flat, torch.tensor(zt).float(), torch.tensor(labels), standardise=True).backward()
    assert flat.grad is not None and not flat.grad.any()


def test_the_settings_are_the_published_ones() -> None:
    method = choose(Method, "dkd")
    assert isinstance(method, dkd.DKD)
    assert (method.gamma, method.target, method.rest, method.temperature) == (1.0, 1.0, 8.0, 4.0)
    assert method.warmup * 240 == 20 and not method.standardise
    ls = choose(Method, "dkd+ls")
    assert isinstance(ls, dkd.DKD)
    assert (ls.gamma, ls.target, ls.rest, ls.temperature, ls.standardise) == (1.0, 9.0, 72.0, 2.0, True)


def test_warm_up_is_a_share() -> None:
    with pytest.raises(ValueError, match="expected at most 1"):
        choose(Method, {"name": "dkd", "warmup": 20})


@pytest.mark.parametrize(("epoch", "factor"), [(0, 0.25), (1, 0.5), (3, 1.0), (7, 1.0)])
def test_terms(epoch: int, factor: float) -> None:
    zs, zt = random.normal(size=(2, 4, 10))
    labels = random.integers(0, 10, 4)
    context = StepContext(
        Batch(torch.zeros(4, 3, 8, 8), torch.tensor(labels), torch.arange(4)),
        own=Outputs(logits=torch.tensor(zs)),
        teacher=Outputs(logits=torch.tensor(zt)),
        clock=Clock(epoch, 8, 0, 1, 100),
        random=stream(0),
    )
    method = dkd.DKD(gamma=0.5, target=2.0, rest=3.0, temperature=2.0, warmup=0.5)
    terms = method.terms(torch.nn.Module(), context)
    ce = -np.mean([np.log(softmax(z)[y]) for z, y in zip(zs, labels, strict=True)])
    assert terms["ce"].item() == pytest.approx(0.5 * ce)
    assert terms["dkd"].item() == pytest.approx(factor * reference(zs, zt, labels, 2, 3, 2))
    assert list(dkd.DKD(gamma=0.0).terms(torch.nn.Module(), context)) == ["dkd"]


def test_a_class_that_both_mask_changes_nothing() -> None:
    zs, zt = (torch.tensor(z) for z in random.normal(size=(2, 4, 3)))
    labels = torch.tensor([0, 1, 2, 1])
    own, other = (torch.cat([z, torch.full((4, 2), -torch.inf)], 1) for z in (zs, zt))
    zs, own = zs.requires_grad_(), own.requires_grad_()
    value = dkd.loss(own, other, labels)
    assert value.item() == pytest.approx(reference(zs.detach().numpy(), zt.numpy(), labels.numpy()))
    value.backward()
    dkd.loss(zs, zt, labels).backward()
    assert own.grad is not None and not own.grad[:, 3:].any()
    np.testing.assert_allclose(own.grad[:, :3], zs.grad, atol=1e-12)


def test_where_all_other_classes_are_masked_there_is_nothing_to_learn() -> None:
    own = torch.tensor([[1.0, -torch.inf, -torch.inf]], requires_grad=True)
    value = dkd.loss(own, torch.tensor([[2.0, -torch.inf, -torch.inf]]), torch.tensor([0]))
    value.backward()
    assert value.item() == 0 and own.grad is not None and not own.grad.any()
