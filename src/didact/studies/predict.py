"""How good a student of a pool will be, predicted from the supernet that a generic teacher (GTN) was trained with.

A student is taken out of the supernet with the weights it shares there; its batch norms take their statistics anew from
training images, because those of the supernet belong to no student in particular (Yu and Huang: Universally Slimmable Networks
(ICCV 2019), https://arxiv.org/abs/1903.05134); its accuracy is that on the validation split. The test set is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean

import numpy as np
import torch

from didact.data import Dataset, evaluation_batches, facts, load
from didact.deploy.latency import latency
from didact.engine.records import DamagedError, Record, file_checksum, read_json, write_json
from didact.nets.blocks import BlockNet
from didact.nets.supernet import Pool, Space, Supernet, recalibrated
from didact.seeds import stream
from didact.spec import SpecError, canonical
from didact.studies.labels import recipe_label, row_label, teacher_label
from didact.studies.run import Run, network
from didact.studies.store import Store
from didact.teaching.gtn import GTN, Conditioning
from didact.tensors import Batch

VERSION = 1
"""Rises when the same student of the same Record is predicted otherwise."""

BATCH = 256
"""Images, at most, of a batch from which norms take their statistics."""


class Predictor:
    """Predicted accuracies of a pool's students. Each is predicted once and kept beside the teacher's Record.

    Everything is computed in float32. The same student of the same Record has the same figure, whoever asks.

    Args:
        store: where the run's Record is.
        run: a generic teacher whose students run from the images.
        images: training images, at most, for the norms' statistics; which ones is drawn under the run's seed.
        device: where to compute.

    Attributes:
        pool: whose students.
        record: the run's. seal: the checksum that stands for all of it.

    Raises:
        SpecError: another kind of run, one without a validation split, or one whose students have no first blocks.
        LookupError: the run has no Record.
    """

    def __init__(self, store: Store, run: Run, images: int = 1024, device: str = "cpu") -> None:
        self.pool = pool_of(run)
        self.store = store
        self.run = run
        self.images = images
        self.device = device
        self.record = _record(store, run)
        self._path = self.record.folder / f"predicted-{images}.json"
        self.seal = file_checksum(self.record.folder / "record.json")
        self._known = self._kept()

    def accuracy(self, name: str) -> float:
        """Predicted top-1 accuracy of the student ``name`` on the validation split, in percent.

        Raises:
            SpecError: it is not in the pool; the nearest is named.
        """
        name = self.pool.spelt(name)
        if name not in self._known:
            net = self.student(name)
            split = self._dataset.validation
            assert split is not None
            with torch.no_grad():
                batches = evaluation_batches(self._dataset, split)
                right = sum(int((net(batch.images).argmax(1) == batch.labels).sum()) for batch in batches)
            self._known[name] = 100 * right / len(split)
            write_json(self._path, {"of": self.seal, "version": VERSION, "accuracy": self._known})
        return self._known[name]

    def student(self, name: str) -> BlockNet:
        """The student with its shared weights and norms of its own, in eval mode."""
        net = recalibrated(self._supernet.extract(name), (batch.images for batch in self._batches))
        return net.eval()

    def latency(self, name: str) -> float:
        """Milliseconds of the student for one image, measured on this machine (:func:`didact.deploy.latency.latency`)."""
        return latency(self._supernet.extract(name), facts(self.run.data).image).median

    def _kept(self) -> dict[str, float]:
        try:
            kept = read_json(self._path)
            return dict(kept["accuracy"]) if (kept["of"], kept["version"]) == (self.seal, VERSION) else {}
        except (DamagedError, TypeError, KeyError):
            return {}  # not there, or not readable: predicted again

    @cached_property
    def _supernet(self) -> Supernet:
        _, added = self.store.load(self.run)
        assert isinstance(added, Conditioning)
        return added.supernet.to(self.device).eval().requires_grad_(False)

    @cached_property
    def _dataset(self) -> Dataset:
        return load(self.run.data, self.device)

    @cached_property
    def _batches(self) -> list[Batch]:
        """Batches of training images as they are, of nearly equal sizes, because their statistics count equally."""
        train = self._dataset.train
        rows = torch.randperm(len(train), generator=stream(self.run.seed, "recalibration"))[: self.images]
        split = train.take(rows.sort().values.to(train.images.device))
        parts = -(-len(split) // BATCH)
        return list(evaluation_batches(self._dataset, split, -(-len(split) // parts)))


def pool_of(run: Run) -> Space | Pool:
    """The pool of a generic teacher whose students can be predicted.

    Raises:
        SpecError: see :class:`Predictor`; the message says what to train instead.
    """
    method = run.method
    if not isinstance(method, GTN):
        taught = run.teacher is not None and isinstance(run.teacher.method, GTN)
        instead = (
            f"its teacher {run.teacher.digest} is: ask for that"
            if taught and run.teacher is not None
            else f"train one first: {_asked(run, _blocks(run), 'tiny')}"
        )
        raise SpecError(f"{run.label} ({run.digest}) is no generic teacher, which has a pool of students; {instead}")
    if 0 not in (method.after or ()):
        found = "every block but the last" if method.after is None else f"the blocks {list(method.after)}"
        again = _asked(run, [0, *(method.after or _blocks(run)[1:])], method.pool.label)
        raise SpecError(
            f"{run.label} ({run.digest}): its students only ever ran after {found} of the teacher, so they have no first blocks "
            f"and cannot be searched; train it with after containing 0: {again}"
        )
    if run.data.validation == 0:
        again = _asked(run, list(method.after or ()), method.pool.label)
        raise SpecError(
            f"{run.label} ({run.digest}) was trained without a validation split, and the test set chooses nothing; "
            f"train it with one: {again}"
        )
    return method.pool


def _blocks(run: Run) -> list[int]:
    """0 and every block of the run's network but the last."""
    with torch.device("meta"):
        return list(range(len(network(run).shapes(facts(run.data).image).features)))


def _asked(run: Run, after: Sequence[int], pool: str) -> str:
    listed = ",".join(map(str, after))
    share = run.data.validation or 0.1
    return (
        f'didact train --net {run.net} --data {run.data.name} --data.validation {share:g} --method gtn --method.pool "{pool}" '
        f'--method.after "[{listed}]" ...'
    )


def _record(store: Store, run: Run) -> Record:
    record = store.get(run)
    if record is None:
        raise LookupError(f"{run.label} ({run.digest}) has not been trained; its folder would be {store.folder(run)}")
    return record


# ------------------------------------------------------------------------------------------------ how good is the prediction


@dataclass(frozen=True)
class Correlation:
    """How predicted accuracies order students, against the test accuracies of the same students trained on their own.

    Attributes:
        trained: how those were trained. students: how many of the pool's.
        tau: Kendall's tau-b, from -1 (reversed) over 0 (unrelated) to 1 (the same order); None where all are equal.
    """

    trained: str
    students: int
    tau: float | None


def rank_correlation(predictor: Predictor, store: Store, least: int = 3) -> list[Correlation]:
    """The prediction against the finished runs of the store, for every way in which ``least`` students of the pool were trained.

    A way is a method, a teacher and a recipe. Runs of the same images count, whatever part was set aside for validation; a
    student that was trained with several seeds has its mean test accuracy. This reports, and chooses nothing.
    """
    ways: dict[str, dict[str, list[float]]] = {}
    for run, record in store.runs():
        if _belongs(run, predictor):
            way = f"{row_label(run)}{f' from {teacher_label(run.teacher)}' if run.teacher else ''}; {recipe_label(run)}"
            ways.setdefault(way, {}).setdefault(run.net, []).append(record.final()["test_top1"])
    found = []
    for way, trained in sorted(ways.items()):
        if len(trained) >= least:
            predicted = [predictor.accuracy(name) for name in trained]
            found.append(Correlation(way, len(trained), kendall(predicted, [fmean(values) for values in trained.values()])))
    return found


def _belongs(run: Run, predictor: Predictor) -> bool:
    own, theirs = (canonical(replace(data, validation=0.0)) for data in (predictor.run.data, run.data))
    if own != theirs or run.method.teaches:
        return False
    try:
        return predictor.pool.spelt(run.net) == run.net
    except SpecError:
        return False


def kendall(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Kendall's tau-b of two rows of figures, which corrects for ties; None where one of the rows is constant."""
    dx, dy = (np.sign(np.subtract.outer(values, values)) for values in (np.asarray(x), np.asarray(y)))
    norm = np.sqrt((dx * dx).sum() * (dy * dy).sum())
    return float((dx * dy).sum() / norm) if norm else None
