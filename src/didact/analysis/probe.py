"""Linear probes: how well a linear classifier does on what a frozen network shows.

The network's pooled vectors, those that its own classifier reads, are computed once; a classifier for other classes is fitted to
them in one of two ways:

    Exact    multinomial logistic regression, min over W, b of  mean CE(W z + b) + l2/2 |W|^2,  by L-BFGS in float64,
             z the vectors standardised over the training images
    SGD      the same without z: a linear layer on the vectors as they are, trained by SGD with momentum

Exact has one optimum and needs no seed; scikit-learn's ``LogisticRegression(C=1 / (n l2))`` has the same one.
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
    """Weight of half the squared norm of W (not of b) beside the mean cross entropy."""
    steps: Count = 1000
    """L-BFGS stops after so many steps at the latest."""
    tolerance: Positive = 1e-5
    """It stops when no entry of the gradient is larger."""


@spec
class SGDProbe:
    """A linear layer trained by SGD, without augmentation."""

    epochs: Count = 100
    """Length of the training."""
    batch_size: Count = 64
    """Images per step."""
    learning_rate: Positive = 0.1
    """The rate at the start."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD."""
    weight_decay: NonNegative = 0.0
    """L2 penalty."""
    milestones: tuple[Share, ...] = (0.3, 0.6, 0.9)
    """Shares of the epochs after which the rate falls: 30, 60 and 90 of 100."""
    decay: Positive = 0.1
    """The factor of each fall."""
    seeds: Seeds = 3
    """How many classifiers are trained; seed i draws the initialisation and the order of the i-th."""

    def lr(self, epoch: int) -> float:
        """The learning rate in ``epoch``, from 0."""
        return self.learning_rate * self.decay ** sum(epoch >= round(share * self.epochs) for share in self.milestones)


ProbeMethod = LogisticProbe | SGDProbe


@dataclass(frozen=True)
class Features:
    """What a network shows for images: float32 vectors (n, d) and int64 classes (n,), on one device."""

    vectors: Vector
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Linear:
    """A classifier: logits are ``vectors @ weight.T + bias``.

    Attributes:
        weight: (classes, d). bias: (classes,).
        slope: the largest entry of the gradient where it was fitted exactly; above the tolerance, the steps did not suffice.
    """

    weight: Float[Tensor, "k d"]
    bias: Bias
    slope: float | None = None

    def accuracy(self, features: Features) -> float:
        """Top-1 in percent; a vector that gets no answer, such as one that is not finite, counts as wrong."""
        return divergence.accuracy(features.vectors.to(self.weight.dtype) @ self.weight.T + self.bias, features.labels)


@dataclass(frozen=True)
class Probed:
    """A probe's figures, one a seed (a single one where the fit is exact).

    Attributes:
        top1: on the test images, in percent. train_top1: on the images that it was fitted to.
        slope: see :class:`Linear`; None for SGD.
    """

    top1: tuple[float, ...]
    train_top1: tuple[float, ...]
    slope: float | None = None


def pooled(net: BlockNet, batches: Iterable[Batch]) -> Features:
    """The pooled vectors of a frozen network for every image of ``batches``, in order, on the network's device.

    The network is put into eval mode and left in it; no gradient is kept.

    Raises:
        ValueError: no images, or a slice of a network that ends before its pooled vector.
    """
    net.eval()
    vectors, labels = [], []
    with torch.no_grad():
        for batch in batches:
            shown = net.outputs(batch.images, frozenset({"pooled"})).pooled
            if shown is None:
                raise ValueError("this slice has no head, so it shows no pooled vector; probe a network that has one")
            vectors.append(shown.float())
            labels.append(batch.labels)
    if not labels:
        raise ValueError("no images to probe on")
    return Features(torch.cat(vectors), torch.cat(labels))


def probe(train: Features, test: Features, classes: int, way: ProbeMethod) -> Probed:
    """Fit to ``train`` and judge by ``test``. Both of the same network; labels from 0 to ``classes`` - 1.

    Raises:
        ValueError: a label beyond ``classes``, or vectors of different lengths.
    """
    highest = max(int(features.labels.max()) for features in (train, test))
    if highest >= classes:
        raise ValueError(f"labels from 0 to {classes - 1} are expected for {classes} classes, found {highest}")
    if train.vectors.shape[1] != test.vectors.shape[1]:
        raise ValueError(f"vectors of {train.vectors.shape[1]} and of {test.vectors.shape[1]} are not of one network")
    if isinstance(way, LogisticProbe):
        fitted = [exact(train, classes, way)]
    else:
        fitted = [sgd(train, classes, way, seed) for seed in range(way.seeds)]
    return Probed(tuple(one.accuracy(test) for one in fitted), tuple(one.accuracy(train) for one in fitted), fitted[0].slope)


def exact(train: Features, classes: int, way: LogisticProbe) -> Linear:
    """The optimum of the module's first formula, as a classifier of the vectors as they are; float64."""
    vectors, labels = train.vectors.double(), train.labels
    mean, std = vectors.mean(0), vectors.std(0, correction=0)
    std = torch.where(std > 1e-9 * mean.abs(), std, 1.0)  # an entry that never changes, up to rounding, gets no weight
    vectors = (vectors - mean) / std
    weight = vectors.new_zeros(classes, vectors.shape[1], requires_grad=True)
    bias = vectors.new_zeros(classes, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias],
        max_iter=way.steps,
        max_eval=2 * way.steps,
        tolerance_grad=way.tolerance,
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        optimiser.zero_grad()
        value = functional.cross_entropy(vectors @ weight.T + bias, labels) + way.l2 / 2 * weight.square().sum()
        value.backward()
        return value

    optimiser.step(objective)
    with torch.enable_grad():
        objective()
    slope = max(float(one.grad.abs().max()) for one in (weight, bias) if one.grad is not None)
    scaled = weight.detach() / std
    return Linear(scaled, bias.detach() - scaled @ mean, slope)


def sgd(train: Features, classes: int, way: SGDProbe, seed: int) -> Linear:
    """A linear layer after its last epoch. ``seed`` draws its initialisation and the order of every epoch."""
    vectors, labels = train.vectors, train.labels
    with seeded(seed, "probe"):
        layer = nn.Linear(vectors.shape[1], classes)
    layer.to(vectors.device)
    optimiser = torch.optim.SGD(layer.parameters(), way.learning_rate, way.momentum, weight_decay=way.weight_decay)
    for epoch in range(way.epochs):
        for group in optimiser.param_groups:
            group["lr"] = way.lr(epoch)
        order = torch.randperm(len(train), generator=stream(seed, "probe order", epoch)).to(vectors.device)
        for rows in order.split(way.batch_size):
            optimiser.zero_grad()
            functional.cross_entropy(layer(vectors[rows]), labels[rows]).backward()
            optimiser.step()
    return Linear(layer.weight.detach(), layer.bias.detach())
