"""Linear probes: accuracy of a linear classifier on the features of a frozen network.

The network's pooled vectors, which its own classifier reads, are computed once. A classifier for
other classes is fitted to them by one of two methods:

    Exact    multinomial logistic regression by L-BFGS in float64,
             min over W, b of  mean CE(W z + b) + l2/2 |W|^2,
             with z the vectors standardised over the training images
    SGD      a linear layer on the vectors, not standardised, by SGD with momentum

Exact has a single optimum and needs no seed; scikit-learn's ``LogisticRegression(C=1 / (n l2))``
has the same optimum.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from didact.analysis import divergence
from didact.nets.blocks import BlockNet
from didact.seeds import seeded, stream
from didact.spec import Count, NonNegative, Positive, Seeds, Share, spec
from didact.tensors import Batch, Labels, Vector

Bias = Float[Tensor, "k"]


@spec
class LogisticProbe:
    """Multinomial logistic regression on standardised vectors, to its optimum."""

    l2: NonNegative = 1e-3
    """Weight of half the squared norm of W (not of b), relative to the mean cross entropy."""
    steps: Count = 1000
    """Largest number of L-BFGS steps."""
    tolerance: Positive = 1e-5
    """L-BFGS stops when no entry of the gradient is larger."""


@spec
class SGDProbe:
    """A linear layer trained by SGD, without augmentation."""

    epochs: Count = 100
    """Length of the training."""
    batch_size: Count = 64
    """Images per step."""
    learning_rate: Positive = 0.1
    """Learning rate at the start."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD."""
    weight_decay: NonNegative = 0.0
    """L2 penalty."""
    milestones: tuple[Share, ...] = (0.3, 0.6, 0.9)
    """Shares of the epochs after which the learning rate drops: 30, 60 and 90 of 100."""
    decay: Positive = 0.1
    """Factor of each drop."""
    seeds: Seeds = 3
    """Number of classifiers; seed i sets the initialisation and the order of images of the i-th."""

    def lr(self, epoch: int) -> float:
        """The learning rate in ``epoch``, counted from 0."""
        return self.learning_rate * self.decay ** sum(epoch >= round(share * self.epochs) for share in self.milestones)


ProbeMethod = LogisticProbe | SGDProbe


@dataclass(frozen=True)
class Features:
    """A network's feature vectors, float32 (n, d), and the classes, int64 (n,), on one device."""

    vectors: Vector
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Linear:
    """A classifier with the logits ``vectors @ weight.T + bias``.

    Attributes:
        weight: (classes, d).
        bias: (classes,).
        slope: largest entry of the gradient after an exact fit, None for SGD. Above the tolerance,
            there were too few steps.
    """

    weight: Float[Tensor, "k d"]
    bias: Bias
    slope: float | None = None

    def accuracy(self, features: Features) -> float:
        """Top-1 accuracy in percent. A vector without an answer, such as one that is not finite,
        counts as wrong."""
        return divergence.accuracy(features.vectors.to(self.weight.dtype) @ self.weight.T + self.bias, features.labels)


@dataclass(frozen=True)
class Probed:
    """A probe's figures, one for each seed (a single one for an exact fit).

    Attributes:
        top1: accuracy on the test images, in percent.
        train_top1: accuracy on the training images, in percent.
        slope: see :class:`Linear`.
    """

    top1: tuple[float, ...]
    train_top1: tuple[float, ...]
    slope: float | None = None


def pooled(net: BlockNet, batches: Iterable[Batch]) -> Features:
    """The pooled vectors of a frozen network for every image of ``batches``, in order, on the
    network's device.

    Sets the network to eval mode. Computes no gradient.

    Raises:
        ValueError: no images, or a slice of a network that ends before its pooled vector.
    """
    net.eval()
    vectors, labels = [], []
    with torch.no_grad():
        for batch in batches:
            vector = net.outputs(batch.images, frozenset({"pooled"})).pooled
            if vector is None:
                raise ValueError("this slice has no head, so it has no pooled vector; probe a network with a head")
            vectors.append(vector.float())
            labels.append(batch.labels)
    if not labels:
        raise ValueError("no images to probe on")
    return Features(torch.cat(vectors), torch.cat(labels))


def probe(train: Features, test: Features, classes: int, method: ProbeMethod) -> Probed:
    """Fit to ``train`` and evaluate on ``test``, both from the same network, with labels from 0 to
    ``classes`` - 1.

    Raises:
        ValueError: a label beyond ``classes``, or vectors of different lengths.
    """
    highest = max(int(features.labels.max()) for features in (train, test))
    if highest >= classes:
        raise ValueError(f"expected labels from 0 to {classes - 1} for {classes} classes, found {highest}")
    lengths = train.vectors.shape[1], test.vectors.shape[1]
    if lengths[0] != lengths[1]:
        raise ValueError(f"train and test need vectors of the same length, found {lengths[0]} and {lengths[1]}")
    if isinstance(method, LogisticProbe):
        fitted = [exact(train, classes, method)]
    else:
        fitted = [sgd(train, classes, method, seed) for seed in range(method.seeds)]
    top1, train_top1 = (tuple(linear.accuracy(features) for linear in fitted) for features in (test, train))
    return Probed(top1, train_top1, fitted[0].slope)


def exact(train: Features, classes: int, method: LogisticProbe) -> Linear:
    """The optimum of the module's first formula, as a classifier of vectors that are not
    standardised; float64."""
    vectors, labels = train.vectors.double(), train.labels
    mean, std = vectors.mean(0), vectors.std(0, correction=0)
    std = torch.where(std > 1e-9 * mean.abs(), std, 1.0)  # a constant entry, up to rounding, gets no weight
    vectors = (vectors - mean) / std
    weight = vectors.new_zeros(classes, vectors.shape[1], requires_grad=True)
    bias = vectors.new_zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias],
        max_iter=method.steps,
        max_eval=2 * method.steps,
        tolerance_grad=method.tolerance,
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        optimiser.zero_grad()
        value = functional.cross_entropy(vectors @ weight.T + bias, labels) + method.l2 / 2 * weight.square().sum()
        value.backward()
        return value

    optimiser.step(objective)
    with torch.enable_grad():
        objective()
    slope = max(float(parameter.grad.abs().max()) for parameter in (weight, bias) if parameter.grad is not None)
    scaled = weight.detach() / std
    return Linear(scaled, bias.detach() - scaled @ mean, slope)


def sgd(train: Features, classes: int, method: SGDProbe, seed: int) -> Linear:
    """A linear layer after its last epoch. ``seed`` sets the initialisation and the order of
    images."""
    vectors, labels = train.vectors, train.labels
    with seeded(seed, "probe"):
        layer = nn.Linear(vectors.shape[1], classes)
    layer.to(vectors.device)
    optimiser = torch.optim.SGD(layer.parameters(), method.learning_rate, method.momentum, weight_decay=method.weight_decay)
    for epoch in range(method.epochs):
        for group in optimiser.param_groups:
            group["lr"] = method.lr(epoch)
        order = torch.randperm(len(train), generator=stream(seed, "probe order", epoch)).to(vectors.device)
        for rows in order.split(method.batch_size):
            optimiser.zero_grad()
            functional.cross_entropy(layer(vectors[rows]), labels[rows]).backward()
            optimiser.step()
    return Linear(layer.weight.detach(), layer.bias.detach())
