"""A rehearsal of code of the user's own: real steps on a few images, so that what is wrong says so
before training.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from didact.data import (
    Data,
    Dataset,
    Loader,
    MixedLoader,
    Split,
    evaluation_batches,
    facts,
    mixing_loader,
    stored,
    training_images,
)
from didact.engine.evaluate import evaluate, refresh, watched
from didact.engine.learner import Learner
from didact.engine.step import advance
from didact.engine.tally import Tally
from didact.engine.teach import teach
from didact.nets.blocks import BlockNet
from didact.nets.splitting.answers import note
from didact.runs.build import extras, network, pair
from didact.runs.foreign import involved
from didact.runs.run import Run
from didact.seeds import preserved, stream
from didact.spec import SpecError
from didact.spec.foreign import running

IMAGES = 4
"""A batch of the rehearsal."""
REST = 2
"""The smallest last batch there is."""


def rehearse(run: Run) -> list[str]:
    """Do what training does once where code of the user's own is involved: a step in every stage,
    and the test. Nothing is kept.

    There is a step with a smaller last batch, too, where the run's epochs have one. The images are
    noise; the networks are fresh ones, on the CPU. Mixed images have a class that does not exist,
    so that no term can be taken with it.

    Returns what to tell of networks that answer by chance in eval mode.

    Raises:
        SpecError: a network's logits are not finite; the code raises something, or does not do what a method or a network should.
    """
    mine = involved(run)
    if not mine:
        return []
    smaller = training_images(run.data) % run.recipe.batch_size >= REST
    dataset = noise(run.data, IMAGES + (REST if smaller else 0))
    mixes = run.recipe.mixing.mixes
    images = "mixed images (batch.labels holds no class; read batch.targets)" if mixes else "images"
    with preserved(), running(", ".join(mine), f"in a first step on a few {images}"):
        teacher = network(run.teacher).eval().requires_grad_(False) if run.teacher else None
        learners = [learner(one, str(turn), teacher, dataset, IMAGES) for turn, one in enumerate(run.group)]
        networks = {one.net: its.net for one, its in zip(run.group, learners, strict=True)}
        if run.teacher is not None and teacher is not None:
            networks[run.teacher.net] = teacher
        notes = [told for name, net in networks.items() if (told := _answers(name, net, dataset.image))]
        step_in_stages(run, learners, teacher, dataset)
        evaluate(learners, evaluation_batches(dataset, dataset.test), "test")
    return notes


def step_in_stages(run: Run, learners: list[Learner], teacher: BlockNet | None, dataset: Dataset) -> None:
    """The training of ``run``'s group with one epoch in every stage."""
    views = frozenset().union(*(one.views for one in learners))
    own = {one.label: its.rendering_seed for its, one in zip(run.group, learners, strict=True) if one.own_images}
    loader = Loader(dataset, batch_size=IMAGES, data_seed=0, views=views, renderings=own)
    shown = mixing_loader(loader, run.recipe.mixing, dataset.classes)
    while not any(one.done for one in learners):
        if any(one.epoch == 0 for one in learners):
            _epoch(learners, shown, teacher, dataset)
        for one in learners:
            one.end_epoch()


def _answers(name: str, net: BlockNet, image: tuple[int, int, int]) -> str | None:
    """What to tell of the answers of the network ``name``.

    Raises:
        SpecError: they are not finite.
    """
    try:
        told = note(net, image)
    except ValueError as error:
        raise SpecError(f"{name} {error}") from None
    return None if told is None else f"{name} {told}"


def learner(run: Run, label: str, teacher: BlockNet | None, dataset: Dataset, batch: int, device: str = "cpu") -> Learner:
    """A learner for ``run`` as its training would begin it, on the images of ``dataset`` in batches
    of ``batch``.
    """
    net = network(run)
    two = replace(pair(run, net, teacher, dataset.train.labels), batch=batch)
    return Learner(
        label=label,
        net=net,
        method=run.method,
        extras=extras(run, two),
        recipe=run.recipe,
        seed=run.own_seed,
        device=device,
    )


def _epoch(learners: list[Learner], loader: Loader | MixedLoader, teacher: BlockNet | None, dataset: Dataset) -> None:
    refresh([learners], dataset)
    for one in learners:
        one.train_mode()
    tallies = {one.label: Tally(one.device) for one in learners}
    for step, batch in enumerate(loader.epoch(learners[0].total)):
        if isinstance(loader, MixedLoader) and loader.mixing.mixes:  # see rehearse
            batch = replace(batch, labels=torch.full_like(batch.labels, dataset.classes))
        taught = teach(teacher, batch, learners, learners[0].recipe.precision)
        advance(learners, batch, taught, step, len(loader), tallies)
    for one in learners:
        watched(one)


def noise(data: Data, images: int) -> Dataset:
    """Images of noise in the shape of ``data``, with its classes in turn, on the CPU."""
    about = facts(data)
    pixels = torch.randint(256, (images, *stored(data)), generator=stream(0, "rehearsal"), dtype=torch.uint8)
    few = Split.whole(pixels, torch.arange(images) % about.classes)
    names = tuple(str(number) for number in range(about.classes))
    return Dataset(data, few, few, few, about.classes, names, about.image, about.mean, about.std, about.padding, "")
