"""Student images a second and peak memory of a knowledge distillation step, data included, beside a plain loop.

    python benchmarks/throughput.py --out benchmarks/results/throughput.json

All variants in one run, each in a process of its own; they take turns, so that a machine that slows down slows all of them.

    plain     the loop most code bases have: fp32, contiguous memory, a loop over images with Pillow and NumPy for the batch,
              a teacher pass for every student, .item() of loss and accuracies in every step
    learner   one didact learner (KD), by the engine's own loader and step, in the device's best precision
    cohortN   N of them that share batches and one teacher pass
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from didact import nets
from didact.data import Data, Dataset, Loader, Split, facts
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe, best_precision
from didact.engine.step import Tally, advance, teach
from didact.methods.kd import KD
from didact.nets.blocks import macs
from didact.seeds import seeded

CIFAR = facts(Data(name="cifar100"))
GOALS = {"cpu": {"learner": 2.0, "cohort12": 4.5}, "cuda": {"learner": 4.0, "cohort12": 12.0}}  # the CPU's: with 2 cores
Step = tuple[int, Tensor]
"""Images in a step that was just given to the device, and something of its loss, not yet read."""
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
            update_bn([torch.randn(16, *CIFAR.image)], net)
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
        values = (np.asarray(picture, np.float32) / 255 - mean) / std
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))

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


def cohort(options: argparse.Namespace, size: int) -> Iterator[Step]:
    """Epochs of ``size`` learners as didact.engine.train has them, without listeners and evaluation."""
    made, labels = pixels()
    split = Split.whole(made.permute(0, 3, 1, 2), labels).to(options.device)
    known = {name: getattr(CIFAR, name) for name in ("classes", "image", "mean", "std", "padding")}
    dataset = Dataset(data=Data(name="cifar100"), train=split, test=split, validation=None, names=(), order="", **known)
    loader = Loader(dataset, batch_size=options.batch, data_seed=0)
    teacher = network(options.teacher, 0, teaches=True)
    teacher = teacher.to(options.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    recipe = Recipe(batch_size=options.batch, precision=options.precision)
    shared: Row = {"method": KD(), "recipe": recipe, "device": options.device, "compiled": options.compile}
    active = [
        Learner(label=str(seed), net=network(options.student, seed), extras=nn.Module(), seed=seed, **shared)
        for seed in range(1, size + 1)
    ]
    for epoch in itertools.count():
        tallies = {one.label: Tally(one.device) for one in active}
        for one in active:
            one.train_mode()
        for step, batch in enumerate(loader.epoch(epoch)):
            taught = teach(teacher, batch, active, recipe.precision)
            for one in active:
                advance((one,), batch, taught, step, len(loader), tallies)
            yield len(batch), tallies["1"].sums


def serve(options: argparse.Namespace, size: int, line: Connection) -> None:
    """A variant's own process (size 0: plain): warm up, take as many steps as is asked, again and again; tell how it went."""
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    torch.set_num_threads(options.threads)
    steps, images, seconds = cohort(options, size) if size else plain(options), 0, []
    timed(steps, options.warmup, options.device)
    line.send("ready")
    while count := line.recv():
        made, took = timed(steps, count, options.device)
        images, seconds = images + made, seconds + took
        line.send("done")
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = speed(options, size, images, seconds) | {"peak_rss_mib": round(highest, 1), "floor_rss_mib": round(floor, 1)}
    if options.device == "cuda":
        row["peak_gpu_mib"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
    line.send(row)


def timed(steps: Iterator[Step], count: int, device: str) -> tuple[int, list[float]]:
    """Images in ``count`` steps, and the seconds of each. A GPU is waited for before the first and after the last."""
    gpu, images, loss, marks = device == "cuda", 0, torch.zeros(1), []
    for position in range(count + 1):
        if gpu and position in (0, count):
            torch.cuda.synchronize()
        marks.append(torch.cuda.Event(enable_timing=True) if gpu else time.perf_counter())
        if gpu:
            marks[-1].record()
        if position < count:
            made, loss = next(steps)
            images += made
    if gpu:
        torch.cuda.synchronize()
    assert loss.isfinite().all(), "the speed of NaN is nobody's concern"
    return images, [a.elapsed_time(b) / 1000 if gpu else b - a for a, b in itertools.pairwise(marks)]


def speed(options: argparse.Namespace, size: int, images: int, seconds: list[float]) -> Row:
    """Student images a second by the median step and by the total; operations count a backward pass as two forward ones."""
    median, students = float(np.median(seconds)), max(1, size)
    taught, learnt = (macs(nets.create(name, CIFAR.classes), CIFAR.image) for name in (options.teacher, options.student))
    return {
        "learners": students,
        "seconds": round(sum(seconds), 4),
        "step_seconds": {"median": round(median, 6), "min": round(min(seconds), 6), "max": round(max(seconds), 6)},
        "images_per_second": round(students * options.batch / median, 1),
        "images_per_second_total": round(students * images / sum(seconds), 1),
        "operations_per_second": round(2 * options.batch * (taught + 3 * students * learnt) / median),
    }


def measure(options: argparse.Namespace) -> dict[str, Row]:
    """Start everybody one after the other, let them take turns, and hear how it went."""
    spawn = get_context("spawn")
    lines: list[Connection] = []
    for size in options.variants.values():
        ours, theirs = spawn.Pipe()
        spawn.Process(target=serve, args=(options, size, theirs), daemon=True).start()
        theirs.close()  # so that a process that fails is an end of file here, after its traceback
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
        peak = 2 * 8192**3 / min(timed(((1, factor @ factor) for _ in itertools.count()), 100, device)[1])
    for variant, row in rows.items():
        if "plain" in rows:
            row["ratio"] = round(row["images_per_second"] / rows["plain"]["images_per_second"], 2)
            row["ratio_total"] = round(row["images_per_second_total"] / rows["plain"]["images_per_second_total"], 2)
        row |= {"goal": GOALS[device][variant]} if variant in GOALS[device] else {}
        row |= {"bf16_peak": round(peak), "share_of_peak": round(row["operations_per_second"] / peak, 4)} if peak else {}


def about(options: argparse.Namespace) -> Row:
    """What a figure must name: machine, date, versions, commit (with a + where the measured files differ), command."""
    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else []
    machine = {"processor": models[0] if models else "unknown", "cores": os.cpu_count()}
    git = ["git", "-C", str(Path(__file__).parent)]
    states = [[*git, "rev-parse", "HEAD"], [*git, "status", "--porcelain", "--", ":/src", ":/benchmarks/*.py"]]
    commit, changed = (subprocess.run(state, capture_output=True, text=True, check=False).stdout.strip() for state in states)
    return {
        "benchmark": "throughput",
        "command": shlex.join(["python", *sys.argv]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": (commit or "unknown") + ("+" if changed else ""),
        "machine": machine | ({"gpu": torch.cuda.get_device_name()} if options.device == "cuda" else {}),
        "load_average": os.getloadavg()[0],
        "torch": torch.__version__,
        "settings": {key: value for key, value in vars(options).items() if key != "out"},
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default="plain,learner,cohort4,cohort12")
    parser.add_argument("--teacher", default="resnet32x4", type=nets.resolve)
    parser.add_argument("--student", default="resnet8x4", type=nets.resolve)
    parser.add_argument("--batch", default=64, type=int)
    parser.add_argument("--device", default="cpu", choices=sorted(GOALS))
    parser.add_argument("--compile", action="store_true", help="torch.compile the learners of the didact variants")
    parser.add_argument("--threads", default=torch.get_num_threads(), type=int)
    parser.add_argument("--steps", type=int, help="timed steps of each variant; 30 on the CPU, 400 on a GPU")
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    fixed = {"plain": 0, "learner": 1}
    options.variants = {v: fixed[v] if v in fixed else int(v.removeprefix("cohort")) for v in options.variants.split(",")}
    options.precision = best_precision(options.device)
    options.warmup, usual = (20, 400) if options.device == "cuda" else (2, 30)
    options.steps = options.steps or usual
    return options


def main() -> None:
    options = arguments()
    result = about(options)
    result["variants"] = rows = measure(options)
    relate(rows, options.device)
    keys = "images_per_second ratio ratio_total goal peak_rss_mib floor_rss_mib peak_gpu_mib share_of_peak".split()
    shown = [key for key in keys if any(key in row for row in rows.values())]
    print("variant  ", *shown)
    for name, row in rows.items():
        print(f"{name:9}", *(f"{row.get(key, ''):>{len(key)}}" for key in shown))
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
