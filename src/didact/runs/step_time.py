"""How long a step of a training takes on this machine, measured on a few steps with images of
noise. Nothing is kept.
"""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from didact.data import Loader, MixedLoader, mixing_loader
from didact.engine.learner import Learner
from didact.engine.step import advance
from didact.engine.tally import Tally
from didact.engine.teach import teach
from didact.nets.blocks import BlockNet
from didact.runs.build import network
from didact.runs.rehearsal import learner, noise
from didact.runs.run import Run
from didact.seeds import preserved

STEPS = 8
"""Steps that are timed; two before them are not."""
WARM_UP = 2


def step_seconds(run: Run, device: str = "cpu", steps: int = STEPS) -> float:
    """Wall-clock seconds of the fastest of a few steps of ``run`` alone: batch, teacher's pass, forward,
    backward and update.

    The networks are fresh and the images are noise, which changes no operation. A method with
    several stages is measured in its first. The process's threads are used as they are set.

    Args:
        run: a training without peers.
        device: where it would be trained.
        steps: how many are timed, at least one.

    Raises:
        ValueError: ``steps`` below 1, or a run with peers.
    """
    if steps < 1 or run.peers:
        raise ValueError(f"step_seconds times at least one step of a run without peers, found steps={steps}, {run.label}")
    batch = run.recipe.batch_size
    with preserved():
        dataset = noise(run.data, batch * (WARM_UP + steps))
        teacher = network(run.teacher).eval().requires_grad_(False).to(device) if run.teacher else None
        student = learner(run, "timed", teacher, dataset, batch, device)
        there = replace(dataset, train=dataset.train.to(device))
        loader = Loader(there, batch_size=batch, data_seed=0, views=student.views)
        taken = _timed(student, teacher, mixing_loader(loader, run.recipe.mixing, there.classes))
    return min(taken[WARM_UP:])  # other work on the machine only adds to it


def _timed(student: Learner, teacher: BlockNet | None, loader: Loader | MixedLoader) -> list[float]:
    """Seconds of each step of an epoch; a GPU is waited for."""
    student.train_mode()
    tallies = {student.label: Tally(student.device)}
    taken: list[float] = []
    begun = time.perf_counter()
    for step, batch in enumerate(loader.epoch(0)):
        taught = teach(teacher, batch, [student], student.recipe.precision)
        advance([student], batch, taught, step, len(loader), tallies)
        if student.device.type == "cuda":
            torch.cuda.synchronize(student.device)
        now = time.perf_counter()
        taken.append(now - begun)
        begun = now
    return taken
