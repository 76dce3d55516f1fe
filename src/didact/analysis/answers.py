"""Answers of networks: accuracy by class, confused classes, and images on which two networks
disagree."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from didact.analysis import divergence
from didact.tensors import Labels, Logits, answered


@dataclass(frozen=True)
class Confused:
    """Images of class ``label`` with the answer ``answer``: their number, and their share of the
    class in percent."""

    label: int
    answer: int
    images: int
    share: float


@dataclass(frozen=True)
class Disagreement:
    """Samples on which two networks answer differently, by falling divergence. All tensors are
    (m,), on the CPU.

    Attributes:
        index: positions in the compared samples.
        teacher, student: the answers.
        sure_teacher, sure_student: the probability of each network for its own answer, from 0 to 1.
        divergence: KL(teacher || student) in nats.
    """

    index: Int[Tensor, " m"]
    teacher: Int[Tensor, " m"]
    student: Int[Tensor, " m"]
    sure_teacher: Float[Tensor, " m"]
    sure_student: Float[Tensor, " m"]
    divergence: Float[Tensor, " m"]

    def __len__(self) -> int:
        return len(self.index)


def confusion(logits: Logits, labels: Labels) -> Int[Tensor, "k k"]:
    """Numbers of samples by class (row) and answer (column), on the CPU. Samples without an answer
    are left out."""
    classes = logits.shape[1]
    cells = (labels.cpu() * classes + logits.argmax(1).cpu())[answered(logits).cpu()]
    return torch.bincount(cells, minlength=classes**2).reshape(classes, classes)


def by_class(matrix: Int[Tensor, "k k"]) -> Float[Tensor, " k"]:
    """Accuracy in percent of each class of a :func:`confusion`, float64; NaN for a class without
    samples."""
    return 100 * matrix.diagonal().double() / matrix.sum(1)


def confused(matrix: Int[Tensor, "k k"], most: int = 10) -> list[Confused]:
    """The ``most`` frequent mistakes of a :func:`confusion`, by falling frequency, without those of
    frequency 0."""
    wrong = matrix.clone()
    wrong.fill_diagonal_(0)
    count, cells = wrong.flatten().sort(descending=True, stable=True)
    sizes, classes = matrix.sum(1).tolist(), len(matrix)
    pairs = [
        (cell // classes, cell % classes, images)
        for cell, images in zip(cells[:most].tolist(), count.tolist(), strict=False)
    ]
    return [Confused(label, answer, images, 100 * images / sizes[label]) for label, answer, images in pairs if images]


def disagreement(zt: Logits, zs: Logits) -> Disagreement:
    """Samples with different answers of teacher and student, by falling divergence.

    Samples without an answer of one of them have divergence NaN and come last.
    """
    pt, ps = zt.cpu().double().softmax(1), zs.cpu().double().softmax(1)
    far = divergence.each(zt.cpu(), zs.cpu())
    sure_teacher, teacher = pt.max(1)
    sure_student, student = ps.max(1)
    differ = ((teacher != student) | far.isnan()).nonzero().flatten()
    index = differ[far[differ].nan_to_num(-1.0, posinf=torch.inf).argsort(descending=True, stable=True)]
    return Disagreement(index, teacher[index], student[index], sure_teacher[index], sure_student[index], far[index])
