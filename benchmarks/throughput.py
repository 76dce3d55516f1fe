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
import platform
import resource
import shlex
import statistics
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


def pixels(images: int) -> tuple[Tensor, Tensor]:
    """Noise: uint8 (n, h, w, c), and labels."""
    random = torch.Generator().manual_seed(0)
    made = torch.randint(256, (images, 32, 32, 3), dtype=torch.uint8, generator=random)
    return made, torch.randint(CIFAR.classes, (images,), generator=random)


def network(name: str, seed: int, *, teaches: bool = False) -> nets.BlockNet:
    """Untrained; a teacher is frozen, after its batch norms have seen noise, so that its activations are of a usual size."""
    with seeded(seed, name):
        net = nets.create(name, CIFAR.classes).train()
        if teaches:
            for norm in (module for module in net.modules() if isinstance(module, nn.BatchNorm2d)):
                norm.momentum = 1.0
            with torch.no_grad():
                net(torch.randn(16, *CIFAR.image))
            net.eval().requires_grad_(False)
    return net


def one_by_one(images: int, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches as a DataLoader without workers makes them: pad, random crop, flip, to float, normalise image by image."""
    made, labels = pixels(images)
    mean, std = np.array(CIFAR.mean, np.float32), np.array(CIFAR.std, np.float32)
    random = np.random.default_rng(0)

    def one(row: int) -> Tensor:
        y, x = random.integers(0, 2 * CIFAR.padding + 1, 2)
        picture = ImageOps.expand(Image.fromarray(made[row].numpy()), CIFAR.padding).crop((x, y, x + 32, y + 32))
        picture = ImageOps.mirror(picture) if random.random() < 0.5 else picture
        values = (np.asarray(picture, np.float32) / 255 - mean) / std
        return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))

    while True:
        for rows in torch.randperm(images).split(batch):
            yield torch.stack([one(row) for row in rows.tolist()]), labels[rows]


def plain(options: argparse.Namespace) -> Iterator[Step]:
    """The loop that most code bases have. Nothing of didact but the networks, which are called as ordinary modules."""
    torch.backends.cudnn.benchmark = True  # as those code bases set it
    teacher = network(options.teacher, 0, teaches=True).to(options.device)
    student = network(options.student, 1).to(options.device)
    optimiser = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    meters = []
    for images, labels in one_by_one(options.images, options.batch):
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
    made, labels = pixels(options.images)
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
    """A variant's own process (size 0: plain): warm up, take as many steps as is asked, again and again, tell the seconds."""
    found: Row = {"floor_rss_mib": resident()}
    torch.set_num_threads(options.threads)
    steps = cohort(options, size) if size else plain(options)
    timed(steps, options.warmup, options.device)
    line.send("ready")
    while count := line.recv():
        images, seconds, found["finite"] = timed(steps, count, options.device)
        line.send((images, seconds))
    found["peak_rss_mib"] = resident()
    if options.device == "cuda":
        found["peak_gpu_mib"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
    line.send(found)


def timed(steps: Iterator[Step], count: int, device: str) -> tuple[int, list[float], bool]:
    """Images in ``count`` steps, the seconds of each, and whether the last loss was finite. A GPU is waited for at both ends."""
    gpu, images, marks = device == "cuda", 0, []
    torch.cuda.synchronize() if gpu else None
    for made, loss in itertools.chain([(0, torch.zeros(1))], itertools.islice(steps, count)):
        images += made
        marks.append(torch.cuda.Event(enable_timing=True) if gpu else time.perf_counter())
        marks[-1].record() if gpu else None
    torch.cuda.synchronize() if gpu else None
    seconds = [a.elapsed_time(b) / 1000 if gpu else b - a for a, b in itertools.pairwise(marks)]
    return images, seconds, bool(loss.isfinite().all())


def resident() -> float:
    """The highest resident memory of this process so far, in MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024), 1)


def measure(options: argparse.Namespace) -> dict[str, Row]:
    """Start everybody one after the other, let them take turns, and put together what they told."""
    spawn = get_context("spawn")
    lines: dict[str, Connection] = {}
    for variant, size in options.variants.items():
        lines[variant], theirs = spawn.Pipe()
        spawn.Process(target=serve, args=(options, size, theirs), daemon=True).start()
        theirs.close()
        lines[variant].recv()
    images, seconds = dict.fromkeys(lines, 0), {variant: list[float]() for variant in lines}
    for first in range(0, options.steps, options.turn):
        for variant, line in lines.items():
            line.send(min(options.turn, options.steps - first))
            made, took = line.recv()
            images[variant] += made
            seconds[variant] += took
    rows = {}
    for variant, line in lines.items():
        line.send(0)
        rows[variant] = speed(options, max(1, options.variants[variant]), images[variant], seconds[variant]) | line.recv()
    return rows


def speed(options: argparse.Namespace, students: int, images: int, seconds: list[float]) -> Row:
    """Student images a second by the median step and by the total; operations count a backward pass as two forward ones."""
    median = statistics.median(seconds)
    taught, learnt = (macs(nets.create(name, CIFAR.classes), CIFAR.image) for name in (options.teacher, options.student))
    return {
        "learners": students,
        "seconds": round(sum(seconds), 4),
        "step_seconds": {"median": round(median, 6), "min": round(min(seconds), 6), "max": round(max(seconds), 6)},
        "images_per_second": round(students * options.batch / median, 1),
        "images_per_second_total": round(students * images / sum(seconds), 1),
        "operations_per_second": round(2 * options.batch * (taught + 3 * students * learnt) / median),
    }


def relate(rows: dict[str, Row], device: str) -> None:
    """Add what each row is beside the plain loop, beside its goal and, on a GPU, beside a large bf16 product."""
    first = rows.get("plain")
    peak = 0.0
    if device == "cuda":
        factor = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)
        products = ((1, factor @ factor) for _ in itertools.count())
        peak = 2 * 8192**3 / min(timed(products, 100, device)[1])
    for variant, row in rows.items():
        for name, key in (("ratio", "images_per_second"), ("ratio_total", "images_per_second_total")):
            row |= {name: round(row[key] / first[key], 2)} if first else {}
        row |= {"goal": GOALS[device][variant]} if variant in GOALS[device] else {}
        row |= {"bf16_peak": round(peak), "share_of_peak": round(row["operations_per_second"] / peak, 4)} if peak else {}


def about(options: argparse.Namespace) -> Row:
    """What a figure must name: machine, date, versions, commit (with a + where the measured files differ), command."""
    file = Path("/proc/cpuinfo")
    models = [row for row in file.read_text().splitlines() if row.startswith("model name")] if file.exists() else []
    machine = {"processor": models[0].partition(": ")[2] if models else platform.processor(), "cores": os.cpu_count()}
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


def table(rows: dict[str, Row]) -> str:
    keys = [
        "images_per_second",
        "ratio",
        "ratio_total",
        "goal",
        "peak_rss_mib",
        "floor_rss_mib",
        "peak_gpu_mib",
        "share_of_peak",
    ]
    shown = [key for key in keys if any(key in row for row in rows.values())]
    lines = [" ".join(["variant  ", *shown])]
    lines += [" ".join([f"{name:9}", *(f"{row.get(key, ''):>{len(key)}}" for key in shown)]) for name, row in rows.items()]
    return "\n".join(lines)


def sizes(text: str) -> dict[str, int]:
    """Variants with their numbers of learners; 0 stands for the plain loop."""
    fixed = {"plain": 0, "learner": 1}
    return {name: fixed[name] if name in fixed else int(name.removeprefix("cohort")) for name in text.split(",")}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default="plain,learner,cohort4,cohort12", type=sizes)
    parser.add_argument("--teacher", default="resnet32x4", type=nets.resolve)
    parser.add_argument("--student", default="resnet8x4", type=nets.resolve)
    parser.add_argument("--batch", default=64, type=int)
    parser.add_argument("--images", default=50_000, type=int, help="size of the made-up training set")
    parser.add_argument("--device", default="cpu", choices=sorted(GOALS))
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="of the didact variants; the device's best by default")
    parser.add_argument("--compile", action="store_true", help="torch.compile the learners of the didact variants")
    parser.add_argument("--threads", default=torch.get_num_threads(), type=int)
    parser.add_argument("--steps", type=int, help="timed steps of each variant; 40 on the CPU, 400 on a GPU")
    parser.add_argument("--turn", type=int, help="steps that a variant takes in a row; a tenth of them by default")
    parser.add_argument("--warmup", type=int, help="steps before; 2 on the CPU, 20 on a GPU")
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    gpu = options.device == "cuda"
    options.precision = options.precision or best_precision(options.device)
    options.steps = options.steps or (400 if gpu else 40)
    options.turn = options.turn or max(1, options.steps // 10)
    options.warmup = options.warmup or (20 if gpu else 2)
    return options


def main() -> None:
    options = arguments()
    result = about(options)
    result["variants"] = rows = measure(options)
    relate(rows, options.device)
    print(table(rows))
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
