"""Calibration: are 80 % of the answers with a confidence of 80 % correct?

Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks (ICML 2017),
https://arxiv.org/abs/1706.04599. The confidence of an answer is its probability, by softmax at
temperature 1. With bins B_m of the confidence, their Eq. 3 is

    ECE = sum_m |B_m| / n * |accuracy(B_m) - confidence(B_m)|
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from didact.tensors import Labels, Logits, same_images

BINS = 15
"""As in the paper's tables."""


@dataclass(frozen=True)
class Reliability:
    """The reliability curve: confidence and accuracy in each of M bins of confidence, ((m - 1) / M,
    m / M].

    Attributes:
        edges: edges of the bins, from 0 to 1, (M + 1,).
        counts: numbers of samples in the bins, (M,).
        confidence, accuracy: means over each bin, from 0 to 1, (M,); NaN in a bin without samples.
    """

    edges: Float[Tensor, " e"]
    counts: Int[Tensor, " m"]
    confidence: Float[Tensor, " m"]
    accuracy: Float[Tensor, " m"]

    @property
    def ece(self) -> float:
        """The expected calibration error in percent; NaN if an answer has no confidence."""
        filled = self.counts > 0
        gaps = (self.accuracy - self.confidence)[filled].abs()
        return 100 * float((gaps * self.counts[filled]).sum() / self.counts.sum())


def reliability(logits: Logits, labels: Labels, bins: int = BINS) -> Reliability:
    """The reliability curve of ``logits`` in ``bins`` bins of equal width, on the CPU in float64.

    Raises:
        ValueError: no samples, no bins, or labels of other samples.
    """
    same_images(logits, labels)
    if not len(logits) or bins < 1:
        raise ValueError(f"calibration needs at least 1 sample and 1 bin, found {len(logits)} and {bins}")
    sure, answers = logits.cpu().double().softmax(1).max(1)
    right = (answers == labels.cpu()).double()
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    bin_of = torch.bucketize(sure, edges[1:-1])
    counts = torch.bincount(bin_of, minlength=bins)
    confidence, accuracy = (torch.bincount(bin_of, weights=values, minlength=bins) / counts for values in (sure, right))
    return Reliability(edges, counts, confidence, accuracy)


def ece(logits: Logits, labels: Labels, bins: int = BINS) -> float:
    """The expected calibration error in percent; 0 if accuracy equals confidence in every bin.

    Raises:
        ValueError: no samples, or no bins.
    """
    return reliability(logits, labels, bins).ece
