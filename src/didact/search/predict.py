"""Predicts the accuracy of a pool's students from the supernet of a generic teacher (GTN).

A student takes its shared weights from the supernet. Its batch norms compute their statistics anew
from training images, because the supernet's statistics belong to no single student (Yu and Huang:
Universally Slimmable Networks (ICCV 2019), https://arxiv.org/abs/1903.05134). Its predicted
accuracy is that on the validation split; the test set is not used.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import torch

from didact.data import Dataset, Split, evaluation_batches, facts, load
from didact.deploy.engine import Unsupported
from didact.deploy.latency import latency, onnx_latency
from didact.engine.accuracy import hits
from didact.method import ForPool
from didact.nets.blocks import BlockNet
from didact.nets.supernet import SPACES, Pool, Space, Supernet, recalibrated
from didact.runs.build import network
from didact.runs.guessing import at_chance
from didact.runs.run import Run, Start
from didact.search.costs import SearchSettings
from didact.seeds import stream
from didact.spec import SpecError
from didact.store.answers.results import Results
from didact.store.store import Store
from didact.teaching.gtn import GTN
from didact.tensors import Batch

VERSION = 1
"""Part of the key of stored results; raised when the same student gets another prediction."""

VALIDATION = 0.1
"""The share of the training images that messages propose for the validation split."""

BATCH = 256
"""Largest batch for the statistics of batch norms, in images."""


class Predictor:
    """Predicts accuracies of a pool's students. Each is computed once, in float32, and stored with
    the teacher's Record.

    Args:
        store: the store with the run's Record.
        run: a generic teacher, with students that start from the images.
        images: largest number of training images for the norms' statistics, drawn with the run's
            seed.
        device: torch device of the computation.

    Attributes:
        pool: the students to choose from.
        results: the stored results of the run's Record.

    Raises:
        UnsuitableError: no generic teacher, no validation split, or students without first blocks.
        LookupError: the run has no Record.
    """

    def __init__(self, store: Store, run: Run, images: int = 1024, device: str = "cpu") -> None:
        self.pool = pool_of(run)
        self.store = store
        self.run = run
        self.images = images
        self.device = device
        self.results = Results(store.existing(run), store.once)
        self._known: dict[str, float] = {}

    def accuracy(self, name: str) -> float:
        """Predicted top-1 accuracy of the student ``name`` on the validation split, in percent.

        Raises:
            SpecError: it is not in the pool. The message names the nearest student.
        """
        name = self.pool.canonical_name(name)
        if name not in self._known:
            file, question = f"predicted-{self.images}", {"student": name, "version": VERSION}
            stored = self.results.get(file, question, float)
            self._known[name] = self.results.put(file, question, self._predicted(name)) if stored is None else stored
        return self._known[name]

    def _predicted(self, name: str) -> float:
        net = self.student(name)
        split = self._validation
        with torch.no_grad():
            batches = evaluation_batches(self._dataset, split)
            right = sum(int(hits(net(batch.images), batch.labels)[0]) for batch in batches)
        return 100 * right / len(split)

    def student(self, name: str) -> BlockNet:
        """The student with its shared weights and its own batch norm statistics, in eval mode."""
        net = recalibrated(self._supernet.extract(name), (batch.images for batch in self._batches))
        return net.eval()

    def latency(self, name: str, settings: SearchSettings) -> float:
        """Milliseconds for one image on this machine (:mod:`didact.deploy.latency`).

        Raises:
            SpecError: ONNX Runtime cannot compute the student.
        """
        net, image = self._supernet.extract(name), facts(self.run.data).image
        if settings.runtime == "torch":
            return latency(net, image).median
        try:
            return onnx_latency(net, image, settings.bits).median
        except Unsupported as error:
            raise SpecError(f"runtime: {name} cannot be computed by ONNX Runtime: {error}; leave --runtime out") from error

    @cached_property
    def images_held(self) -> int:
        """Number of images in the validation split."""
        return len(self._validation)

    @cached_property
    def guess(self) -> float:
        """Accuracy in percent, on the validation split, of always answering its most frequent
        class."""
        return 100 * int(self._validation.labels.bincount().max()) / self.images_held

    def at_chance(self, best: float, students: int) -> bool:
        """Whether the best of this many students is no better than guessing; their order then has no
        meaning (:mod:`didact.runs.guessing`)."""
        return at_chance(best, self.images_held, self.guess, students)

    @cached_property
    def _supernet(self) -> Supernet:
        _, extras = self.store.load(self.run)
        assert isinstance(self.run.method, ForPool)
        return self.run.method.supernet(extras).to(self.device).eval().requires_grad_(False)

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
        """Batches of training images without augmentation, of nearly equal size, because they count
        equally."""
        train = self._dataset.train
        rows = torch.randperm(len(train), generator=stream(self.run.seed, "recalibration"))[: self.images]
        split = train.take(rows.sort().values.to(train.device))
        parts = -(-len(split) // BATCH)
        return list(evaluation_batches(self._dataset, split, -(-len(split) // parts)))


# ------------------------------------------------------------------------------- suitable runs


class UnsuitableError(SpecError):
    """A run whose pool cannot be searched.

    Attributes:
        instead: a similar run with a pool that can be searched.
    """

    def __init__(self, message: str, instead: Run) -> None:
        super().__init__(message)
        self.instead = instead


def pool_of(run: Run) -> Space | Pool:
    """The pool of a generic teacher, if its students can be predicted.

    Raises:
        UnsuitableError: see :class:`Predictor`. It names and holds a run to train instead.
        SpecError: the run is a student of such a teacher. The message names the teacher.
    """
    method = run.method
    if not isinstance(method, ForPool):
        teacher = run.teacher or run
        if isinstance(teacher.method, ForPool):
            pool_of(teacher)
            raise SpecError(
                f"{run.label} ({run.digest}) is no generic teacher, so it has no pool of students; "
                f"search its teacher {teacher.digest} instead"
            )
        raise UnsuitableError(
            f"{run.label} ({run.digest}) is no generic teacher, so it has no pool of students; train one first: "
            "method gtn, a validation split, and 0 in after (students that start from the images)",
            _suitable(_generic(teacher)),
        )
    lacks = method.lacks_whole_students()
    faults = [lacks] if lacks else []
    if run.data.validation == 0:
        faults.append("it has no validation split, and a search never uses the test set; train it with data.validation")
    if faults:
        raise UnsuitableError(f"{run.label} ({run.digest}) cannot be searched: {'; '.join(faults)}", _suitable(run))
    return method.pool


def _generic(teacher: Run) -> Run:
    """The network of ``teacher`` as a generic teacher that is trained alone; one with weights from
    a file begins with them."""
    alone = {"teacher": None, "route": None, "engine": None, "peers": (), "turn": 0, "given": None}
    start = None if teacher.given is None else Start(file=teacher.given)
    return replace(teacher, **alone, start=start, method=GTN(pool=SPACES["tiny"]))


def _suitable(run: Run) -> Run:
    """The generic teacher ``run`` with a validation split and students that start from the
    images."""
    assert isinstance(run.method, ForPool)
    with torch.device("meta"):
        blocks = len(network(run).shapes(facts(run.data).image).features)
    data = replace(run.data, validation=run.data.validation or VALIDATION)
    return replace(run, data=data, method=run.method.with_whole_students(blocks))
