"""What conditioning a teacher costs: a step of generic and of specialised training beside standard training of the same teacher.

Every variant has a process of its own; they take turns with standard training, so that a machine that slows down slows all.

    standard   the teacher alone (cross entropy)
    sftn       specialised for one student: the pool's largest, with a branch after every block but the last
    n1, n2, n3 generic, with branches after the first n blocks; students drawn from the pool in every step
    pool10 ... generic, two branches, for pools of that many students: lists drawn from one space, and the space itself

Also: seconds to count 10,000 students of the space, and to take 100 of them out of a supernet.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from statistics import fmean

import torch

from didact import nets
from didact.engine.precision import best_precision
from didact.method import Method
from didact.nets.architecture import cost, parse
from didact.nets.supernet import SPACES, Choices, Pool, Space, Supernet
from didact.spec import choose
from didact.teaching.gtn import GTN
from didact.teaching.sftn import SFTN
from loops import CIFAR
from provenance import Row, about
from throughput import measure

GOAL = 0.45
"""Wanted: a step costs at most 1 + 0.45 for each branch."""
HALVES, WIDTHS = (0.5, 0.75, 1.0), (0.5, 0.625, 0.75, 0.875, 1.0)
BILLION = Space(
    kind="basic",
    stem=(32, 40, 48, 56, 64),
    stages=tuple(
        Choices(depth=(1, 2, 3, 4), width=tuple(int(w * top) for w in WIDTHS), kernel=(3, 5), expansion=HALVES)
        for top in (64, 128, 256, 512)
    ),
)
"""A thousand million students."""


def variants(pool: Space | Pool) -> dict[str, Method]:
    """What is measured, by name."""
    made: dict[str, Method] = {"sftn": SFTN(student=pool.largest)}
    made |= {f"n{n}": GTN(pool=pool, after=tuple(range(1, n + 1))) for n in (1, 2, 3)}
    made |= {f"pool{n}": GTN(pool=Pool(members=BILLION.draw(n, 0)), after=(1, 2)) for n in (10, 1000)}
    return made | {"pool1e9": GTN(pool=BILLION, after=(1, 2))}


def beside_standard(options: argparse.Namespace, wanted: dict[str, Method]) -> dict[str, Row]:
    """Each of ``wanted`` with its step's time and memory over those of standard training in the same turns."""
    options.variants = {"standard": ["ce"], **{name: [method] for name, method in wanted.items()}}
    found = measure(options)
    rows: dict[str, Row] = {}
    standard = found["standard"]
    for name, row in found.items():
        method = wanted.get(name)
        branches = len(method.after or ()) if isinstance(method, GTN) else 2 * (name == "sftn")
        rows[name] = {
            "step_ms": round(1000 * row["seconds"] / options.steps, 1),
            "time": round(row["seconds"] / standard["seconds"], 2),
            "goal": round(1 + GOAL * branches, 2),
            "memory": round(row["peak_rss_mib"] / standard["peak_rss_mib"], 2),
            "peak_rss_mib": row["peak_rss_mib"],
        } | ({"peak_gpu_mib": row["peak_gpu_mib"]} if "peak_gpu_mib" in row else {})
        if isinstance(method, GTN):
            rows[name] |= {"students": method.pool.size, "mean_macs": mean_macs(method.pool)}
        print(f"{name:10}", *(f"{key} {value}" for key, value in rows[name].items()), flush=True)
    return rows


def mean_macs(pool: Space | Pool) -> int:
    """Of whole students of the pool, over 1,000 of them at most: draws differ in size, and time follows size."""
    names = pool.draw(min(pool.size, 1000), 1)
    return round(fmean(cost(parse(name), CIFAR.classes, CIFAR.image).macs for name in names))


def bookkeeping(pool: Space | Pool) -> Row:
    """Seconds to count many students and to take some out of a supernet."""
    names = pool.draw(min(pool.size, 10_000), 0)
    began = time.perf_counter()
    for name in names:
        cost(parse(name), CIFAR.classes, CIFAR.image)
    counted = time.perf_counter()
    supernet = Supernet(pool, CIFAR.classes)
    built = time.perf_counter()
    for name in names[:100]:
        supernet.extract(name)
    took = {"count": counted - began, "build_supernet": built - counted, "extract_100": time.perf_counter() - built}
    return {"counted": len(names)} | {key: round(value, 2) for key, value in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of variants separated by commas; all of them")
    parser.add_argument("--pool", default="large", choices=sorted(SPACES))
    parser.add_argument(
        "--teacher", default="resnet32x4", type=nets.resolve, dest="student", help="the network that is trained"
    )
    parser.add_argument("--batch", default=64, type=int)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", default=torch.get_num_threads(), type=int)
    parser.add_argument("--steps", type=int, help="timed steps of each variant; 20 on the CPU, 200 on a GPU")
    parser.add_argument("--out", default=os.devnull, type=Path, help="JSON file")
    options = parser.parse_args()
    options.precision = best_precision(options.device)
    options.compile, options.teacher = False, "resnet8"  # nobody looks at it
    options.warmup, usual = (20, 200) if options.device == "cuda" else (2, 20)
    options.steps = options.steps or usual
    options.variants = None
    result = about(options)
    pool = SPACES[options.pool]
    made = variants(pool)
    names = options.only.split(",") if options.only else list(made)
    result["variants"] = beside_standard(options, {name: choose(Method, made[name]) for name in names})
    result["bookkeeping"] = bookkeeping(pool)
    print("bookkeeping", *(f"{key} {value}" for key, value in result["bookkeeping"].items()))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
