"""Measures that give a figure for each finished Run, for the tables of studies."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from didact.analysis.probe import LogisticProbe, ProbeMethod
from didact.data import Data
from didact.measure.probe import Tell, probe
from didact.measure.similarity import similarities
from didact.runs.run import Run
from didact.store.store import Store
from didact.tables.published import OURS, Published

Values = Callable[[Store, Sequence[Run], str, Tell], Mapping[str, float]]
"""(store, runs, device, tell) -> figure by digest. Runs without this figure are left out."""


@dataclass(frozen=True)
class Measure:
    """One figure of a Run.

    Attributes:
        heading: the quantity and its unit.
        values: measures finished runs.
        teachers: whether to measure the runs' teachers instead of the runs.
        digits: after the point.
        needs: data sets that the measurement reads.
        published: the paper's figures of this quantity.
        margin: a difference that does not matter, in the measure's unit.
        rule: how the figure is reported.
    """

    heading: str
    values: Values
    teachers: bool = False
    digits: int = 2
    needs: tuple[Data, ...] = ()
    published: Published | None = None
    margin: float = 0.5
    rule: str = OURS


def accuracy(store: Store, runs: Sequence[Run], device: str, tell: Tell) -> dict[str, float]:
    """Test accuracy after the last epoch, in percent."""
    return {run.digest: record.final()["test_top1"] for run in runs if (record := store.get(run)) is not None}


def top5(store: Store, runs: Sequence[Run], device: str, tell: Tell) -> dict[str, float]:
    """Test images with their class among the five likeliest, after the last epoch, in percent."""
    return {run.digest: record.final().get("test_top5", math.nan) for run in runs if (record := store.get(run)) is not None}


def kl(store: Store, runs: Sequence[Run], device: str, tell: Tell) -> dict[str, float]:
    """KL(teacher || student) in nats, on the test set."""
    return {key: similar.kl for key, similar in similarities(store, runs, device).items()}


def cka(store: Store, runs: Sequence[Run], device: str, tell: Tell) -> dict[str, float]:
    """Linear CKA of the pooled vectors with the teacher's, on the test set."""
    return {key: similar.cka for key, similar in similarities(store, runs, device).items()}


@dataclass(frozen=True)
class Transferred:
    """Accuracy in percent of a linear probe (:func:`didact.measure.probe.probe`), the mean over
    probe seeds."""

    data: Data
    method: ProbeMethod = field(default_factory=LogisticProbe)

    def __call__(self, store: Store, runs: Sequence[Run], device: str, tell: Tell) -> dict[str, float]:
        results = probe(store, runs, [self.data], [self.method], device=device, tell=tell)
        return {result.run.digest: sum(result.probed.top1) / len(result.probed.top1) for result in results}
