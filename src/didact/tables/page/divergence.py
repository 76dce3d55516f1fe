"""KL between teacher and student, and accuracy, over the epochs (Figure 5 of the SFTN paper)."""

from __future__ import annotations

from collections.abc import Sequence

from didact.tables.page.curves import panel
from didact.tables.page.parts import Section, key_of
from didact.tables.page.picture import Picture
from didact.tables.page.trained import Family, Trained, number


def section(families: Sequence[Family]) -> Section:
    """A picture for each family with students whose loss has a KD term.

    The term is alpha T^2 KL(teacher || student), so the KL follows from it.
    """
    pictures: list[Picture] = []
    for at, family in enumerate(families):
        members = tuple(one for one in family.members if _scale(one) is not None)
        if not members:
            continue
        students = Family(family.title, members, ())
        kl = panel("KL(teacher || student)", "KL (nats)", students, _kl)
        accuracy = panel("test accuracy", "test accuracy (%)", students, lambda one, row: number(row, "test_top1"))
        if kl.at:
            shown = tuple(each for each in (kl, accuracy) if each.at)
            pictures.append(Picture(key_of("divergence", str(at + 1)), family.title, shown, _note(members)))
    text = "How close students come to their teachers while they learn."
    return Section("divergence", "KL and accuracy over time", tuple(pictures), text)


def _scale(one: Trained) -> float | None:
    """alpha T^2 of the run's KD term; None without one, or if it is taken of standardised
    logits."""
    method = one.run.method
    alpha, temperature = getattr(method, "alpha", 0.0), getattr(method, "temperature", None)
    if not alpha or temperature is None or getattr(method, "standardise", False):
        return None
    return alpha * temperature**2 if any(number(row, "terms", "kd") is not None for row in one.rows) else None


def _kl(one: Trained, row: dict[str, object]) -> float | None:
    term, scale = number(row, "terms", "kd"), _scale(one)
    return None if term is None or scale is None else term / scale


def _note(members: Sequence[Trained]) -> str:
    temperatures = sorted({float(getattr(one.run.method, "temperature", 1.0)) for one in members})
    shown = " and ".join(f"{value:g}" for value in temperatures)
    return (
        f"KL of the outputs softened at temperature {shown}, the mean over the epoch's augmented training batches: the KD term "
        "of the loss divided by its weight and by the temperature squared."
    )
