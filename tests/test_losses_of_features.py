"""The shared formulas on features against NumPy in float64, written out here from their definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from didact.losses import attention_map, pool_alike, rows_alike, unit_rows

random = np.random.default_rng(0)


def tensor(x: Any, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(x, dtype=dtype)


@pytest.mark.parametrize(("larger", "smaller"), [(16, 8), (7, 4), (5, 3), (4, 4)])
def test_pool_alike_pools_the_larger(pooled: Callable, larger: int, smaller: int) -> None:
    big, small = random.normal(size=(2, 3, larger, larger)), random.normal(size=(2, 5, smaller, smaller))
    for first, second in ((big, small), (small, big)):
        found = pool_alike(tensor(first), tensor(second))
        for one, given_ in zip(found, (first, second), strict=True):
            np.testing.assert_allclose(one, pooled(given_, smaller), atol=1e-14)


def test_pool_alike_takes_each_side_by_itself() -> None:
    a, b = pool_alike(torch.ones(1, 1, 4, 2), torch.ones(1, 1, 2, 4))
    assert a.shape == b.shape == (1, 1, 2, 2)


def test_attention_map_by_hand() -> None:
    # channels (3, 0 / 0, 0) and (1, 2 / 0, 0): means of squares 5, 2, 0, 0
    f = tensor([[[[3, 0], [0, 0]], [[1, 2], [0, 0]]]])
    np.testing.assert_allclose(attention_map(f), [np.array([5, 2, 0, 0]) / np.sqrt(29)])
    fourth = np.array([41, 8, 0, 0])
    np.testing.assert_allclose(attention_map(f, 4), [fourth / np.linalg.norm(fourth)])


@pytest.mark.parametrize("power", [2, 3, 4])
def test_attention_map(power: int) -> None:
    f = random.normal(size=(3, 4, 5, 6))
    flat = (f**power).mean(1).reshape(3, -1)
    np.testing.assert_allclose(attention_map(tensor(f), power), flat / np.linalg.norm(flat, axis=1, keepdims=True))


@pytest.mark.parametrize("power", [2, 4])
def test_an_all_zero_attention_map_stays_zero(power: int) -> None:
    f = torch.randn(2, 3, 4, 4)
    f[1] = 0
    f.requires_grad_()
    found = attention_map(f, power)
    (found * torch.randn_like(found)).sum().backward()
    assert f.grad is not None and f.grad.isfinite().all()
    assert not found[1].any() and not f.grad[1].any() and f.grad[0].any()


def test_rows_alike_by_hand() -> None:
    # rows (3, 4) and (0, 5): the Gram matrix is (25, 20 / 20, 25)
    found = rows_alike(tensor([[[3.0], [4.0]], [[0.0], [5.0]]]))
    np.testing.assert_allclose(found, np.array([[25, 20], [20, 25]]) / np.sqrt(1025))


def test_rows_alike() -> None:
    f = random.normal(size=(5, 3, 2, 2))
    flat = f.reshape(5, -1)
    gram = np.array([[flat[i] @ flat[j] for j in range(5)] for i in range(5)])
    np.testing.assert_allclose(rows_alike(tensor(f)), gram / np.sqrt((gram**2).sum(1, keepdims=True)), atol=1e-14)
    f[2] = 0
    found = rows_alike(tensor(f))
    assert found.isfinite().all() and not found[2].any() and not found[:, 2].any()


def test_nan_passes_unit_rows() -> None:
    assert unit_rows(tensor([[torch.nan, 1.0], [3.0, 4.0]])).isnan().tolist() == [[True, True], [False, False]]
