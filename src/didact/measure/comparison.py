"""Compares a finished run with its teacher, or with any other run on the same data, on the test
set."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from didact.analysis import answers, calibration, divergence
from didact.analysis.layers import Compared
from didact.data import Dataset, facts, load
from didact.files.checked import DamagedError
from didact.measure import similarity
from didact.measure.layers import LayerComparison, compared
from didact.runs.run import Run
from didact.spec import SpecError
from didact.store.choice import chosen
from didact.store.record import Record
from didact.store.store import Store


@dataclass(frozen=True)
class Side:
    """One of the two networks on the test set.

    Attributes:
        run: the network's run.
        role: "student", "teacher", "this run" or "the other".
        accuracy: in percent, of the network in float32.
        recorded: the Record's test accuracy in percent, in the precision of the training.
        reliability: its calibration.
        confusion: counts of images by class (row) and answer (column).
    """

    run: Run
    role: str
    accuracy: float
    recorded: float
    reliability: calibration.Reliability
    confusion: Tensor

    @property
    def title(self) -> str:
        """The role, the label and the digest of the network."""
        return f"{self.role} {self.run.label} ({self.run.digest})"

    def plain(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The same as plain JSON data."""
        classes = [None if value != value else value for value in answers.by_class(self.confusion).tolist()]
        curve = self.reliability
        bins = [
            {"from": low, "to": high, "images": count} | ({"confidence": sure, "accuracy": right} if count else {})
            for low, high, count, sure, right in zip(
                curve.edges[:-1].tolist(),
                curve.edges[1:].tolist(),
                curve.counts.tolist(),
                curve.confidence.tolist(),
                curve.accuracy.tolist(),
                strict=True,
            )
        ]
        return {
            "digest": self.run.digest,
            "run": self.run.label,
            "role": self.role,
            "accuracy": self.accuracy,
            "recorded_accuracy": self.recorded,
            "ece": curve.ece,
            "reliability": bins,
            "by_class": dict(zip(names, classes, strict=True)),
            "most_confused": [_named(asdict(pair), names) for pair in answers.confused(self.confusion)],
            "confusion": self.confusion.tolist(),
        }


@dataclass(frozen=True)
class Comparison:
    """A run (``own``) and a second run (``other``, by default its teacher) on the test set of
    ``dataset``.

    If the teacher's Record is missing, ``other`` and everything compared with it is None; ``kl``
    and ``agreement`` then hold earlier measurements, if there are any.

    Attributes:
        kl: KL(other || own) in nats.
        agreement: share of equal answers in percent.
        differ: the images on which the two answer differently, as positions in the test set.
        layers: CKA of the layers of ``own`` (rows) and ``other`` (columns); None if not computed.
    """

    own: Side
    other: Side | None
    dataset: Dataset
    kl: float | None
    agreement: float | None
    differ: answers.Disagreement | None
    layers: Compared | None = None

    def right(self) -> tuple[int, int, int] | None:
        """Counts over the images on which the two differ: right only in ``own``, only in ``other``,
        in neither."""
        if self.differ is None:
            return None
        labels = self._labels(self.differ)
        own, other = (int((answer == labels).sum()) for answer in (self.differ.student, self.differ.teacher))
        return own, other, len(labels) - own - other

    def _labels(self, differ: answers.Disagreement) -> Tensor:
        """The classes of the images on which the two differ, on the CPU."""
        return self.dataset.test.labels.cpu()[differ.index]

    def _rows(self, differ: answers.Disagreement) -> list[dict[str, Any]]:
        names = self.dataset.names
        where = self.dataset.test.index.cpu()[differ.index]
        return [
            {"image": image, "label": names[label], "kl": far}
            | {"answer": names[own], "confidence": sure, "other_answer": names[other], "other_confidence": other_sure}
            for image, label, far, own, sure, other, other_sure in zip(
                *(values.tolist() for values in (where, self._labels(differ), differ.divergence)),
                *(values.tolist() for values in (differ.student, differ.sure_student, differ.teacher, differ.sure_teacher)),
                strict=True,
            )
        ]

    def plain(self) -> dict[str, Any]:
        """Everything as plain JSON data; None for unknown values. "image": position in the
        published test set."""
        names = self.dataset.names
        return {
            "data": self.own.run.data.label,
            "images": len(self.dataset.test),
            "kl": self.kl,
            "agreement": self.agreement,
            "own": self.own.plain(names),
            "other": self.other and self.other.plain(names),
            "disagreement": None if self.differ is None else self._rows(self.differ),
        } | ({"cka": self.layers.plain()} if self.layers else {})


def compare(store: Store, name: str, against: str | None, layers: LayerComparison | None, device: str = "cpu") -> Comparison:
    """Compare the run called ``name`` (start of its digest or folder) with its teacher or with the
    run called ``against``.

    The comparison of layers, which may take minutes, is stored with the run's Record and read from
    there the next time. Networks run in float32. If the teacher's Record is missing or damaged, the
    result describes the run alone.

    Raises:
        SpecError: no such run; a run without teacher and no ``against``; different data or classes.
    """
    if layers is not None and layers.images < 4:
        raise SpecError(f"images: at least 4 are needed to compare layers, found {layers.images}")
    own = run, record = chosen(store, name)
    other = chosen(store, against) if against is not None else _teacher(store, run)
    if other is not None:
        _check_alike(run, other[0])
    dataset = load(run.data, device)
    zs = similarity.answers(store, run, dataset, device)[0]
    if other is None:
        known = similarity.known(store, run, record)
        kl, agreement = (known.kl, known.agreement) if known else (None, None)
        return Comparison(_side(own, "student", zs, dataset), None, dataset, kl, agreement, None)
    zt = similarity.answers(store, other[0], dataset, device)[0]
    taught = run.teacher is not None and run.teacher.digest == other[0].digest
    roles = ("student", "teacher") if taught else ("this run", "the other")
    return Comparison(
        own=_side(own, roles[0], zs, dataset),
        other=_side(other, roles[1], zt, dataset),
        dataset=dataset,
        kl=divergence.kl(zt, zs),
        agreement=divergence.agreement(zt, zs),
        differ=answers.disagreement(zt, zs),
        layers=layers and compared(store, own, other, dataset, layers, device),
    )


def _side(trained: tuple[Run, Record], role: str, z: Tensor, dataset: Dataset) -> Side:
    run, record = trained
    labels = dataset.test.labels.cpu()
    return Side(
        run=run,
        role=role,
        accuracy=divergence.accuracy(z, labels),
        recorded=record.final()["test_top1"],
        reliability=calibration.reliability(z, labels),
        confusion=answers.confusion(z, labels),
    )


def _check_alike(run: Run, other: Run) -> None:
    """Raise SpecError unless both runs use the same data and classes."""
    both = (run, other)
    data = [(side.data.title, facts(side.data).classes) for side in both]
    if data[0] != data[1]:
        first, second = (
            f"{side.label} ({side.digest}) uses {title}, {classes} classes"
            for side, (title, classes) in zip(both, data, strict=True)
        )
        raise SpecError(f"both runs need the same data and classes; {first}, {second}")


def _teacher(store: Store, run: Run) -> tuple[Run, Record] | None:
    """The run's teacher; None if its Record is missing or damaged."""
    if run.teacher is None:
        raise SpecError(f"{run.label} ({run.digest}) has no teacher; name the run to compare it with: --against DIGEST")
    with contextlib.suppress(DamagedError):
        record = store.record(run.teacher)
        return record and (run.teacher, record)
    return None


def _named(pair: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return pair | {"label": names[pair["label"]], "answer": names[pair["answer"]]}
