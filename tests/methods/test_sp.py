"""SP against NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from didact.methods import sp

random = np.random.default_rng(3)


def reference(fs: np.ndarray, ft: np.ndarray, rows: Sequence[int] | slice = slice(None)) -> float:
    grams = []
    for f in (fs, ft):
        flat = f.reshape(len(f), -1)
        gram = np.array([[(x * y).sum() for y in flat] for x in flat])
        norms = np.sqrt((gram**2).sum(1, keepdims=True))
        grams.append(np.divide(gram, norms, out=np.zeros_like(gram), where=norms > 0))
    return float(((grams[0] - grams[1])[rows] ** 2).sum() / len(fs) ** 2)


def test_sp_by_hand() -> None:
    # student rows orthogonal: identity; teacher rows equal: all entries 1 / sqrt(2)
    fs, ft = torch.eye(2, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)
    expected = ((1 - 0.5**0.5) ** 2 + 0.5) / 2
    assert sp.loss(fs, ft).item() == pytest.approx(expected)
    assert sp.loss(3 * fs, fs[[1, 0]][[1, 0]]).item() == pytest.approx(0)


@pytest.mark.parametrize(
    ("student", "teacher"), [((6, 3, 4, 4), (6, 5, 2, 2)), ((6, 2, 1, 1), (6, 7, 8, 8)), ((6, 9), (6, 4)), ((1, 3), (1, 2))]
)
def test_sp_and_its_gradient(slope: Callable, student: tuple[int, ...], teacher: tuple[int, ...]) -> None:
    fs, ft = random.normal(size=student), random.normal(size=teacher)
    own = torch.tensor(fs, requires_grad=True)
    value = sp.loss(own, torch.tensor(ft))
    value.backward()
    assert value.item() == pytest.approx(reference(fs, ft), rel=1e-10, abs=1e-30)
    np.testing.assert_allclose(own.grad, slope(lambda x: reference(x, ft), fs), atol=1e-8)


@pytest.mark.parametrize("shape", [(4, 3, 2, 2), (4, 6)])
def test_a_zero_row_stays_zero(slope: Callable, shape: tuple[int, ...]) -> None:
    fs, ft = random.normal(size=shape), random.normal(size=shape)
    fs[1] = 0
    own = torch.tensor(fs, requires_grad=True)
    value = sp.loss(own, torch.tensor(ft))
    value.backward()
    assert value.item() == pytest.approx(reference(fs, ft), rel=1e-10)
    # the row itself jumps away from zero and has no gradient; the zero sample's place in the other rows has one
    np.testing.assert_allclose(own.grad, slope(lambda x: reference(x, ft, rows=[0, 2, 3]), fs), atol=1e-8)


def test_all_zero_maps_give_zero() -> None:
    fs = torch.zeros(3, 2, 4, 4, requires_grad=True)
    value = sp.loss(fs, torch.zeros(3, 5, 2, 2))
    value.backward()
    assert value.item() == 0
    assert fs.grad is not None and not fs.grad.any()
