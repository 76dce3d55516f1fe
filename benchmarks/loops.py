"""Steps of knowledge distillation that are timed: a plain loop, learners and cohorts of didact, and what bounds both."""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from didact import nets
from didact.data import Data, Dataset, Loader, Split, facts
from didact.engine.captured import Captured, CudaGraphs
from didact.engine.lanes import OneLane, Streams
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.tally import Tally
from didact.engine.teach import autocast, teach
from didact.engine.whole import Steps
from didact.method import Method, Pair
from didact.nets.blocks import Shapes
from didact.nets.folded import folded
from didact.seeds import seeded
from didact.spec import choose
from didact.store.answers.epoch import EpochAnswers
from didact.store.answers.series import Answers, Keep

CIFAR = facts(Data(name="cifar100"))
Step = tuple[int, Tensor]  # images in a step that was just given to the device, and something of its loss, not yet read


def pixels() -> tuple[Tensor, Tensor]:
    """Noise in the shape of the training set: uint8 (n, h, w, c), and labels."""
    random = torch.Generator().manual_seed(0)
    made = torch.randint(256, (CIFAR.train, 32, 32, 3), dtype=torch.uint8, generator=random)
    return made, torch.randint(CIFAR.classes, (CIFAR.train,), generator=random)


def network(name: str, seed: int, *, teaches: bool = False) -> nets.BlockNet:
    """Untrained; a teacher is frozen, after its batch norms have seen noise, so that its activations are of a usual size."""
    with seeded(seed, name):
        net = nets.create(name, CIFAR.classes)
        if teaches:
            torch.optim.swa_utils.update_bn([torch.randn(16, *CIFAR.image)], net)
            net.eval().requires_grad_(False)
    return net


def one_by_one(batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches as a DataLoader without workers makes them: pad, random crop, flip, to float, normalise image by image."""
    made, labels = pixels()
    mean, std = np.array(CIFAR.mean, np.float32), np.array(CIFAR.std, np.float32)
    random = np.random.default_rng(0)

    def one(row: int) -> Tensor:
        y, x = random.integers(0, 2 * CIFAR.padding + 1, 2)
        picture = ImageOps.expand(Image.fromarray(made[row].numpy()), CIFAR.padding).crop((x, y, x + 32, y + 32))
        picture = ImageOps.mirror(picture) if random.random() < 0.5 else picture
        return torch.from_numpy(((np.asarray(picture, np.float32) / 255 - mean) / std).transpose(2, 0, 1).copy())

    while True:
        for rows in torch.randperm(len(labels)).split(batch):
            yield torch.stack([one(row) for row in rows.tolist()]), labels[rows]


def plain(options: argparse.Namespace) -> Iterator[Step]:
    """The loop that most code bases have. Nothing of didact but the networks, which are called as ordinary modules."""
    torch.backends.cudnn.benchmark = True  # as those code bases set it
    teacher = network(options.teacher, 0, teaches=True).to(options.device)
    student = network(options.student, 1).to(options.device).train()
    optimiser = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    meters = []
    for images, labels in one_by_one(options.batch):
        images, labels = images.to(options.device), labels.to(options.device)
        zs = student(images)
        with torch.no_grad():
            zt = teacher(images)
        kl = F.kl_div(F.log_softmax(zs / 4, 1), F.softmax(zt / 4, 1), reduction="batchmean") * 16
        loss = 0.1 * F.cross_entropy(zs, labels) + 0.9 * kl
        found = zs.topk(5, 1).indices == labels[:, None]
        meters.append((loss.item(), found[:, 0].float().mean().item(), found.any(1).float().mean().item()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield len(images), loss.detach()


def limit(options: argparse.Namespace) -> Iterator[Step]:
    """What networks and optimiser take by themselves: no data, no method, no tally; everything else as a learner has it."""
    about = torch.device(options.device)
    layout = {"device": about, "memory_format": torch.channels_last}
    teacher = folded(network(options.teacher, 0, teaches=True)).to(**layout)
    student = network(options.student, 1).to(**layout).train()
    optimiser = torch.optim.SGD(student.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)
    images = torch.randn(options.batch, *CIFAR.image).to(**layout)
    labels = torch.arange(options.batch, device=about) % CIFAR.classes
    while True:
        with autocast(about, options.precision):
            with torch.no_grad():
                teacher(images)
            zs = student(images)
        loss = F.cross_entropy(zs.float(), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        yield len(images), loss.detach()


def learner(
    options: argparse.Namespace, wanted: str | Method, seed: int, teacher: nets.BlockNet, labels: Tensor, compiled: bool
) -> Learner:
    """A learner by the method ``wanted``, at the beginning of its main stage, or of the stage named after an @."""
    name, _, stage = wanted.partition("@") if isinstance(wanted, str) else (wanted, "", "")
    method, net = choose(Method, name), network(options.student, seed)
    shapes, taught = net.shapes(CIFAR.image), teacher.shapes(CIFAR.image)
    with seeded(seed, "extras"):
        extras = method.build(Pair(net, shapes, CIFAR.image, CIFAR.classes, labels, options.batch, teacher, taught))
    recipe = Recipe(batch_size=options.batch, precision=options.precision, learning_rate=1e-4)  # noise teaches nothing
    one = Learner(
        label=str(seed),
        net=net,
        method=method,
        extras=extras,
        recipe=recipe,
        seed=seed,
        device=options.device,
        compiled=compiled,
        foreign=False,
    )
    while one.stage.name != stage if stage else not one.stage.main:
        one.end_epoch()
    return one


def cohort(options: argparse.Namespace, methods: Sequence[str | Method], way: str = "") -> Iterator[Step]:
    """Epochs of a learner for each of ``methods`` as didact.engine.train has them, without listeners and evaluation.

    Args:
        way: how the teacher answers: "onnx", "int8", "kept", or by torch; then marks, each after a +.
    """
    way, *marks = way.split("+")
    made, labels = pixels()
    split = Split.whole(made.permute(0, 3, 1, 2), labels).to(options.device)
    known = {name: getattr(CIFAR, name) for name in ("classes", "image", "mean", "std", "padding")}
    dataset = Dataset(data=Data(name="cifar100"), train=split, test=split, validation=None, names=(), order="", **known)
    teacher = network(options.teacher, 0, teaches=True)
    compiled = options.compile or "compile" in marks
    active = [learner(options, method, seed, teacher, labels, compiled) for seed, method in enumerate(methods, 1)]
    shapes = teacher.shapes(CIFAR.image)
    teacher = folded(teacher.to(options.device, memory_format=torch.channels_last))  # type: ignore[call-overload]
    if way in ("onnx", "int8"):
        teacher = by_engine(teacher, shapes, dataset, options, "fp32" if way == "onnx" else way)
    views = frozenset[str]().union(*(one.views for one in active))
    loader = Loader(dataset, batch_size=options.batch, data_seed=0, views=views)
    with tempfile.TemporaryDirectory() as folder:
        answers = keep(Path(folder), teacher, loader, active, options) if way == "kept" else None
        recorder = CudaGraphs(torch.device(options.device)) if "graph" in marks else None
        lanes = Streams(torch.device(options.device), len(active)) if "streams" in marks else OneLane()
        # the recorder's stream stays the current one between the steps, so that the marks of time are on it
        with nullcontext() if recorder is None else recorder.running():
            for epoch in itertools.count():
                tallies = {one.label: Tally(one.device) for one in active}
                for one in active:
                    one.train_mode()
                groups = [(one,) for one in active]
                steps = Steps(groups, len(loader), tallies, teacher, answers=answers, lanes=lanes)
                take = steps if recorder is None else Captured(steps, recorder)
                for step, batch in enumerate(loader.epoch(epoch)):
                    take(batch, step)
                    yield len(batch), tallies["1"].sums


def by_engine(
    teacher: nets.BlockNet, shapes: Shapes, dataset: Dataset, options: argparse.Namespace, precision: str
) -> nets.BlockNet:
    """The teacher as ONNX Runtime computes it, calibrated on a few batches: its speed does not depend on the ranges."""
    from didact.deploy.engine import Computed, exported, quantised

    model = exported(teacher, CIFAR.image, precision)
    if precision == "int8":
        batches = itertools.islice(Loader(dataset, batch_size=options.batch, data_seed=1).epoch(0), 4)
        model = quantised(model, (batch.images for batch in batches))
    return Computed(model, shapes, options.threads)


def keep(
    folder: Path, teacher: nets.BlockNet, loader: Loader, active: Sequence[Learner], options: argparse.Namespace
) -> EpochAnswers:
    """The teacher's kept answers for as many batches as are timed, and those before."""
    steps = options.warmup + options.steps
    assert steps <= len(loader), f"kept: at most {len(loader) - options.warmup} steps, which are of one epoch"
    store = Answers(folder, 10**12)
    series = store.open({}, "benchmark")
    with EpochAnswers(store, series, Keep(), 0, steps) as written:
        for batch in itertools.islice(loader.epoch(0), steps):
            teach(teacher, batch, active, options.precision, answers=written)
    return EpochAnswers(store, series, Keep(), 0, steps)
