"""What most papers' methods share: the labels, and KD where a weight says so."""

from __future__ import annotations

from typing import ClassVar

from didact.method.contract import Method, SoftLabels
from didact.spec import NonNegative, Positive, spec
from didact.tensors import Needs, reads


@spec
class Joint(Method):
    """A method with a loss of its own, trained together with the labels and, with ``alpha``, with
    KD.

    L = gamma CE + alpha KD + beta (its own). The first two are ``didact.losses.task``.
    """

    presets: ClassVar = {"kd": {"alpha": 1.0}}

    gamma: NonNegative = 1.0
    """Weight of the cross entropy with the labels."""
    alpha: NonNegative = 0.0
    """Weight of KD; 1 in the preset ``+kd`` (the SFTN paper trains feature methods jointly with
    KD).
    """
    temperature: Positive = 4.0
    """Temperature of the KD term."""

    def soft_labels(self) -> SoftLabels:
        return "mixed"

    def reading(self, own: str, teacher: str | None = None) -> Needs:
        """:class:`Needs` for these parts (of both networks, unless the teacher's are named) and for
        the shared terms.
        """
        return reads(f"logits {own}", teacher=f"{'logits ' if self.alpha else ''}{own if teacher is None else teacher}")
