"""How good a student of a pool will be, predicted from the supernet that a generic teacher (GTN) was trained with.

A student is taken out of the supernet with the weights it shares there; its batch norms take their statistics anew from
training images, because those of the supernet belong to no student in particular (Yu and Huang: Universally Slimmable Networks
(ICCV 2019), https://arxiv.org/abs/1903.05134); its accuracy is that on the validation split. The test set is not looked at.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import torch
from scipy.stats import binom

from didact.data import Dataset, Split, evaluation_batches, facts, load
from didact.deploy.latency import latency
from didact.engine.accuracy import hits
from didact.method import ForPool
from didact.nets.blocks import BlockNet
from didact.nets.supernet import SPACES, Pool, Space, Supernet, recalibrated
from didact.runs.build import network
from didact.runs.run import Run
from didact.seeds import stream
from didact.spec import SpecError
from didact.store.record import Record
from didact.store.results import Results
from didact.store.store import Store
from didact.teaching.gtn import GTN
from didact.tensors import Batch

VERSION = 1
"""Rises when the same student of the same Record is predicted otherwise."""

VALIDATION = 0.1
"""The share of the training images that is proposed for the validation split."""

DOUBT = 0.05
"""At chance is what guessing reaches more often than this."""

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
        pool: the students to choose from.
        results: the answers beside the run's Record.

    Raises:
        UnsuitableError: another kind of run, one without a validation split, or one whose students have no first blocks.
        LookupError: the run has no Record.
    """

    def __init__(self, store: Store, run: Run, images: int = 1024, device: str = "cpu") -> None:
        self.pool = pool_of(run)
        self.store = store
        self.run = run
        self.images = images
        self.device = device
        self.results = Results(_record(store, run), store.once)
        self._known: dict[str, float] = {}

    def accuracy(self, name: str) -> float:
        """Predicted top-1 accuracy of the student ``name`` on the validation split, in percent.

        Raises:
            SpecError: it is not in the pool; the nearest is named.
        """
        name = self.pool.canonical_name(name)
        if name not in self._known:
            file, question = f"predicted-{self.images}", {"student": name, "version": VERSION}
            kept = self.results.get(file, question, float)
            self._known[name] = self.results.put(file, question, self._predicted(name)) if kept is None else kept
        return self._known[name]

    def _predicted(self, name: str) -> float:
        net = self.student(name)
        split = self._validation
        with torch.no_grad():
            batches = evaluation_batches(self._dataset, split)
            right = sum(int(hits(net(batch.images), batch.labels)[0]) for batch in batches)
        return 100 * right / len(split)

    def student(self, name: str) -> BlockNet:
        """The student with its shared weights and norms of its own, in eval mode."""
        net = recalibrated(self._supernet.extract(name), (batch.images for batch in self._batches))
        return net.eval()

    def latency(self, name: str) -> float:
        """Milliseconds of the student for one image, measured on this machine (:func:`didact.deploy.latency.latency`)."""
        return latency(self._supernet.extract(name), facts(self.run.data).image).median

    @cached_property
    def images_held(self) -> int:
        """Images of the validation split."""
        return len(self._validation)

    @cached_property
    def guess(self) -> float:
        """Percent of the validation split that are right where the answer is always its most frequent class."""
        return 100 * int(self._validation.labels.bincount().max()) / self.images_held

    def at_chance(self, best: float, students: int) -> bool:
        """Whether guessing reaches the best prediction of so many students (:func:`at_chance`)."""
        return at_chance(best, self.images_held, self.guess, students)

    @cached_property
    def _supernet(self) -> Supernet:
        _, added = self.store.load(self.run)
        assert isinstance(self.run.method, ForPool)
        return self.run.method.supernet(added).to(self.device).eval().requires_grad_(False)

    @cached_property
    def _dataset(self) -> Dataset:
        return load(self.run.data, self.device)

    @cached_property
    def _validation(self) -> Split:
        split = self._dataset.validation
        assert split is not None
        return split

    @cached_property
    def _batches(self) -> list[Batch]:
        """Batches of training images as they are, of nearly equal sizes, because their statistics count equally."""
        train = self._dataset.train
        rows = torch.randperm(len(train), generator=stream(self.run.seed, "recalibration"))[: self.images]
        split = train.take(rows.sort().values.to(train.device))
        parts = -(-len(split) // BATCH)
        return list(evaluation_batches(self._dataset, split, -(-len(split) // parts)))


def at_chance(best: float, images: int, guess: float, students: int) -> bool:
    """Whether the best of so many students is no better than guessing, so that their order means nothing.

    A student that guesses has by chance a binomial number of the images right. At chance: the best of as many students that
    all only guess has ``best`` percent or more with a probability above 5 % (Bonferroni's bound, which holds however alike they
    are).

    Args:
        best, guess: percent; what the best has, and what guessing has on average.
        images: how many were answered.
    """
    right = round(best / 100 * images)
    return students * float(binom.sf(right - 1, images, guess / 100)) > DOUBT


# ------------------------------------------------------------------------------------------------ which runs are suitable


class UnsuitableError(SpecError):
    """A run whose pool cannot be searched.

    Attributes:
        instead: one like it that can be.
    """

    def __init__(self, message: str, instead: Run) -> None:
        super().__init__(message)
        self.instead = instead


def pool_of(run: Run) -> Space | Pool:
    """The pool of a generic teacher whose students can be predicted.

    Raises:
        UnsuitableError: see :class:`Predictor`; it says, and holds, what to train instead.
        SpecError: a student; its teacher is named.
    """
    method = run.method
    if not isinstance(method, ForPool):
        teacher = run.teacher or run
        if isinstance(teacher.method, ForPool):
            pool_of(teacher)
            raise SpecError(
                f"{run.label} ({run.digest}) is no generic teacher, which has a pool of students; "
                f"its teacher {teacher.digest} is: ask for that"
            )
        raise UnsuitableError(
            f"{run.label} ({run.digest}) is no generic teacher, which has a pool of students; train one first, "
            "by method gtn, with a validation split and 0 in after (students that run from the images)",
            _suitable(
                replace(teacher, teacher=None, route=None, start=None, peers=(), turn=0, method=GTN(pool=SPACES["tiny"]))
            ),
        )
    lacks = method.lacks_whole_students()
    faults = [lacks] if lacks else []
    if run.data.validation == 0:
        faults.append("it has no validation split, and the test set chooses nothing: train it with data.validation")
    if faults:
        raise UnsuitableError(f"{run.label} ({run.digest}) cannot be searched: {'; '.join(faults)}", _suitable(run))
    return method.pool


def _suitable(run: Run) -> Run:
    """The generic teacher ``run`` with all that a search needs."""
    assert isinstance(run.method, ForPool)
    with torch.device("meta"):
        blocks = len(network(run).shapes(facts(run.data).image).features)
    data = replace(run.data, validation=run.data.validation or VALIDATION)
    return replace(run, data=data, method=run.method.with_whole_students(blocks))


def _record(store: Store, run: Run) -> Record:
    record = store.get(run)
    if record is None:
        raise LookupError(f"{run.label} ({run.digest}) has not been trained; its folder would be {store.folder(run)}")
    return record
