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
import time
from collections.abc import Iterator
from multiprocessing import connection, get_context
from pathlib import Path

import numpy as np
import torch

from didact import nets
from didact.engine.precision import best_precision
from didact.engine.threads import wait_passively
from didact.nets.blocks import macs
from loops import CIFAR, Step, cohort, limit, plain
from provenance import Row, about

GOALS = {
    "cpu": {"learner": 2.0, "cohort12": 4.5, "kept": 3.0, "int8": 2.0},
    "cuda": {"learner": 4.0, "cohort12": 12.0},
}  # the CPU's: with 2 cores


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
