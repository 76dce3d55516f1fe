"""KDCL: online knowledge distillation via collaborative learning.

Guo, Wang, Wu, Yu, Liang, Hu, Luo: Online Knowledge Distillation via Collaborative Learning (CVPR
2020),
https://openaccess.thecvf.com/content_CVPR_2020/html/Guo_Online_Knowledge_Distillation_via_Collaborative_Learning_CVPR_2020_paper.html

    L_i = gamma CE(z_i, y) + beta T^2 KL(softmax(m / T) || softmax(z_i / T))

The target m combines the logits z_1 .. z_K of all networks of the group. It is the same for each of
them, and a constant:

    naive      for every sample, the logits of the network with the lowest cross entropy
    linear     sum_k w_k z_k with the convex w that minimises the batch's mean CE(m, y),
               computed in every step
    minlogit   min_k (z_k - z_k[y]), element by element: every network's logits relative to its
               own for the true class
    general    sum_k w_k z_k with w = C^-1 1 / (1' C^-1 1),
               C_kl = mean of (p_k - y) . (p_l - y) over held-out images, p = softmax(z), y one-hot;
               computed before every epoch (needs ``data.validation``)
    mean       the plain mean of the logits; not in the paper, but in code that uses its name

Each network receives its own augmentation of the same images; with ``images`` "shared", all receive
the same. In a step, all outputs are computed before any update.

The authors published no code. The targets follow other papers and code, which disagree on the best
one for CIFAR-100 (the SFTN paper's Table 4 uses naive). T = 2, the weight 1, and the use of logits
for the mixture but of probabilities for the errors in "general" are equally uncertain. Its weights
can be negative; a singular C has a pseudo-inverse.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from didact.losses import cross_entropy, in_float32, softened_kl
from didact.method import HeldOut, Method, Pair, Parallel, SoftLabels, StepContext
from didact.spec import NonNegative, Positive, check_word, spec
from didact.tensors import Labels, Logits, Needs, Scalar, reads, rows, same_images, same_shape

How = Literal["naive", "linear", "minlogit", "general", "mean"]
Stacked = Float[Tensor, "networks b k"]
Weights = Float[Tensor, "networks"]

SWEEPS, HALVINGS = 8, 20
"""linear: number of passes over all pairs of networks (one for two networks), and of bisections."""


@in_float32
def loss(z: Logits, m: Logits, temperature: float = 2.0) -> Scalar:
    """T^2 KL(softmax(m / T) || softmax(z / T)), mean over the batch; no gradient reaches the target
    ``m``."""
    return temperature**2 * softened_kl(m.detach(), z, temperature)


def target(
    logits: Iterable[Logits], labels: Labels, how: How = "naive", weights: Weights | None = None
) -> Float[Tensor, "b k"]:
    """The common target of all networks: logits (b, k), constant.

    Args:
        logits: the logits of every network of the group, (b, k) each.
        labels: (b,).
        how: the kind of target; see the head of this file.
        weights: weights of the networks, for "general": from :func:`general`.

    Raises:
        ValueError: another kind of target; "general" without weights; logits of several shapes,
            or of other images than the labels.
    """
    check_word("how", how, get_args(How))
    if how == "general" and weights is None:
        raise ValueError("the target 'general' takes the networks' weights: kdcl.general(held-out logits, held-out labels)")
    return _target(tuple(logits), labels, how, weights)


@in_float32
def _target(logits: tuple[Logits, ...], labels: Labels, how: How, weights: Weights | None) -> Tensor:
    rows(*logits)
    for other in logits[1:]:
        same_shape(logits[0], other)
    same_images(logits[0], labels)
    z = torch.stack(logits).detach()
    if how == "naive":
        errors = torch.stack([F.cross_entropy(z_k, labels, reduction="none") for z_k in z])
        return z[errors.argmin(0), torch.arange(len(labels), device=z.device)]
    if how == "minlogit":
        return (z - z.gather(2, labels[None, :, None].expand(len(z), -1, 1))).amin(0)
    if how == "linear":
        weights = linear(z, labels)
    if weights is None:
        return z.mean(0)
    masked = (z == -torch.inf).all(0)  # masked by every network: a weight times -inf may be NaN
    return torch.tensordot(weights.to(z.dtype), z.masked_fill(masked, 0), 1).masked_fill(masked, -torch.inf)


@in_float32
def linear(z: Stacked, labels: Labels) -> Weights:
    """The convex weights (K,) in float64 with which the networks' mixed logits have the lowest mean
    cross entropy.

    The error is convex in the weights. Weight moves between two networks at a time to the minimum,
    which bisection of the slope finds; nothing is read from the device.
    """
    z = z.double()
    weights, mixed = z.new_full((len(z),), 1 / len(z)), z.mean(0)
    z = z.masked_fill((z == -torch.inf).all(0), 0)  # a class masked by all networks makes no difference
    for _ in range(SWEEPS if len(z) > 2 else 1):
        for i in range(len(z)):
            for j in range(i):
                moved = _balance(mixed, z[i] - z[j], labels, -weights[i], weights[j])
                mixed = mixed + moved * (z[i] - z[j])
                weights[i] += moved
                weights[j] -= moved
    return weights


def _balance(mixed: Tensor, toward: Tensor, labels: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The t between ``low`` and ``high`` with the lowest mean cross entropy of ``mixed + t
    toward``."""
    right = toward.gather(1, labels[:, None]).mean()
    low, high = low.clone(), high.clone()  # copies, because they are views of the changing weights
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        slope = ((mixed + middle * toward).softmax(1) * toward).sum(1).mean() - right
        low, high = torch.where(slope < 0, middle, low), torch.where(slope < 0, high, middle)
    return (low + high) / 2


@in_float32
def general(z: Stacked, labels: Labels) -> Weights:
    """w = C^-1 1 / (1' C^-1 1) in float64, (K,), from logits of held-out images.

    C_kl = mean over the images of (p_k - y) . (p_l - y). The pseudo-inverse replaces the inverse,
    so that networks with equal answers share their weight. All weights are equal if the formula
    gives 0 / 0 (no network is ever wrong, or two are always wrong in opposite ways).
    """
    wrong = (z.double().softmax(2) - F.one_hot(labels, z.shape[2])).flatten(1)
    inverse = torch.linalg.pinv(wrong @ wrong.T / len(labels), hermitian=True)
    row = inverse.sum(1)
    none = row.sum() <= 1e-12 * inverse.abs().max()
    return torch.where(none, torch.ones_like(row) / len(row), row / torch.where(none, 1, row.sum()))


class Mixture(nn.Module):
    """The current weights of the networks of a group, (K,)."""

    def __init__(self, networks: int) -> None:
        super().__init__()
        self.weights: Tensor
        self.register_buffer("weights", torch.full((networks,), 1 / networks))


@spec
class KDCL(Method):
    """Networks that learn the labels and a target that combines all their outputs."""

    gamma: NonNegative = 1.0
    """Weight of the cross entropy with the labels."""
    beta: NonNegative = 1.0
    """Weight of the divergence from the target (lambda)."""
    temperature: Positive = 2.0
    """Softens target and answer."""
    target: How = "naive"
    """How the target combines the networks' logits."""
    images: Literal["own", "shared"] = "own"
    """Whether each network has its own augmentation of the same images."""

    @property
    def needs(self) -> Needs:
        return reads("logits", peers="logits", own_images=self.images == "own", held=self.target == "general")

    def soft_labels(self) -> SoftLabels:
        return "smoothed"  # the target depends on the class of each image

    def parallel(self) -> Parallel:
        return "outputs" if self.target == "linear" else "images"  # weights for the whole batch

    def build(self, pair: Pair) -> nn.Module:
        return Mixture(1 + len(pair.peers)) if self.target == "general" else nn.Module()

    def refresh(self, extras: nn.Module, held: HeldOut) -> None:
        assert isinstance(extras, Mixture)
        extras.weights.copy_(general(torch.stack(held.logits), held.labels))

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None
        logits = [shown.logits for shown in context.group if shown.logits is not None]
        weights = extras.weights if isinstance(extras, Mixture) else None
        combined = target(logits, context.batch.labels, self.target, weights)
        return {
            "ce": self.gamma * cross_entropy(context.own.logits, context.batch.targets),
            "kdcl": self.beta * loss(context.own.logits, combined, self.temperature),
        }
