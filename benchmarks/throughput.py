"""Student images a second and peak memory of a knowledge distillation step, data included, beside a plain loop.

All variants in one run, each in a process of its own; they take turns, so that a machine that slows down slows all of them.

    plain     the loop most code bases have: fp32, contiguous, images augmented one by one, .item() in every step (README)
    learner   one didact learner (KD), by the engine's own loader and step, in the device's best precision
    cohortN   N of them that share batches and one teacher pass
    kept      one learner that reads its teacher's kept answers from disk (--keep-answers); keeping them is not timed
    onnx      one learner, its teacher computed by ONNX Runtime in float32 (--teacher.engine onnx)
    int8      the same in 8 bits (--teacher.precision int8)
    +graph    learner and cohortN only, on a GPU, e.g. learner+graph: steps recorded as CUDA graphs (--capture on)
    +streams  the same, each learner on a stream of its own (--streams); +graph+streams both; +compile by torch.compile
    limit     the teacher's bare forward pass and the student's bare training step, on one batch: what "learner" could reach
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any

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
from didact.engine.recipe import Recipe, best_precision
from didact.engine.tally import Tally
from didact.engine.teach import autocast, teach
from didact.engine.threads import wait_passively
from didact.engine.whole import Steps
from didact.method import Method, Pair
from didact.nets.blocks import Shapes, macs
from didact.nets.folded import folded
from didact.seeds import seeded
from didact.spec import choose
from didact.store.answers.epoch import EpochAnswers
from didact.store.answers.series import Answers, Keep

CIFAR = facts(Data(name="cifar100"))
GOALS = {
    "cpu": {"learner": 2.0, "cohort12": 4.5, "kept": 3.0, "int8": 2.0},
    "cuda": {"learner": 4.0, "cohort12": 12.0},
}  # the CPU's: with 2 cores
Step = tuple[int, Tensor]  # images in a step that was just given to the device, and something of its loss, not yet read
Row = dict[str, Any]


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


def serve(options: argparse.Namespace, variant: str, line: connection.Connection) -> None:
    """The process of one variant: it takes the number of steps that each message names, and sends its figures at the end."""
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    torch.set_num_threads(options.threads)
    methods, bare, done = options.variants[variant], {"plain": plain, "limit": limit}, []
    steps = cohort(options, methods, variant) if methods else bare[variant](options)
    while count := line.recv():
        done += timed(steps, count, options.device)
        line.send(len(done))
    row = speed(options, len(methods), *zip(*done[options.warmup :], strict=True))
    row |= {"peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "floor_rss_mib": floor}
    row |= {"peak_gpu_mib": torch.cuda.max_memory_allocated() // 2**20} if options.device == "cuda" else {}
    line.send(row)


def timed(steps: Iterator[Step], count: int, device: str) -> list[tuple[int, float]]:
    """Images and seconds of each of ``count`` steps. A GPU has nothing to do before the first, and is waited for at the end."""
    gpu, made, marks = device == "cuda", [(0, torch.zeros(1))], []
    for position in range(count + 1):
        marks.append(torch.cuda.Event(enable_timing=True) if gpu else time.perf_counter())
        if gpu:
            marks[-1].record()
        made += [next(steps)] if position < count else []
    if gpu:
        torch.cuda.synchronize()
    assert made[-1][1].isfinite().all(), "the speed of NaN is nobody's concern"
    seconds = [a.elapsed_time(b) / 1000 if gpu else b - a for a, b in itertools.pairwise(marks)]
    return [(images, took) for (images, _), took in zip(made[1:], seconds, strict=True)]


def speed(options: argparse.Namespace, size: int, images: tuple[int, ...], seconds: tuple[float, ...]) -> Row:
    """Student images a second by the median step and by the total; operations count a backward pass as two forward ones."""
    median, total, students = float(np.median(seconds)), sum(seconds), max(1, size)
    taught, learnt = (macs(nets.create(name, CIFAR.classes), CIFAR.image) for name in (options.teacher, options.student))
    return {
        "learners": students,
        "seconds": round(total, 4),
        "step_seconds": {"median": round(median, 6), "min": round(min(seconds), 6), "max": round(max(seconds), 6)},
        "images_per_second": round(students * options.batch / median, 1),
        "images_per_second_total": round(students * sum(images) / total, 1),
        "operations_per_second": round(2 * options.batch * (taught + 3 * students * learnt) / median),
    }


def measure(options: argparse.Namespace) -> dict[str, Row]:
    """Start everybody one after the other, let them take turns, and hear how it went."""
    wait_passively()  # for the processes that are begun here: each imports torch anew
    lines: list[connection.Connection] = []
    for variant in options.variants:
        ours, theirs = (spawn := get_context("spawn")).Pipe()
        spawn.Process(target=serve, args=(options, variant, theirs), daemon=True).start()
        theirs.close()  # so that a process that fails is an end of file here, after its traceback
        ours.send(options.warmup)
        ours.recv()
        lines.append(ours)
    turn = max(1, options.steps // 10)
    for first in range(0, options.steps, turn):
        for line in lines:
            line.send(min(turn, options.steps - first))
            line.recv()
    for line in lines:
        line.send(0)
    return {variant: line.recv() for variant, line in zip(options.variants, lines, strict=True)}


def relate(rows: dict[str, Row], device: str) -> None:
    """Add what each row is beside the plain loop, beside its goal and, on a GPU, beside a large bf16 product."""
    peak = 0.0
    if device == "cuda":
        factor = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)
        products = ((1, torch.mm(factor, factor, out=out)) for out in itertools.repeat(factor.clone()))
        peak = 2 * 8192**3 / min(seconds for _, seconds in timed(products, 100, device))
    for variant, row in rows.items():
        if "plain" in rows:
            row["ratio"] = round(row["images_per_second"] / rows["plain"]["images_per_second"], 2)
            row["ratio_total"] = round(row["images_per_second_total"] / rows["plain"]["images_per_second_total"], 2)
        if "limit" in rows:
            row["of_limit"] = round(row["images_per_second"] / rows["limit"]["images_per_second"], 2)
        row["goal"] = GOALS[device].get(variant)
        row |= {"bf16_peak": round(peak), "share_of_peak": round(row["operations_per_second"] / peak, 4)} if peak else {}


def about(options: argparse.Namespace) -> Row:
    """What a figure must name: machine, date, versions, commit (-dirty where files differ from it), command."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [row for row in cpuinfo.read_text().splitlines() if row.startswith("model name")] if cpuinfo.exists() else []
    machine = {"processor": models[0].partition(": ")[2] if models else "unknown", "cores": os.cpu_count()}
    describe = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    commit = subprocess.run(describe, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "benchmark": Path(sys.argv[0]).stem,
        "command": " ".join(["python", *sys.argv]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit or "unknown",
        "machine": machine | ({"gpu": torch.cuda.get_device_name()} if options.device == "cuda" else {}),
        "load_average": os.getloadavg()[0],
        "torch": torch.__version__,
        "settings": {key: value for key, value in vars(options).items() if key != "out"},
    }


def size(parser: argparse.ArgumentParser, variant: str, device: str) -> int:
    """How many learners a variant has; none where it is nothing of didact's."""
    name, *marks = variant.split("+")
    fixed = {"plain": 0, "limit": 0, "learner": 1, "kept": 1, "onnx": 1, "int8": 1}
    if name not in fixed and not name.removeprefix("cohort").isdecimal():
        parser.error(f"--variants: {', '.join(fixed)} or cohortN, found {name}")
    if set(marks) - {"graph", "streams", "compile"} or (marks and name != "learner" and not name.startswith("cohort")):
        parser.error(f"--variants: learner and cohortN take +graph, +streams and +compile, found {variant}")
    if device != "cuda" and {"graph", "streams"} & set(marks):
        parser.error(f"--variants: {variant} needs a GPU; write --device cuda")
    return fixed[name] if name in fixed else int(name.removeprefix("cohort"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default="plain,learner,cohort4,cohort12,limit")
    parser.add_argument("--teacher", default="resnet32x4", type=nets.resolve)
    parser.add_argument("--student", default="resnet8x4", type=nets.resolve)
    parser.add_argument("--batch", default=64, type=int)
    parser.add_argument("--device", default="cpu", choices=sorted(GOALS))
    parser.add_argument("--compile", action="store_true", help="torch.compile the learners of the didact variants")
    parser.add_argument("--threads", default=torch.get_num_threads(), type=int)
    parser.add_argument("--steps", type=int, help="timed steps of each variant; 30 on the CPU, 400 on a GPU")
    parser.add_argument("--out", default=os.devnull, type=Path, help="JSON file")
    options = parser.parse_args()
    options.variants = {variant: ["kd"] * size(parser, variant, options.device) for variant in options.variants.split(",")}
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU on this machine")
    options.precision = best_precision(options.device)
    options.warmup, usual = (20, 400) if options.device == "cuda" else (2, 30)
    options.steps = options.steps or usual
    options.out.parent.mkdir(parents=True, exist_ok=True)
    result = about(options) | {"variants": (rows := measure(options))}
    relate(rows, options.device)
    hidden = ("learners", "seconds", "step_seconds", "images_per_second_total", "operations_per_second", "bf16_peak")
    for name, row in {"variant": {key: key for key in next(iter(rows.values()))}, **rows}.items():
        print(f"{name:9}", *(f"{row[key] or '':>{len(key)}}" for key in row if key not in hidden))
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
