"""Transfer: linear probes of finished runs on other data. Results are stored with the run's
Record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from didact.analysis.probe import Features, LogisticProbe, Probed, ProbeMethod, pooled
from didact.analysis.probe import probe as fit
from didact.data import Data, Dataset, Split, Streamed, available, evaluation_batches, facts, here, load, names
from didact.data.resize import resized
from didact.measure.similarity import networks
from didact.nets.blocks import BlockNet
from didact.runs.build import network
from didact.runs.run import Run
from didact.spec import SpecError, digest, plural, to_json
from didact.store.answers.results import Results
from didact.store.record import Record
from didact.store.store import Store

VERSION = 1
"""Part of the key of stored results; raised when the same probe gives another result."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class ProbeResult:
    """Accuracy of a linear classifier on the features that a run's network computes for other data.

    Attributes:
        run, data, method: the probed run, the data set, and the settings of the classifier.
        size: height and width in pixels of the images that the network received.
        train, test: numbers of images.
        probed: the figures.
    """

    run: Run
    data: Data
    method: ProbeMethod
    size: int
    train: int
    test: int
    probed: Probed

    @property
    def images(self) -> str:
        """What the probe's images are called."""
        return _label(self.data)

    @property
    def name(self) -> str:
        """ "exact" or "sgd"."""
        return name(self.method)

    @property
    def optimal(self) -> bool:
        """Whether the exact probe reached its optimum (not with a NaN gradient). Always true for
        other probes."""
        return not isinstance(self.method, LogisticProbe) or (self.probed.slope or 0) <= self.method.tolerance

    def plain(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return {
            "digest": self.run.digest,
            "run": self.run.label,
            "data": to_json(self.data),
            "probe": {"name": self.name} | to_json(self.method),
            "size": self.size,
            "images": {"train": self.train, "test": self.test},
            "top1": list(self.probed.top1),
            "train_top1": list(self.probed.train_top1),
            "slope": self.probed.slope,
        }


def name(method: ProbeMethod) -> str:
    """ "exact" or "sgd"."""
    return "exact" if isinstance(method, LogisticProbe) else "sgd"


def probe(
    store: Store,
    runs: Sequence[Run],
    data: Sequence[Data],
    methods: Sequence[ProbeMethod] = (LogisticProbe(),),
    size: int | None = None,
    device: str = "cpu",
    tell: Tell = lambda line: None,
) -> list[ProbeResult]:
    """Probe every run on every data set by every method. Stored results are read; a store that only
    reads gives no others. Ordered by data, run, method.

    The network runs in float32 on images prepared as for its own training: resized to ``size`` (by
    default the size that it was trained at, 32 for CIFAR), normalised by the statistics of its own
    data, not augmented. Its feature vectors are computed once for all methods.

    Raises:
        SpecError: the network does not take the images, or not at this size.
        DataError: the data are missing and cannot be downloaded. Raised before anything is
            computed.
        LookupError: a run has no Record.
    """
    data = [replace(settings, augment="none") for settings in data]  # probes never augment
    records = {run.digest: store.existing(run) for run in runs}
    results = {of: Results(record, store.once) for of, record in records.items()}
    targets = [
        [
            _Target(run, one, fitting_size(run, one, size), results[run.digest], _normalisation(run, records[run.digest]))
            for run in runs
        ]
        for one in data
    ]
    missing = {t.data for row in targets for t in row if any(t.stored(method) is None for method in methods)}
    if not store.computes:
        return [found for row in targets for t in row for method in methods if (found := t.stored(method)) is not None]
    available(missing, tell)
    answers: list[ProbeResult] = []
    for settings, row in zip(data, targets, strict=True):
        images = _Images(settings, device)
        for target in row:
            features: tuple[Features, Features] | None = None
            for method in methods:
                result = target.stored(method)
                if result is None:
                    if features is None:
                        tell(f"{target.run.label} computes features of {_label(settings)}")
                        features = images.features(networks(store, target.run, device)[0], target)
                    tell(f"{target.run.label} on {_label(settings)}: {name(method)}")
                    probed = fit(*features, facts(settings).classes, method)
                    result = target.put(method, len(features[0]), len(features[1]), probed)
                answers.append(result)
    return answers


Normalisation = tuple[list[float], list[float]]
"""Mean and deviation of each channel."""


def _normalisation(run: Run, record: Record) -> Normalisation | None:
    """How the run's own images were normalised, where that was computed from them; None where the
    data set says it."""
    if run.data.size is None and run.data.holds is None:
        return None
    images = record.images()
    return images["mean"], images["std"]


def _label(data: Data) -> str:
    """Without that they are not augmented, as no probe's are."""
    return replace(data, augment=None).label


def fitting_size(run: Run, data: Data, size: int | None = None) -> int:
    """The image size for probing ``run`` on ``data``; SpecError if the network cannot take it."""
    trained, probed = facts(run.data).image, facts(data).image
    if trained[0] != probed[0]:
        raise SpecError(
            f"{run.label} ({run.digest}) takes images of {plural(trained[0], 'channel')}, as {run.data.title} has; "
            f"{data.title} has {probed[0]}; {_alike(run.data.title, trained[0])}"
        )
    if size is None and trained[1] != trained[2]:
        raise SpecError(
            f"size: {run.label} ({run.digest}) is trained on images of {trained[1]}x{trained[2]}, and a probe resizes to "
            f"squares; name a size, e.g. size={min(trained[1:])}"
        )
    size = trained[1] if size is None else size
    if size < 1:
        raise SpecError(f"size: at least 1, found {size}")
    try:
        with torch.device("meta"):
            network(run).shapes((trained[0], size, size))
    except (ValueError, RuntimeError) as error:
        raise SpecError(f"size: {run.label} ({run.digest}) at {size}x{size}: {error}") from None
    return size


def _alike(trained: str, channels: int) -> str:
    """Names the data sets of the catalogue, except the run's own (``trained``), with this number of
    channels."""
    others = [name for name in names() if name != trained and facts(Data(name=name)).image[0] == channels]
    kind = plural(channels, "channel")
    if not others:
        return f"no other data set of the catalogue has images of {kind}, so it can be probed on {trained} only"
    return f"others with {kind}: {', '.join(others)}"


@dataclass(frozen=True)
class _Target:
    """A run, and the data and image size to probe it on."""

    run: Run
    data: Data
    size: int
    _results: Results
    normalisation: Normalisation | None

    def stored(self, method: ProbeMethod) -> ProbeResult | None:
        """The stored result; None if there is none, or if it covers another part of the data."""

        def read(plain: Any) -> tuple[int | None, ProbeResult]:
            figures = Probed(tuple(plain["top1"]), tuple(plain["train_top1"]), plain["slope"])
            return plain["here"], ProbeResult(self.run, self.data, method, self.size, plain["train"], plain["test"], figures)

        answer = self._results.get(self._name(method), self._question(method), read)
        if answer is None:
            return None
        images, result = answer
        return result if here(self.data) in (None, images) else None

    def put(self, method: ProbeMethod, train: int, test: int, probed: Probed) -> ProbeResult:
        """Store a result and return it."""
        figures = {"top1": probed.top1, "train_top1": probed.train_top1, "slope": probed.slope}
        images = {"train": train, "test": test, "here": here(self.data)}
        self._results.put(self._name(method), self._question(method), images | figures)
        return ProbeResult(self.run, self.data, method, self.size, train, test, probed)

    def _question(self, method: ProbeMethod) -> dict[str, Any]:
        # the key stays "way", because stored results are found by it
        settings = {"name": name(method)} | to_json(method)
        own = {} if self.normalisation is None else {"normalisation": self.normalisation}
        return {"data": to_json(self.data), "way": settings, "size": self.size, "version": VERSION} | own

    def _name(self, method: ProbeMethod) -> str:
        return f"probe-{digest(self._question(method))}"


class _Images:
    """A data set, read at its first use, and resized once for all runs with the same image size."""

    def __init__(self, data: Data, device: str) -> None:
        self.data = data
        self.device = device
        self.at: tuple[int, Dataset] | None = None

    def features(self, net: BlockNet, target: _Target) -> tuple[Features, Features]:
        """The network's feature vectors of the training and the test images."""
        trained = facts(target.run.data)
        mean, std = target.normalisation or (trained.mean, trained.std)
        dataset = replace(self._sized(target.size), mean=tuple(mean), std=tuple(std))
        train, test = (pooled(net, evaluation_batches(dataset, split)) for split in (dataset.train, dataset.test))
        return train, test

    def _sized(self, size: int) -> Dataset:
        if self.at is None or self.at[0] != size:
            self.at = None  # free these pixels before the next are read
            whole = load(self.data)
            train, test = (resized(_whole(split), size).to(self.device) for split in (whole.train, whole.test))
            shape = (whole.image[0], size, size)
            self.at = size, replace(whole, train=train, test=test, validation=None, image=shape)
        return self.at[1]


def _whole(split: Split | Streamed) -> Split:
    return split if isinstance(split, Split) else split.take(torch.arange(len(split)))
