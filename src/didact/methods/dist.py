"""DIST: correlations of predictions.

Huang, You, Wang, Qian, Xu: Knowledge Distillation from A Stronger Teacher (NeurIPS 2022),
https://arxiv.org/abs/2205.10536

    p, q   = softmax(zs / T), softmax(zt / T)
    r(a,b) = Pearson correlation: cosine of a - mean(a) and b - mean(b)
    inter  = T^2 (1 - mean over images of r(p[i, :], q[i, :]))
    intra  = T^2 (1 - mean over classes of r(p[:, j], q[:, j]))
    L      = gamma CE + beta inter + gamma' intra

The weights beta and gamma' are the fields ``inter`` and ``intra``: 2 each at T 4, with gamma 1 for
the cross entropy, as code bases run it on CIFAR-100 (the authors' segmentation code has 1 each and
no temperature). A correlation's denominator must not vanish. torchdistill keeps each of the two
norms from falling below 1e-8 (the default); the authors' code adds 1e-8 to their product, which
pulls the correlations of classes with tiny probabilities towards 0. What does not vary is
uncorrelated, without gradient: in a batch of one image intra is T^2. Two pairs of numbers always
correlate by 1 or -1, so that inter teaches nothing with two classes, and intra nothing in batches
of two images. The gradient of a correlation grows as what varies shrinks: a classifier that starts
at zero takes huge first steps, here as in the authors' code.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from didact.losses import cross_entropy, in_float32, varies
from didact.method import Idle, Method, Pair, SoftLabels, StepContext
from didact.spec import NonNegative, Positive, check_word, spec
from didact.tensors import Logits, Needs, Scalar, reads, rows, same_shape

Eps = Literal["clamp", "product"]


@in_float32
def loss(
    zs: Logits, zt: Logits, beta: float = 2.0, gamma: float = 2.0, temperature: float = 4.0, eps: Eps = "clamp"
) -> Scalar:
    """beta T^2 (1 - mean correlation of rows) + gamma T^2 (1 - mean correlation of columns) of the
    softened predictions.

    A row or column that does not vary (:func:`didact.losses.varies`) counts as uncorrelated, with
    zero gradient.
    """
    rows(zs, zt)
    same_shape(zs, zt)
    check_word("eps", eps, get_args(Eps))
    p, q = (zs / temperature).softmax(1), (zt / temperature).softmax(1)
    inter = 1 - _correlation(p, q, 1, eps).mean()
    intra = 1 - _correlation(p, q, 0, eps).mean()
    return temperature**2 * (beta * inter + gamma * intra)


def _correlation(a: Tensor, b: Tensor, dim: int, eps: Eps) -> Tensor:
    """Pearson correlations of ``a`` and ``b`` along ``dim``; 0 without gradient where one of them
    does not vary."""
    both = (varies(a, dim) & varies(b, dim)).squeeze(dim)
    a, b = a - a.mean(dim, keepdim=True), b - b.mean(dim, keepdim=True)
    norms = a.norm(dim=dim), b.norm(dim=dim)
    if eps == "product":
        found = (a * b).sum(dim) / (norms[0] * norms[1] + 1e-8)
    else:
        found = (a * b).sum(dim) / (norms[0].clamp(min=1e-8) * norms[1].clamp(min=1e-8))
    return torch.where(both, found, 0)


@spec
class DIST(Method):
    """Correlation of the predictions between classes (of each image) and between images (of each
    class)."""

    gamma: NonNegative = 1.0
    """Weight of the cross entropy with the labels."""
    inter: NonNegative = 2.0
    """Weight of the correlation over classes (beta in the paper)."""
    intra: NonNegative = 2.0
    """Weight of the correlation over the batch (gamma in the paper)."""
    temperature: Positive = 4.0
    """Softens both distributions."""
    eps: Eps = "clamp"
    """Where 1e-8 enters the correlation: "clamp" each norm (torchdistill), or added to their
    "product" (the authors)."""

    @property
    def needs(self) -> Needs:
        return reads("logits", teacher="logits")

    def soft_labels(self) -> SoftLabels:
        return "mixed"

    def idle(self, pair: Pair) -> tuple[Idle, ...]:
        whys = []
        if self.inter and pair.classes == 2:
            whys.append(
                "with two classes rows correlate by 1 or -1, so its part over classes (method.inter) teaches nothing"
            )
        if self.intra and pair.batch == 2:
            why = "in batches of two images classes correlate by 1 or -1"
            whys.append(f"{why}, so its part over images (method.intra) teaches nothing")
        if len(whys) < (self.inter > 0) + (self.intra > 0):
            return tuple(Idle(f"{why}; the other part teaches", whole=False) for why in whys)
        remedy = "use kd" if pair.classes == 2 else "write recipe.batch_size=3 or more"
        return (Idle(f"{'; '.join(whys)}: nothing is left of the term 'relations'; {remedy}"),) if whys else ()

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None and context.teacher is not None and context.teacher.logits is not None
        zs, zt = context.own.logits, context.teacher.logits
        terms = {"ce": self.gamma * cross_entropy(zs, context.batch.targets)} if self.gamma else {}
        return terms | {"relations": loss(zs, zt, self.inter, self.intra, self.temperature, self.eps)}
