"""Transfer: linear probes of finished runs on other data, each done once and kept beside the run's Record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from didact.analysis.probe import Features, LogisticProbe, Probed, ProbeMethod, pooled
from didact.analysis.probe import probe as fit
from didact.data import Data, Dataset, available, evaluation_batches, facts, here, load, names
from didact.data.resize import resized
from didact.measure.similarity import networks
from didact.nets.blocks import BlockNet
from didact.runs.build import network
from didact.runs.run import Run
from didact.spec import SpecError, digest, to_json
from didact.store.record import Record
from didact.store.results import Results
from didact.store.store import Store

VERSION = 1
"""Rises when the same question has another answer, so that what was kept is not taken for it."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class ProbeResult:
    """How well a linear classifier does on what a run's network shows for other data.

    Attributes:
        run, data, way: what was asked.
        size: pixels on each side of the images that the network saw.
        train, test: how many images.
        probed: the figures.
    """

    run: Run
    data: Data
    way: ProbeMethod
    size: int
    train: int
    test: int
    probed: Probed

    @property
    def name(self) -> str:
        """ "exact" or "sgd"."""
        return name(self.way)

    @property
    def optimal(self) -> bool:
        """Whether the exact way reached its optimum; a gradient that is NaN is none. True of any other way."""
        return not isinstance(self.way, LogisticProbe) or (self.probed.slope or 0) <= self.way.tolerance

    def plain(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return {
            "digest": self.run.digest,
            "run": self.run.label,
            "data": to_json(self.data),
            "way": {"name": self.name} | to_json(self.way),
            "size": self.size,
            "images": {"train": self.train, "test": self.test},
            "top1": list(self.probed.top1),
            "train_top1": list(self.probed.train_top1),
            "slope": self.probed.slope,
        }


def name(way: ProbeMethod) -> str:
    """ "exact" or "sgd"."""
    return "exact" if isinstance(way, LogisticProbe) else "sgd"


def probe(
    store: Store,
    runs: Sequence[Run],
    data: Sequence[Data],
    ways: Sequence[ProbeMethod] = (LogisticProbe(),),
    size: int | None = None,
    device: str = "cpu",
    tell: Tell = lambda line: None,
) -> list[ProbeResult]:
    """Probe every run on every data set in every way; what was done before is read. Ordered by data, run, way.

    The network runs in float32 and sees images as it saw them in its own training: resized to ``size`` (by default the size
    that it was trained at, 32 for CIFAR), normalised by the statistics of its own data, not augmented. Its vectors are
    computed once for all ways.

    Raises:
        SpecError: a network that does not take the images; a size that it does not survive.
        DataError: the data are missing and cannot be downloaded; nothing has been computed by then.
        LookupError: a run has no Record.
    """
    wanted = [replace(one, augment="none") for one in data]  # nothing is augmented: not a part of the question
    beside = {run.digest: Results(_record(store, run), store.once) for run in runs}
    asked = [[_Asked(run, one, fitting_size(run, one, size), beside[run.digest]) for run in runs] for one in wanted]
    available({of.data for row in asked for of in row if any(of.kept(way) is None for way in ways)}, tell)
    answers: list[ProbeResult] = []
    for one, row in zip(wanted, asked, strict=True):
        images = _Images(one, device)
        for of in row:
            seen: tuple[Features, Features] | None = None
            for way in ways:
                kept = of.kept(way)
                if kept is None:
                    if seen is None:
                        tell(f"{of.run.label} looks at {one.label}")
                        seen = images.seen(networks(store, of.run, device)[0], of)
                    tell(f"{of.run.label} on {one.label}: {name(way)}")
                    kept = of.keep(way, len(seen[0]), len(seen[1]), fit(*seen, facts(one).classes, way))
                answers.append(kept)
    return answers


def _record(store: Store, run: Run) -> Record:
    record = store.get(run)
    if record is None:
        raise LookupError(f"{run.label} ({run.digest}) has not been trained; its folder would be {store.folder(run)}")
    return record


def fitting_size(run: Run, data: Data, size: int | None = None) -> int:
    """The size at which ``run`` looks at ``data``: a size that its network survives."""
    own, other = facts(run.data).image, facts(data).image
    if own[0] != other[0]:
        raise SpecError(
            f"{run.label} ({run.digest}) takes images of {_channels(own[0])}, as {run.data.title} has; "
            f"{data.title} has {other[0]}; {_alike(run.data.title, own[0])}"
        )
    if size is None and own[1] != own[2]:
        raise SpecError(
            f"size: {run.label} ({run.digest}) is trained on images of {own[1]}x{own[2]}, and a probe resizes to squares; "
            f"name a size, e.g. size={min(own[1:])}"
        )
    size = own[1] if size is None else size
    if size < 1:
        raise SpecError(f"size: at least 1, found {size}")
    try:
        with torch.device("meta"):
            network(run).shapes((own[0], size, size))
    except (ValueError, RuntimeError) as error:
        raise SpecError(f"size: {run.label} ({run.digest}) at {size}x{size}: {error}") from None
    return size


def _channels(count: int) -> str:
    return f"{count} channel{'s' * (count > 1)}"


def _alike(own: str, channels: int) -> str:
    """Which data sets of the catalogue, other than a run's ``own``, have images of so many channels."""
    found = [name for name in names() if name != own and facts(Data(name=name)).image[0] == channels]
    if not found:
        return f"no other data set of the catalogue has images of {_channels(channels)}, so it can be probed on {own} only"
    return f"of {_channels(channels)} are also {', '.join(found)}"


@dataclass(frozen=True)
class _Asked:
    """A run that is probed on ``data`` at ``size``."""

    run: Run
    data: Data
    size: int
    _results: Results

    def kept(self, way: ProbeMethod) -> ProbeResult | None:
        """What was found before; None where there is nothing, or of another part of the data."""

        def read(plain: Any) -> tuple[int | None, ProbeResult]:
            figures = Probed(tuple(plain["top1"]), tuple(plain["train_top1"]), plain["slope"])
            return plain["here"], ProbeResult(self.run, self.data, way, self.size, plain["train"], plain["test"], figures)

        found = self._results.get(self._name(way), self._question(way), read)
        return found[1] if found is not None and here(self.data) in (None, found[0]) else None

    def keep(self, way: ProbeMethod, train: int, test: int, probed: Probed) -> ProbeResult:
        figures = {"top1": probed.top1, "train_top1": probed.train_top1, "slope": probed.slope}
        images = {"train": train, "test": test, "here": here(self.data)}
        self._results.put(self._name(way), self._question(way), images | figures)
        return ProbeResult(self.run, self.data, way, self.size, train, test, probed)

    def _question(self, way: ProbeMethod) -> dict[str, Any]:
        way_ = {"name": name(way)} | to_json(way)
        return {"data": to_json(self.data), "way": way_, "size": self.size, "version": VERSION}

    def _name(self, way: ProbeMethod) -> str:
        return f"probe-{digest(self._question(way))}"


class _Images:
    """A data set, read when it is first looked at, and resized once for all runs that look at the same size."""

    def __init__(self, data: Data, device: str) -> None:
        self.data = data
        self.device = device
        self.at: tuple[int, Dataset] | None = None

    def seen(self, net: BlockNet, asked: _Asked) -> tuple[Features, Features]:
        """The network's vectors for the training and the test images."""
        own = facts(asked.run.data)
        dataset = replace(self._sized(asked.size), mean=own.mean, std=own.std)
        train, test = (pooled(net, evaluation_batches(dataset, split)) for split in (dataset.train, dataset.test))
        return train, test

    def _sized(self, size: int) -> Dataset:
        if self.at is None or self.at[0] != size:
            self.at = None  # let go of the pixels before others are read
            whole = load(self.data)
            train, test = (resized(split, size).to(self.device) for split in (whole.train, whole.test))
            shape = (whole.image[0], size, size)
            self.at = size, replace(whole, train=train, test=test, validation=None, image=shape)
        return self.at[1]
