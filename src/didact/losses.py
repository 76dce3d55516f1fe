"""Formulas that several papers share. Pure functions: tensors in, scalar out, mean over the batch
unless said.

zs, zt: logits of student and teacher (b, k); fs, ft: features (b, c, h, w). KL(a || b) = sum a
log(a / b). Every formula of didact is :func:`in_float32`: outside autocast, half-precision inputs
widened to float32 first (sums over thousands of bfloat16 values lose what a loss is made of);
float32 and float64 keep their type.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from didact.tensors import Feature, Logits, Outputs, Scalar, Targets, TeacherFeature, maps, rows, same_images, same_shape

P = ParamSpec("P")
R = TypeVar("R")


def in_float32(formula: Callable[P, R]) -> Callable[P, R]:
    """Run ``formula`` outside autocast, with bfloat16 and float16 tensors among its arguments
    widened to float32.

    Also those in a list or a tuple among them.
    """

    @wraps(formula)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        wide = [_widen(a) for a in args]
        named = {k: _widen(a) for k, a in kwargs.items()}
        flat = (t for a in wide for t in (a if isinstance(a, (list, tuple)) else (a,)))
        devices = (t.device.type for t in flat if isinstance(t, Tensor) and not t.is_meta)  # meta has no autocast
        device = next(devices, "cpu")
        with torch.autocast(device, enabled=False):
            return formula(*wide, **named)  # type: ignore[arg-type]

    return run


def _widen(x: Any) -> Any:
    if type(x) in (list, tuple):
        return type(x)(_widen(inner) for inner in x)
    return x.float() if isinstance(x, Tensor) and x.dtype in (torch.bfloat16, torch.float16) else x


@in_float32
def cross_entropy(logits: Logits, labels: Targets, label_smoothing: float = 0.0) -> Scalar:
    """Cross entropy against the labels at temperature 1, mean over the batch.

    Args:
        labels: classes, (b,), or a probability for every class, (b, k), as mixed images have.
        label_smoothing: the share of each target that is spread evenly over all classes.

    Raises:
        ValueError: the labels are of other images, or the probabilities of other classes; the logits are no rows.
    """
    rows(logits)
    (same_shape if labels.is_floating_point() else same_images)(logits, labels)
    targets = labels.to(logits.dtype) if labels.is_floating_point() else labels
    return F.cross_entropy(logits, targets, label_smoothing=label_smoothing)


@in_float32
def softened_kl(z_from: Logits, z_to: Logits, temperature: float = 1.0) -> Scalar:
    """KL(softmax(z_from / T) || softmax(z_to / T)), summed over classes, mean over the batch,
    without the factor T^2.

    Computed from log-probabilities by :func:`divergences`, so extreme logits stay finite. Gradients
    flow to both sides.

    Raises:
        ValueError: the shapes differ, or are not (b, k).
    """
    rows(z_from)
    log_p = F.log_softmax(z_from / temperature, dim=1)
    log_q = F.log_softmax(z_to / temperature, dim=1)
    return divergences(log_p, log_q).sum() / len(log_p)


@in_float32
def divergences(log_p: Tensor, log_q: Tensor) -> Tensor:
    """p log(p / q), elementwise, from log p and log q; a sum over an outcome's dimension is KL(p ||
    q).

    The one convention of didact for zeros: where p is 0 the value is 0, whatever q is, with zero
    gradient to both sides; where q alone is 0 it is infinite. So a class that both networks mask
    with a logit of -inf changes nothing.

    Raises:
        ValueError: the shapes differ.
    """
    same_shape(log_p, log_q)
    absent = log_p.detach().exp() == 0
    return F.kl_div(log_q.masked_fill(absent, 0), log_p.masked_fill(absent, 0), reduction="none", log_target=True)


@in_float32
def standardised(z: Logits) -> Logits:
    """Each row minus its mean, divided by its standard deviation over the classes (unbiased) +
    1e-7.

    A row that does not vary is all zero and has no gradient (1e7 times what comes, otherwise). With
    two classes every other row is (0.71, -0.71) in one order or the other, so the gradient
    vanishes. A class that is masked with -inf stays so, and counts in neither mean nor deviation.
    """
    masked = z == -torch.inf
    classes, there = z.shape[1], (~masked).sum(1, keepdim=True)
    mean = z.masked_fill(masked, 0).mean(1, keepdim=True) * (classes / there)
    filled = torch.where(masked, mean, z)  # what lies at the mean adds nothing to the deviation
    std = filled.std(1, keepdim=True) * ((classes - 1) / (there - 1).clamp(min=1)).sqrt()
    return torch.where(varies(filled, 1), (filled - mean) / (std + 1e-7), 0).masked_fill(masked, -torch.inf)


@in_float32
def varies(x: Tensor, dim: int) -> Tensor:
    """Whether the values along ``dim`` (kept, of size 1) differ by more than 16 roundings of the
    largest.

    What divides by a spread asks this first: a spread of rounding errors alone says nothing, and
    its gradient is huge. A spread that is not finite counts as one, so that what made it is not
    hidden.
    """
    least, most = x.amin(dim, keepdim=True), x.amax(dim, keepdim=True)
    spread = most - least
    return (spread > 16 * torch.finfo(x.dtype).eps * torch.maximum(most, -least)) | ~spread.isfinite()


@runtime_checkable
class Weights(Protocol):
    """The settings that most methods share."""

    @property
    def gamma(self) -> float:
        """Weight of the cross entropy with the labels."""
        ...

    @property
    def alpha(self) -> float:
        """Weight of the divergence from the teacher."""
        ...

    @property
    def temperature(self) -> float:
        """Temperature of both softmax functions."""
        ...


def task(
    weights: Weights, own: Outputs, teacher: Outputs | None, labels: Targets, standardise: bool = False
) -> dict[str, Tensor]:
    """The terms that most methods share: gamma CE(zs, y) + alpha T^2 KL(teacher || student). Zero
    weights are left out.

    Args:
        standardise: whether both networks' logits are standardised for the KL.
    """
    assert own.logits is not None
    terms: dict[str, Tensor] = {}
    if weights.gamma:
        terms["ce"] = weights.gamma * cross_entropy(own.logits, labels)
    if weights.alpha:
        assert teacher is not None and teacher.logits is not None, "a method with alpha > 0 reads the teacher's logits"
        zt, zs = (standardised(z) if standardise else z for z in (teacher.logits, own.logits))
        kl = softened_kl(zt, zs, weights.temperature)
        terms["kd"] = weights.alpha * weights.temperature**2 * kl
    return terms


def pool_alike(fs: Feature, ft: TeacherFeature) -> tuple[Tensor, Tensor]:
    """Both maps at the smaller height and width: the larger one is adaptively average-pooled
    (RepDistiller).

    Raises:
        ValueError: they are no maps, or not of as many images.
    """
    maps(fs, ft)
    same_images(fs, ft)
    size = (min(fs.shape[2], ft.shape[2]), min(fs.shape[3], ft.shape[3]))
    return _pooled(fs, size), _pooled(ft, size)


def _pooled(f: Feature, size: tuple[int, int]) -> Tensor:
    return f if f.shape[2:] == size else F.adaptive_avg_pool2d(f, size)


def per_channel(values: Tensor, feature: Feature) -> Tensor:
    """A value for each channel of ``feature``, (c,), given so or as it is broadcast to maps: (c, 1, 1) or
    (1, c, 1, 1).

    Raises:
        ValueError: it has another shape.
    """
    channels = feature.shape[1]
    if values.shape not in ((channels,), (channels, 1, 1), (1, channels, 1, 1)):
        raise ValueError(f"a value for each of {channels} channels is needed, found a tensor of shape {tuple(values.shape)}")
    return values.flatten()


@in_float32
def attention_map(f: Feature, power: int = 2) -> Tensor:
    """mean over channels of f^power, flattened over positions (b, h*w), divided by max(L2 norm,
    1e-12).

    The gradient of an all-zero map is zero, not NaN.
    """
    flat = f.pow(power).mean(1).flatten(1)
    return unit_rows(flat)


@in_float32
def rows_alike(x: Tensor) -> Tensor:
    """The Gram matrix of the flattened samples, each row divided by its L2 norm: (b, b)
    (similarity-preserving KD).
    """
    flat = x.flatten(1)
    return unit_rows(flat @ flat.T)


@in_float32
def unit_rows(x: Tensor) -> Tensor:
    """Each row (dimension 1) divided by max(its L2 norm, 1e-12).

    An all-zero row has no gradient (1e12 times what comes, otherwise). NaN passes on.
    """
    norm = x.norm(dim=1, keepdim=True)
    return torch.where(norm == 0, 0, x / norm.clamp(min=1e-12))
