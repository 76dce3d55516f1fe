"""CRD: the loss and the scores against NumPy. (Whole steps and the memory: ``test_crd_memory.py``.)"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from didact.methods import crd

random = np.random.default_rng(5)


def reference_loss(scores: np.ndarray, samples: int) -> float:
    negatives = scores.shape[1] - 1
    noise, total = negatives / samples, 0.0
    for row in scores:
        total += np.log(row[0] / (row[0] + noise + 1e-7))
        total += sum(np.log(noise / (p + noise + 1e-7)) for p in row[1:])
    return -total / len(scores)


def test_by_hand() -> None:
    # K / n = 1: the positive has p = 3, log(3 / 4); the two negatives have 1 and 0, log(1 / 2) and log 1
    scores = torch.tensor([[3.0, 1.0, 0.0]]).double()
    one = np.log(4 / 3) + np.log(2)
    assert crd.loss(scores, scores, 2).item() == pytest.approx(2 * one, rel=1e-6)
    assert crd.loss(scores, torch.ones(1, 3).double(), 2).item() == pytest.approx(one + 3 * np.log(2), rel=1e-6)


@pytest.mark.parametrize(("batch", "negatives", "samples"), [(1, 1, 4), (3, 6, 50), (2, 300, 100)])
def test_loss_and_its_gradient(slope: Callable, batch: int, negatives: int, samples: int) -> None:
    ps, pt = (np.exp(3 * random.normal(size=(batch, 1 + negatives))) / samples for _ in range(2))
    scores_s, scores_t = torch.tensor(ps, requires_grad=True), torch.tensor(pt)
    value = crd.loss(scores_s, scores_t, samples)
    assert value.item() == pytest.approx(reference_loss(ps, samples) + reference_loss(pt, samples), rel=1e-12)
    value.backward()
    some = ps[:, :4]
    expected = slope(lambda x: reference_loss(np.concatenate([x, ps[:, 4:]], 1), samples), some, step=1e-7)
    assert scores_s.grad is not None
    np.testing.assert_allclose(scores_s.grad[:, :4], expected, rtol=1e-5, atol=1e-6)


def test_extreme_scores_are_finite() -> None:
    scores = torch.tensor([[0.0, 1e38, 0.0], [1e38, 0.0, 1e-44]], requires_grad=True)
    value = crd.loss(scores, scores, 10)
    value.backward()
    assert value.isfinite()
    assert scores.grad is not None and scores.grad.isfinite().all()
    logs = torch.tensor([[-500.0, 500.0]], requires_grad=True)  # exp is out of range; the two log c cancel
    value = crd.nce(logs, 10)
    value.backward()
    assert value.item() == pytest.approx(1000, rel=1e-6)
    assert logs.grad is not None and torch.equal(logs.grad, torch.tensor([[-1.0, 1.0]]))


def test_half_precision_is_widened() -> None:
    scores = [torch.rand(3, 6).bfloat16() for _ in range(2)]
    anchors, candidates = torch.randn(3, 4).bfloat16(), torch.randint(9, (3, 5))
    with torch.autocast("cpu", torch.bfloat16):
        value, products = crd.loss(*scores, 20), crd.similarities(anchors, torch.ones(9, 4) / 3, candidates)
    assert value.dtype == products.dtype == torch.float32
    assert torch.equal(value, crd.loss(*(p.float() for p in scores), 20))
    assert torch.equal(products, crd.similarities(anchors.float(), torch.ones(9, 4) / 3, candidates))


@pytest.mark.parametrize("rows", [6, 60])
def test_similarities(rows: int) -> None:
    bank, anchors = torch.randn(rows, 4).double(), torch.randn(3, 4).double().requires_grad_()
    candidates = torch.randint(rows, (3, 5))
    found = crd.similarities(anchors, bank, candidates)
    given = torch.randn(3, 5).double()
    kept = bank.clone()
    bank.zero_()  # what happens to the bank before backward does not matter
    found.backward(given)
    for i in range(3):
        for j in range(5):
            assert found[i, j].item() == pytest.approx(float(anchors[i].detach() @ kept[candidates[i, j]]), rel=1e-12)
        expected = (given[i][:, None] * kept[candidates[i]]).sum(0)
        assert anchors.grad is not None
        torch.testing.assert_close(anchors.grad[i], expected)
    assert not bank.requires_grad


def test_the_published_settings() -> None:
    method = crd.CRD()
    assert (method.gamma, method.alpha, method.beta, method.temperature) == (1, 0, 0.8, 4)
    assert (method.contrast_temperature, method.negatives, method.width, method.momentum) == (0.07, 16384, 128, 0.5)
