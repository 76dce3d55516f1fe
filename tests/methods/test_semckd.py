"""SemCKD against NumPy: the Gram rows, the attention, every pair of blocks; last batches, odd batches, zero maps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from didact.method import Clock, Method, Pair, StepContext
from didact.methods import semckd
from didact.seeds import seeded, stream
from didact.spec import choose
from didact.tensors import Batch, Outputs

random = np.random.default_rng(10)
OWN, OTHER = ((3, 8, 8), (4, 4, 4)), ((5, 4, 4), (2, 8, 8), (6, 2, 2))


def attention(queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(b, s, t), by loops."""
    out = np.empty((len(queries), queries.shape[1], keys.shape[1]))
    for i in range(len(queries)):
        for s in range(queries.shape[1]):
            energies = np.exp([queries[i, s] @ keys[i, t] for t in range(keys.shape[1])])
            out[i, s] = energies / energies.sum()
    return out


def embedded(mlp: nn.Module, f: np.ndarray, batch: int) -> np.ndarray:
    """Gram rows, filled up to the batch with zeros, through the MLP, at unit length."""
    first, _, last = (layer for layer in mlp.children())
    rows = np.zeros((len(f), batch))
    for i in range(len(f)):
        for j in range(len(f)):
            rows[i, j] = (f[i] * f[j]).sum()
    weights = [p.detach().numpy() for p in (first.weight, first.bias, last.weight, last.bias)]  # type: ignore[arg-type]
    out = np.maximum(rows @ weights[0].T + weights[1], 0) @ weights[2].T + weights[3]
    return out / np.sqrt((out**2).sum(1, keepdims=True))


def test_semckd_by_hand() -> None:
    # one image, two student and two teacher blocks: attention (1/2, 1/2), then (3/4, 1/4)
    queries = torch.tensor([[[0.0, 0.0], [np.log(3), 0.0]]]).float()
    keys = torch.eye(2)[None]
    errors = torch.tensor([[[2.0, 4.0], [8.0, 16.0]]])
    assert semckd.loss(queries, keys, errors).item() == pytest.approx((3 + 10) / 2)


@pytest.mark.parametrize(("batch", "own", "other", "width"), [(4, 3, 3, 2), (1, 2, 4, 1), (3, 4, 1, 5)])
def test_semckd_and_its_gradients(slope: Callable, batch: int, own: int, other: int, width: int) -> None:
    queries, keys = random.normal(size=(batch, own, width)), random.normal(size=(batch, other, width))
    errors = random.uniform(size=(batch, own, other))

    def reference(q: np.ndarray, k: np.ndarray, e: np.ndarray) -> float:
        return float((attention(q, k) * e).sum() / (batch * own))

    given = [torch.tensor(x, requires_grad=True) for x in (queries, keys, errors)]
    value = semckd.loss(*given)
    value.backward()
    assert value.item() == pytest.approx(reference(queries, keys, errors), rel=1e-10)
    np.testing.assert_allclose(given[0].grad, slope(lambda x: reference(x, keys, errors), queries), atol=1e-8)
    np.testing.assert_allclose(given[1].grad, slope(lambda x: reference(queries, x, errors), keys), atol=1e-8)
    np.testing.assert_allclose(given[2].grad, attention(queries, keys) / (batch * own), atol=1e-12)


def test_gram_rows_are_filled_up_with_zeros() -> None:
    f = torch.tensor([[[[3.0]], [[4.0]]], [[[0.0]], [[5.0]]]])
    assert semckd.gram(f, 2).tolist() == [[25, 20], [20, 25]]
    assert semckd.gram(f, 4).tolist() == [[25, 20, 0, 0], [20, 25, 0, 0]]
    with pytest.raises(AssertionError, match="2 images for an attention made for batches of 1"):
        semckd.gram(f, 1)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gram_and_its_gradient(layout: torch.memory_format) -> None:
    f, weights = torch.randn(3, 2, 4, 5, dtype=torch.float64), random.normal(size=(3, 3))
    given = f.clone(memory_format=layout).requires_grad_()
    value = semckd.gram(given, 3)
    flat = f.flatten(1).numpy()
    np.testing.assert_allclose(value.detach(), flat @ flat.T, rtol=1e-12)
    (value * torch.tensor(weights)).sum().backward()
    assert given.grad is not None
    np.testing.assert_allclose(given.grad.flatten(1), (weights + weights.T) @ flat, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("images", [8, 5, 2])
def test_terms(pooled: Callable, images: int) -> None:
    with seeded(0, "semckd"):
        extras = semckd.Calibration(OWN, OTHER, 8).double().train()
    own = [random.normal(size=(images, *shape)) for shape in OWN]
    other = [random.normal(size=(images, *shape)) for shape in OTHER]
    context = StepContext(
        Batch(torch.zeros(images, 3, 8, 8), torch.zeros(images, dtype=torch.long), torch.arange(images)),
        own=Outputs(logits=torch.zeros(images, 3), features=tuple(map(torch.tensor, own))),
        teacher=Outputs(features=tuple(map(torch.tensor, other))),
        clock=Clock(0, 1, 0, 1, 0),
        random=stream(0),
    )
    found = semckd.SemCKD(beta=10.0).terms(extras, context)
    queries = np.stack([embedded(mlp, f, 8) for mlp, f in zip(extras.queries, own, strict=True)], 1)
    keys = np.stack([embedded(mlp, f, 8) for mlp, f in zip(extras.keys, other, strict=True)], 1)
    errors = np.empty((images, len(OWN), len(OTHER)))
    for s, fs in enumerate(own):
        for t, ft in enumerate(other):
            size = min(fs.shape[2], ft.shape[2])
            guided = extras.projections[s][t](torch.tensor(pooled(fs, size))).detach().numpy()  # type: ignore[index]
            errors[:, s, t] = ((guided - pooled(ft, size)) ** 2).mean((1, 2, 3))
    expected = 10 * (attention(queries, keys) * errors).sum() / (images * len(OWN))
    assert found["calibration"].item() == pytest.approx(expected, rel=1e-9)
    assert list(found) == ["ce", "calibration"]


@pytest.mark.parametrize(("batch", "widths"), [(64, (32, 16)), (8, (4, 2)), (10, (4, 2)), (4, (2, 1)), (1, (2, 1))])
def test_the_attention_is_as_wide_as_the_batch(batch: int, widths: tuple[int, int]) -> None:
    extras = semckd.Calibration(OWN, OTHER, batch)
    assert (len(extras.queries), len(extras.keys)) == (2, 3)
    for mlp in (*extras.queries, *extras.keys):
        first, act, last = mlp.children()
        assert isinstance(first, nn.Linear) and isinstance(act, nn.ReLU) and isinstance(last, nn.Linear)
        assert (first.in_features, first.out_features, last.in_features, last.out_features) == (batch, widths[0], *widths)


def test_projections_are_twice_as_wide_as_the_teacher() -> None:
    extras = semckd.Calibration(OWN, OTHER, 4)
    for s, shape in enumerate(OWN):
        for t, wanted in enumerate(OTHER):
            layers = list(extras.projections[s][t])  # type: ignore[index,arg-type]
            convs = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
            kinds = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Conv2d]
            assert [type(layer) for layer in layers] == kinds
            assert [conv.kernel_size for conv in convs] == [(1, 1), (3, 3), (1, 1)]
            assert [conv.in_channels for conv in convs] == [shape[0], 2 * wanted[0], 2 * wanted[0]]
            assert convs[-1].out_channels == wanted[0] and all(conv.bias is None for conv in convs)


@pytest.mark.parametrize("bf16", [False, True])
def test_all_zero_maps_are_finite(bf16: bool) -> None:
    extras = semckd.Calibration(OWN, OTHER, 4).train()
    own = tuple(torch.zeros(4, *shape, requires_grad=True) for shape in OWN)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        value = semckd.loss(*extras(own, tuple(torch.zeros(4, *shape) for shape in OTHER)))
    value.backward()
    assert value.isfinite() and value.dtype == torch.float32
    assert all(f.grad is not None and f.grad.isfinite().all() for f in own)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in extras.parameters())


def test_an_embedding_that_is_zero_stays_zero() -> None:
    extras = semckd.Calibration(OWN, OTHER, 4).train()
    for mlp in extras.queries:
        nn.init.zeros_(mlp[2].weight)  # type: ignore[index,arg-type]
        nn.init.zeros_(mlp[2].bias)  # type: ignore[index,arg-type]
    own = tuple(torch.randn(4, *shape, requires_grad=True) for shape in OWN)
    queries, keys, errors = extras(own, tuple(torch.randn(4, *shape) for shape in OTHER))
    assert not queries.any() and keys.any()
    value = semckd.loss(queries, keys, errors)
    value.backward()
    assert value.item() == pytest.approx(errors.mean().item(), rel=1e-5)  # all teacher blocks count alike
    assert all(f.grad is not None and f.grad.isfinite().all() and f.grad.any() for f in own)


def test_any_numbers_of_blocks(pair: Callable[..., Pair]) -> None:
    two = pair("resnet8x4", "mobilenet_v2", size=32)
    extras = semckd.SemCKD().build(two)
    assert isinstance(extras, semckd.Calibration)
    assert (len(extras.queries), len(extras.keys), extras.batch) == (4, 3, two.batch)


def test_the_settings_are_the_published_ones() -> None:
    method, with_kd = choose(Method, "semckd"), choose(Method, "semckd+kd")
    assert isinstance(method, semckd.SemCKD) and isinstance(with_kd, semckd.SemCKD)
    assert (method.gamma, method.alpha, method.beta) == (1.0, 0.0, 400.0)
    assert (with_kd.gamma, with_kd.alpha, with_kd.beta, with_kd.temperature) == (1.0, 1.0, 400.0, 4.0)
