"""Some students looked at closely, each with its teacher: similarity of their layers, calibration,
and images on which they disagree."""

from __future__ import annotations

import io
from collections.abc import Sequence

from torch import Tensor

from didact.measure.comparison import Comparison, Side, compare
from didact.measure.layers import LayerComparison
from didact.runs.spread import text
from didact.spec import clean
from didact.store.store import Store
from didact.tables import look
from didact.tables.page.parts import Gallery, Image, Part, Section, key_of
from didact.tables.page.picture import Axis, Dot, Dots, HeatMap, Picture
from didact.tables.page.trained import Trained, families

IMAGES = 12
"""Images in the gallery of one pair."""


def chosen(trained: Sequence[Trained], most: int) -> list[Trained]:
    """The students to look at: of each family and teacher the one with the highest test accuracy,
    at most so many in all; of each family one before a second one of any."""
    finished = {one.digest for one in trained if one.record is not None}
    rounds: list[tuple[int, Trained]] = []
    for family in families(trained):
        best: dict[str, Trained] = {}
        for one in family.members:
            teacher = one.run.teacher
            if teacher is None or teacher.digest not in finished or one.top1 is None:
                continue
            if teacher.digest not in best or one.top1 > (best[teacher.digest].top1 or 0):
                best[teacher.digest] = one
        rounds += enumerate(sorted(best.values(), key=lambda one: -(one.top1 or 0)))
    return [one for _, one in sorted(rounds, key=lambda each: each[0])][:most]


def section(store: Store, students: Sequence[Trained], device: str) -> Section:
    """A look at each student and its teacher. Those whose images or networks cannot be had are left
    out, with a message."""
    parts: list[Part] = []
    for at, one in enumerate(students):
        try:
            comparison = compare(store, one.digest, None, LayerComparison(), device)
        except (ValueError, LookupError, OSError, RuntimeError) as error:
            store.once(f"no closer look at {clean(one.run.label)} ({one.digest}): {error}")
            continue
        if comparison.other is not None:
            parts += _parts(comparison, at + 1)
    words = "Measured on the test set. Of each teacher's students, the one with the highest test accuracy is shown."
    return Section("look", "Student and teacher, closely", tuple(parts), words)


def _parts(comparison: Comparison, at: int) -> list[Part]:
    assert comparison.other is not None
    about = f"{comparison.own.title} and {comparison.other.title}"
    note = "\n".join(look.summary(comparison))
    parts: list[Part] = [Picture(key_of("calibration", str(at)), f"Calibration: {about}", (_reliability(comparison),), note)]
    if comparison.layers is not None:
        layers = comparison.layers
        values = tuple(tuple(None if value != value else value for value in row) for row in layers.values.tolist())
        panel = HeatMap(layers.title, comparison.other.role, comparison.own.role, layers.columns, layers.rows, values)
        parts.append(Picture(key_of("cka", str(at)), f"Similarity of layers: {about}", (panel,), "1: alike, 0: unrelated."))
    parts += _gallery(comparison, about)
    parts.append(look.classes(comparison))
    return parts


def _reliability(comparison: Comparison) -> Dots:
    """Accuracy by confidence of both networks, with the diagonal of perfect calibration."""
    sides = [side for side in (comparison.own, comparison.other) if side is not None]
    dots = tuple(dot for side in sides for dot in _bins(side))
    names = frozenset(dot.group for dot in dots)
    return Dots(
        "reliability",
        Axis("confidence (%)", limits=(0, 100)),
        Axis("accuracy (%)", limits=(0, 100)),
        dots,
        names,
        diagonal=True,
    )


def _bins(side: Side) -> list[Dot]:
    curve = side.reliability
    group = f"{side.role}, ECE {text(curve.ece)} %"
    return [
        Dot(f"{count} images", group, 100 * sure, 100 * right)
        for count, sure, right in zip(curve.counts.tolist(), curve.confidence.tolist(), curve.accuracy.tolist(), strict=True)
        if count
    ]


def _gallery(comparison: Comparison, about: str) -> list[Gallery]:
    """The images with the largest divergence among those that both answer differently."""
    differ, other = comparison.differ, comparison.other
    if differ is None or other is None or not len(differ):
        return []
    names, test = comparison.dataset.names, comparison.dataset.test
    images: list[Image] = []
    for at in range(min(IMAGES, len(differ))):
        index = int(differ.index[at])
        lines = [f"image {int(test.index[index])}: {names[int(test.labels[index])]}"]
        answered = (other, differ.teacher, differ.sure_teacher), (comparison.own, differ.student, differ.sure_student)
        lines += [
            f"{side.role}: {names[int(answers[at])]} ({100 * float(sure[at]):.0f} %)" for side, answers, sure in answered
        ]
        images.append(Image(_png(test.images[index]), tuple(lines)))
    note = (
        f"{len(images)} of {len(differ)} images, those with the largest KL(teacher || student): position in the published test "
        "set, class, and both answers with their probabilities."
    )
    return [Gallery(f"Disagreement: {about}", tuple(images), note)]


def _png(pixels: Tensor) -> bytes:
    """An image (c, h, w) of bytes as a PNG file."""
    from PIL import Image as Pillow

    array = pixels.cpu().permute(1, 2, 0).numpy()
    data = io.BytesIO()
    Pillow.fromarray(array.squeeze(2) if array.shape[2] == 1 else array).save(data, "PNG", optimize=True)
    return data.getvalue()
