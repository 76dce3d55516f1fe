"""A rehearsal of code of the user's own: one real step on a few images, so that what is wrong says so before training."""

from __future__ import annotations

import torch

from didact.data import Data, Dataset, Loader, Split, evaluation_batches, facts
from didact.engine.evaluate import evaluate, refresh
from didact.engine.learner import Learner
from didact.engine.step import Tally, advance, teach
from didact.seeds import preserved, stream
from didact.spec.foreign import running
from didact.studies.foreign import involved
from didact.studies.run import Run, extras, network, pair

IMAGES = 4


def rehearse(run: Run) -> None:
    """Do what training does once where code of the user's own is involved: a step, and the test. Nothing is kept.

    The images are noise; the networks are fresh ones, on the CPU.

    Raises:
        SpecError: the code raises something, or does not do what a method or a network should.
    """
    mine = involved(run)
    if not mine:
        return
    dataset = _noise(run.data)
    with preserved(), running(", ".join(mine), "in a first step on a few images"):
        teacher = network(run.teacher).eval().requires_grad_(False) if run.teacher else None
        learners = []
        for turn, one in enumerate(run.group):
            net = network(one)
            added = extras(one, pair(one, net, teacher, dataset.train.labels))
            learners.append(
                Learner(label=str(turn), net=net, method=one.method, extras=added, recipe=one.recipe, seed=one.own_seed)
            )
        views = frozenset().union(*(one.views for one in learners))
        own = {one.label: 0 for one in learners if one.own_images}
        loader = Loader(dataset, batch_size=IMAGES, data_seed=0, views=views, renderings=own)
        refresh([learners], dataset)
        for one in learners:
            one.train_mode()
        batch = next(loader.epoch(0))
        taught = teach(teacher, batch, learners, run.recipe.precision)
        advance(learners, batch, taught, 0, len(loader), {one.label: Tally(one.device) for one in learners})
        evaluate(learners, evaluation_batches(dataset, dataset.test), "test")


def _noise(data: Data) -> Dataset:
    about = facts(data)
    pixels = torch.randint(256, (IMAGES, *about.image), generator=stream(0, "rehearsal"), dtype=torch.uint8)
    few = Split.whole(pixels, torch.arange(IMAGES) % about.classes)
    names = tuple(str(number) for number in range(about.classes))
    return Dataset(data, few, few, few, about.classes, names, about.image, about.mean, about.std, about.padding, "")
