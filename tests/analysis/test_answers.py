"""Calibration, classes, confusion and disagreement, by hand and against loops in NumPy."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest
import torch

from didact.analysis import answers, calibration, divergence

random = np.random.default_rng(3)


def sure(*confidences: float) -> torch.Tensor:
    """Logits of two classes whose answer is class 0 with these probabilities."""
    return torch.tensor([[np.log(p / (1 - p)), 0.0] for p in confidences])


def test_ece_by_hand() -> None:
    # two bins: (0, 0.5] is empty; 0.6, 0.7, 0.8, 0.9 are in (0.5, 1]: confidence 0.75, accuracy 0.5
    z, labels = sure(0.6, 0.7, 0.8, 0.9), torch.tensor([0, 1, 0, 1])
    assert calibration.ece(z, labels, bins=2) == pytest.approx(25)
    # four bins: 0.6, 0.7 in (0.5, 0.75]: |0.5 - 0.65|; 0.8, 0.9 in (0.75, 1]: |0.5 - 0.85|
    assert calibration.ece(z, labels, bins=4) == pytest.approx(100 * (0.5 * 0.15 + 0.5 * 0.35))
    curve = calibration.reliability(z, labels, bins=4)
    assert curve.counts.tolist() == [0, 0, 2, 2]
    assert curve.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(curve.confidence.numpy(), [np.nan, np.nan, 0.65, 0.85], rtol=1e-6)
    np.testing.assert_allclose(curve.accuracy.numpy(), [np.nan, np.nan, 0.5, 0.5])


def test_bins_hold_their_upper_edge() -> None:
    curve = calibration.reliability(torch.zeros(3, 2), torch.tensor([0, 0, 1]), bins=2)  # confidence 1/2
    assert curve.counts.tolist() == [3, 0]
    certain = calibration.reliability(torch.tensor([[1e4, 0.0]]), torch.tensor([0]))
    assert certain.counts.tolist() == [0] * 14 + [1] and certain.ece == 0


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_ece_against_a_loop(bins: int) -> None:
    z, labels = random.normal(size=(500, 6)) * 2, random.integers(0, 6, 500)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    total = 0.0
    for m in range(bins):
        held = (p.max(1) > m / bins) & (p.max(1) <= (m + 1) / bins)
        if held.any():
            total += held.mean() * abs((p.argmax(1) == labels)[held].mean() - p.max(1)[held].mean())
    assert calibration.ece(torch.tensor(z), torch.tensor(labels), bins) == pytest.approx(100 * total)


def test_calibration_needs_samples() -> None:
    with pytest.raises(ValueError, match="at least 1 sample and 1 bin, found 0 and 15"):
        calibration.ece(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ValueError, match="found 2 and 0"):
        calibration.ece(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), bins=0)


def test_confusion_by_hand() -> None:
    given, labels = torch.tensor([0, 1, 1, 2, 0, 1]), torch.tensor([0, 0, 0, 2, 2, 1])
    matrix = answers.confusion(torch.eye(4)[given], labels)
    assert matrix.tolist() == [[1, 2, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(answers.by_class(matrix).numpy(), [100 / 3, 100, 50, np.nan])
    first, second = answers.confused(matrix)
    assert (first.label, first.answer, first.images, first.share) == (0, 1, 2, pytest.approx(200 / 3))
    assert (second.label, second.answer, second.images, second.share) == (2, 0, 1, 50)
    assert answers.confused(matrix, most=1) == [first]
    assert matrix.sum() == 6 and matrix[0, 0] == 1  # the question changed nothing


def test_disagreement_is_ordered_by_divergence() -> None:
    zt, zs = (torch.tensor(random.normal(size=(200, 5)) * 2, dtype=torch.float32) for _ in range(2))
    found = answers.disagreement(zt, zs)
    pt, ps = zt.double().softmax(1), zs.double().softmax(1)
    far = (pt * (pt / ps).log()).sum(1)
    assert set(found.index.tolist()) == {i for i in range(200) if pt[i].argmax() != ps[i].argmax()}
    assert (found.divergence.diff() <= 0).all()
    np.testing.assert_allclose(found.divergence.numpy(), far[found.index].numpy(), rtol=1e-9)
    assert torch.equal(found.teacher, pt.argmax(1)[found.index]) and torch.equal(found.student, ps.argmax(1)[found.index])
    np.testing.assert_allclose(found.sure_student.numpy(), ps.max(1).values[found.index].numpy())
    np.testing.assert_allclose(found.sure_teacher.numpy(), pt.max(1).values[found.index].numpy())
    assert len(found) == len(found.index) and len(answers.disagreement(zt, zt)) == 0
    assert float(divergence.each(zt, zs).mean()) == divergence.kl(zt, zs)


def test_networks_without_answers_hide_nothing() -> None:
    """An image without an answer is in no cell of the confusion, is not calibrated, and comes last where networks differ."""
    zs = torch.tensor([[4.0, 0.0], [nan, nan], [3.0, 0.0], [0.0, 1.0]])
    zt = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 4.0], [0.0, 2.0]])
    labels = torch.tensor([0, 0, 1, 1])
    assert answers.confusion(zs, labels).tolist() == [[1, 0], [1, 1]]
    assert isnan(calibration.ece(zs, labels))
    found = answers.disagreement(zt, zs)
    assert found.index.tolist() == [2, 0, 1] and found.divergence[2].isnan()
    assert not isnan(calibration.ece(zt, labels))
