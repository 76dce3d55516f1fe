"""Probes: the exact one against scikit-learn, the SGD one step by step in NumPy, and what the network shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from didact import nets
from didact.analysis.probe import Features, Linear, LogisticProbe, ProbeMethod, SGDProbe, exact, pooled, probe, sgd
from didact.seeds import seeded, stream
from didact.spec import SpecError, from_json
from didact.tensors import Batch

CLASSES = 4


def features(images: int = 90, seed: int = 0) -> Features:
    """Three clouds that overlap, of very different scales; the last entry never changes."""
    random = np.random.default_rng(seed)
    labels = np.arange(images) % CLASSES
    vectors = random.normal(size=(images, 6)) + 0.7 * np.eye(CLASSES, 6)[labels]
    vectors *= [1, 100, 0.01, 1, 5, 0]
    return Features(torch.from_numpy(vectors + 3).float(), torch.from_numpy(labels))


@pytest.mark.parametrize("l2", [1e-3, 0.1])
def test_the_exact_probe_is_scikit_learn_s_optimum(l2: float) -> None:
    train, test = features(), features(60, seed=1)
    found = exact(train, CLASSES, LogisticProbe(l2=l2, tolerance=1e-8))
    x, y = train.vectors.double().numpy(), train.labels.numpy()
    mean, std = x.mean(0), x.std(0)
    std[std == 0] = 1
    other = LogisticRegression(C=1 / (len(y) * l2), tol=1e-10, max_iter=10_000).fit((x - mean) / std, y)
    probabilities = functional.softmax(test.vectors.double() @ found.weight.T + found.bias, 1)
    expected = other.predict_proba((test.vectors.double().numpy() - mean) / std)
    assert np.allclose(probabilities.numpy(), expected, atol=1e-6)
    assert np.allclose((found.weight * torch.from_numpy(std)).numpy(), other.coef_, atol=1e-5)
    assert found.slope is not None
    assert found.slope < 1e-8
    right = 100 * np.mean(other.predict((test.vectors.double().numpy() - mean) / std) == test.labels.numpy())
    assert probe(train, test, CLASSES, LogisticProbe(l2=l2)).top1 == (pytest.approx(right),)


def test_neither_scale_nor_place_of_a_vector_s_entries_matters() -> None:
    train = features()
    moved = Features(train.vectors * torch.tensor([2.0, 8, 0.5, 4, 1, 1]) + 16, train.labels)
    one, other = (probe(each, each, CLASSES, LogisticProbe()) for each in (train, moved))
    assert one.top1 == other.top1 == one.train_top1


def test_too_few_steps_are_told_of_by_the_gradient() -> None:
    way = LogisticProbe(steps=2)
    slope = probe(features(), features(), CLASSES, way).slope
    assert slope is not None
    assert slope > way.tolerance


def test_the_rate_falls_at_shares_of_the_epochs() -> None:
    way = SGDProbe()
    assert [way.lr(epoch) for epoch in (0, 29)] == [0.1, 0.1]
    assert [way.lr(epoch) for epoch in (30, 59, 60, 89, 90, 99)] == pytest.approx([0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4])
    assert [SGDProbe(epochs=5, milestones=(0.5,), decay=0.5).lr(epoch) for epoch in range(5)] == [0.1, 0.1, 0.05, 0.05, 0.05]


def test_sgd_step_by_step() -> None:
    way = SGDProbe(epochs=3, batch_size=40, learning_rate=0.01, weight_decay=0.1, milestones=(0.6,))
    train = features()
    vectors = train.vectors / 100
    found = sgd(Features(vectors, train.labels), CLASSES, way, seed=7)
    with seeded(7, "probe"):
        layer = torch.nn.Linear(6, CLASSES)
    x, onehot = vectors.double().numpy(), np.eye(CLASSES)[train.labels.numpy()]
    weights = [layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()]
    speeds = [np.zeros_like(w) for w in weights]
    for epoch in range(3):
        order = torch.randperm(90, generator=stream(7, "probe order", epoch)).numpy()
        for rows in (order[:40], order[40:80], order[80:]):
            z = x[rows] @ weights[0].T + weights[1]
            p = np.exp(z - z.max(1, keepdims=True))
            error = (p / p.sum(1, keepdims=True) - onehot[rows]) / len(rows)
            for i, slope in enumerate((error.T @ x[rows], error.sum(0))):
                speeds[i] = 0.9 * speeds[i] + slope + 0.1 * weights[i]
                weights[i] -= (0.01 if epoch < 2 else 0.001) * speeds[i]
    assert np.allclose(found.weight.numpy(), weights[0], atol=1e-5)
    assert np.allclose(found.bias.numpy(), weights[1], atol=1e-5)


def test_a_seed_is_the_same_however_many_there_are() -> None:
    train, test = features(), features(60, seed=1)
    short = {"epochs": 2, "learning_rate": 1e-3}
    one, three = (probe(train, test, CLASSES, SGDProbe(seeds=seeds, **short)) for seeds in (1, 3))
    assert three.top1[:1] == one.top1
    assert (len(three.top1), len(three.train_top1), three.slope) == (3, 3, None)


def test_accuracy_by_hand() -> None:
    two = Linear(torch.eye(2), torch.tensor([0.0, 0.5]))
    shown = torch.tensor([[1.0, 0.0], [1.0, 0.6], [0.0, 1.0], [0.2, 0.0]])
    assert two.accuracy(Features(shown, torch.tensor([0, 0, 1, 1]))) == 75.0


@pytest.mark.parametrize("name", ["resnet8", "wrn_16_1", "shufflenet_v2"])
def test_features_are_what_the_network_s_own_classifier_reads(name: str) -> None:
    with seeded(0, "net"):
        net = nets.create(name, 7).train()
    images = torch.randn(9, 3, 32, 32)
    batches = [Batch(images[at], torch.arange(9)[at], torch.arange(9)[at]) for at in (slice(0, 5), slice(5, 9))]
    found = pooled(net, batches)
    assert found.labels.tolist() == list(range(9))
    assert not found.vectors.requires_grad
    with torch.no_grad():
        assert torch.allclose(net.head.classifier(found.vectors), net.eval()(images), atol=1e-5)


def test_what_cannot_be_probed(pair: Callable[..., Any]) -> None:
    net = pair(None, "resnet8").net
    with pytest.raises(ValueError, match="no images to probe on"):
        pooled(net, [])
    with pytest.raises(ValueError, match="no head"):
        pooled(net.slice(0, 2), [Batch(torch.zeros(2, 3, 16, 16), torch.arange(2), torch.arange(2))])
    with pytest.raises(ValueError, match="expected labels from 0 to 2 for 3 classes, found 3"):
        probe(features(), features(), 3, LogisticProbe())
    with pytest.raises(ValueError, match="same length, found 6 and 5"):
        probe(features(), Features(torch.zeros(3, 5), torch.arange(3)), 4, LogisticProbe())
    with pytest.raises(SpecError, match="seeds"):
        from_json(SGDProbe, {"seeds": 0})


@pytest.mark.parametrize("way", [LogisticProbe(steps=5), SGDProbe(epochs=1, seeds=1)])
def test_vectors_that_are_not_finite_are_not_told_apart(way: ProbeMethod) -> None:
    """The highest of NaN is no answer, so that a network that has broken down is not as good as guessing."""
    features = Features(torch.full((6, 3), torch.nan), torch.tensor([0, 0, 0, 0, 1, 1]))
    assert probe(features, features, 2, way).top1 == (0.0,)
