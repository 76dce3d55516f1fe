"""For tests that train: networks drawn once and copied, their shapes found once, learners, a cohort's run, ears on it."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import torch

from didact.data import Dataset, Loader
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.train import Cohort, Fixed, Listener, Manner, train
from didact.execution.progress import Event, Learned, Show
from didact.method import Method, Pair
from didact.nets import create
from didact.nets.blocks import BlockNet, Shape, Shapes
from didact.seeds import seeded

Taught = tuple[BlockNet, Shapes]
"""A frozen teacher and its shapes."""


@functools.cache
def _drawn(name: str, classes: int, channels: int, seed: int, role: str) -> BlockNet:
    with seeded(seed, role), torch.device("cpu"):
        return create(name, classes, channels)


def network(name: str, classes: int = 10, channels: int = 1, *, seed: int = 0, role: str = "net") -> BlockNet:
    """A fresh network, a copy of the one that the stream ``role`` draws: drawing costs several times as much."""
    return copy.deepcopy(_drawn(name, classes, channels, seed, role))


@functools.cache
def shapes(name: str, image: Shape, classes: int = 10) -> Shapes:
    """The network's shapes for an image, which take longer to find than many a test."""
    with torch.device("meta"):
        return create(name, classes, image[0]).shapes(image)


def taught(name: str, image: Shape, classes: int = 10) -> Taught:
    """A frozen teacher, fresh, and its shapes."""
    net = network(name, classes, image[0], role="teacher").eval().requires_grad_(False)
    return net, shapes(name, image, classes)


def learner(
    method: Method,
    name: str,
    dataset: Dataset,
    recipe: Recipe,
    *,
    teacher: Taught | None = None,
    label: str = "one",
    seed: int = 0,
    **more: Any,
) -> Learner:
    """A learner of the network ``name``, with its extras; nothing in it is shared with other tests. ``more``: as Learner."""
    net = network(name, dataset.classes, dataset.image[0], seed=seed)
    about = (dataset.image, dataset.classes, dataset.train.labels, recipe.batch_size)
    with seeded(seed, "extras"):
        pair = Pair(net, shapes(name, dataset.image, dataset.classes), *about, *(teacher or (None, None)))
        extras = method.build(pair)
    return Learner(label=label, net=net, method=method, extras=extras, recipe=recipe, seed=seed, **more)


class Ear(Listener):
    """Calls a function after every epoch of every learner, with the epoch's metrics."""

    def __init__(self, after: Callable[[Learner, dict[str, Any]], object] = lambda one, row: None) -> None:
        self.after = after

    def learned(self, learner: Learner, row: dict[str, Any]) -> None:
        self.after(learner, row)


def hears(after: Callable[[Learned], object]) -> Show:
    """A Show that calls a function after every epoch of every run."""

    def show(event: Event) -> None:
        if isinstance(event, Learned):
            after(event)

    return show


def run(
    *groups: tuple[Learner, ...],
    dataset: Dataset,
    teacher: BlockNet | None = None,
    ear: Ear | None = None,
    views: frozenset[str] = frozenset(),
) -> None:
    """Train groups of learners to their end as one cohort; all see the views that any of them reads, and ``views``."""
    learners = [one for group in groups for one in group]
    views = views.union(*(one.views for one in learners))
    loader = Loader(dataset, batch_size=learners[0].recipe.batch_size, data_seed=0, views=views)
    shown = None if teacher is None else Fixed(teacher)
    train(Cohort(groups, loader, shown), dataset, [ear or Ear()], Manner(test_every=99))
