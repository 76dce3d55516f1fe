"""What a training computes and holds in memory, counted in real steps on a few images of noise, one
in every stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from didact.data import Loader, facts, mixing_loader, training_images
from didact.engine.learner import Learner
from didact.engine.step import advance
from didact.engine.tally import Tally
from didact.engine.teach import teach
from didact.execution import given
from didact.nets.blocks import BlockNet
from didact.nets.folded import folded
from didact.runs.build import network
from didact.runs.rehearsal import learner, noise
from didact.runs.run import Run
from didact.runs.work import forward
from didact.seeds import preserved
from didact.tensors import Batch

FEW = 4
"""Images in a step whose operations are counted."""


@dataclass(frozen=True)
class Trial:
    """What a training takes, whatever computes it. A run of a group has an equal share of what its
    group takes.

    Attributes:
        own: floating-point operations of its network, its method and the test after every epoch,
            over the whole training.
        teacher: those of its teacher's passes, which a cohort shares.
        first: operations for an image in its first stage, its teacher's pass included.
        image: bytes that a step holds for each image until its backward pass.
        weights: bytes of the parameters and buffers of its network and of what its method adds.
        moving: bytes of the parameters among them.
        frozen: bytes of its teacher's parameters.
    """

    own: float
    teacher: float
    first: float
    image: float
    weights: int
    moving: int
    frozen: int


def tried(run: Run) -> Trial:
    """A step in every stage of ``run``'s training, on the CPU."""
    with preserved():
        dataset = noise(run.data, FEW)
        teacher = None if run.teacher is None else network(run.teacher).eval().requires_grad_(False)
        learners = [learner(one, str(turn), teacher, dataset, FEW) for turn, one in enumerate(run.group)]
        views = frozenset[str]().union(*(one.views for one in learners))
        own = {one.label: 0 for one in learners if one.own_images}
        loader = Loader(dataset, batch_size=FEW, data_seed=0, views=views, renderings=own)
        batch = next(iter(mixing_loader(loader, run.recipe.mixing, dataset.classes).epoch(0)))
        return _tried(run, learners, teacher, batch)


def _tried(run: Run, learners: list[Learner], teacher: BlockNet | None, batch: Batch) -> Trial:
    shown = None if teacher is None else folded(teacher)
    images, mine = training_images(run.data), learners[run.turn]
    stages: list[tuple[int, _Step]] = []
    for stage in mine.stages:
        length = 0 if run.given is not None else stage.length(run.recipe.epochs)
        stages.append((length, _step(shown, learners, batch)))
        for one in learners:
            for _ in range(length):
                one.end_epoch()
    tests = run.epochs if run.given is None else given.PASSES
    test = tests * facts(run.data).test * 2 * forward(run)
    moving = _bytes([*mine.net.parameters(), *mine.extras.parameters()])
    return Trial(
        own=sum(length * images * step.own for length, step in stages) / len(learners) + test,
        teacher=sum(length * images * step.teacher for length, step in stages),
        first=stages[0][1].own / len(learners) + stages[0][1].teacher,
        image=max(step.saved for _, step in stages) / len(learners),
        weights=moving + _bytes([*mine.net.buffers(), *mine.extras.buffers()]),
        moving=moving,
        frozen=0 if teacher is None else _bytes(list(teacher.parameters())),
    )


def _bytes(tensors: list[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


@dataclass(frozen=True)
class _Step:
    """Of a step, for each image: operations of the learners and of the teacher, and bytes held for
    the backward passes.
    """

    own: float
    teacher: float
    saved: float


def _step(teacher: BlockNet | None, learners: list[Learner], batch: Batch) -> _Step:
    for one in learners:
        one.train_mode()
    tallies = {one.label: Tally(one.device) for one in learners}
    with FlopCounterMode(display=False) as passes:
        taught = teach(teacher, batch, learners, learners[0].recipe.precision)
    with FlopCounterMode(display=False) as steps, _saved(learners) as saved:
        advance(learners, batch, taught, 0, 1, tallies)
    return _Step(steps.get_total_flops() / FEW, passes.get_total_flops() / FEW, sum(saved.values()) / FEW)


@contextmanager
def _saved(learners: list[Learner]) -> Iterator[dict[int, int]]:
    """Bytes by address of what is saved for the backward passes, without parameters and buffers."""
    parts: list[nn.Module] = [part for one in learners for part in (one.net, one.extras)]
    known = {x.untyped_storage().data_ptr() for part in parts for x in (*part.parameters(), *part.buffers())}
    saved: dict[int, int] = {}
    kept: list[Tensor] = []  # so that no address is used twice

    def pack(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage.data_ptr() not in known:
            saved[storage.data_ptr()] = storage.nbytes()
            kept.append(x.detach())
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        yield saved
