"""Time and memory of CKA: the estimators of didact.analysis.cka beside whole n x n kernels in NumPy.

    python benchmarks/cka.py --threads 1 --out benchmarks/results/cka-cpu.json

Two made-up representations of the same samples, float32, 10,000 x 512 unless --samples and --features say otherwise, each
variant in a process of its own. "direct" computes both kernels as float64 n x n matrices in NumPy, so its memory is several
times 8 n^2 bytes; "maps" compares maps of 64x32x32 with vectors of 512 for a fifth of the samples, made block by block.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from didact.analysis import cka
from didact.engine.threads import wait_passively
from provenance import Row, about

VARIANTS = ("linear", "unbiased", "rbf", "rbf-unbiased", "direct-linear", "direct-rbf", "maps")
GOALS = VARIANTS[:4]
SECONDS, MIB = 10.0, 1024
"""What the project wants of these at 10,000 x 512: seconds, and less than 1 GB."""

MAPS = 64 * 32 * 32
BLOCK = 256


def rows(start: int, samples: int, features: int, which: int) -> Tensor:
    """Samples ``start`` and on of one of the representations: 16 directions that all have in common, and noise."""
    common = torch.randn(samples, 16, generator=torch.Generator().manual_seed(start))
    mixing = torch.randn(16, features, generator=torch.Generator().manual_seed(1_000_000 + which))
    noise = torch.randn(samples, features, generator=torch.Generator().manual_seed(2_000_000 + start + which))
    return (common @ mixing / 4).addcmul_(noise, torch.tensor(0.5))


def two(options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    return rows(0, options.samples, options.features, 1), rows(0, options.samples, options.features, 2)


def maps(samples: int) -> float:
    """CKA of representations that are never in memory as a whole."""

    def read(block: int) -> Iterator[list[Tensor]]:
        for start in range(block * BLOCK, samples, BLOCK):
            size = min(BLOCK, samples - start)
            yield [rows(start, size, MAPS, 1), rows(start, size, 512, 2)]

    return float(cka.matrix(read, samples, 1, "linear", unbiased=True))


def direct(x: Tensor, y: Tensor, kind: str) -> float:
    """Biased CKA of whole kernels."""
    k, m = (_kernel(one.double().numpy(), kind) for one in (x, y))
    for one in (k, m):
        means = one.mean(0)
        one -= means
        one -= (means - means.mean())[:, None]
    return float(np.vdot(k, m) / np.sqrt(np.vdot(k, k) * np.vdot(m, m)))


def _kernel(x: np.ndarray, kind: str) -> np.ndarray:
    products = x @ x.T
    if kind == "linear":
        return products
    norms = np.diag(products).copy()
    products *= -2
    products += norms
    products += norms[:, None]
    median = np.median(products[np.triu_indices(len(x), 1)])
    products /= -2 * cka.SHARE**2 * median
    return np.exp(products, out=products)


def work(variant: str, options: argparse.Namespace) -> Callable[[], float]:
    """What is timed, with its input already made."""
    if variant == "maps":
        return lambda: maps(options.samples // 5)
    x, y = two(options)
    if variant.startswith("direct-"):
        return lambda: direct(x, y, variant.removeprefix("direct-"))
    estimators: dict[str, Callable[[], float]] = {
        "linear": lambda: cka.linear(x, y),
        "unbiased": lambda: cka.unbiased(x, y),
        "rbf": lambda: cka.rbf(x, y),
        "rbf-unbiased": lambda: cka.rbf(x, y, unbiased=True),
    }
    return estimators[variant]


def serve(variant: str, options: argparse.Namespace, line: Connection) -> None:
    """A variant's own process."""
    torch.set_num_threads(options.threads)
    timed = work(variant, options)
    floor = _peak()
    wall, busy = time.perf_counter(), time.process_time()
    value = timed()
    row: Row = {"value": value, "seconds": round(time.perf_counter() - wall, 2)}
    row |= {"cpu_seconds": round(time.process_time() - busy, 2), "peak_rss_mib": _peak(), "floor_rss_mib": floor}
    if variant in GOALS:
        row |= {"goal_seconds": SECONDS, "goal_rss_mib": MIB}
    line.send(row)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measure(options: argparse.Namespace) -> dict[str, Row]:
    """One variant after the other."""
    found: dict[str, Row] = {}
    wait_passively()  # for the processes that are begun here: each imports torch anew
    for variant in options.variants.split(","):
        ours, theirs = (spawn := get_context("spawn")).Pipe()
        process = spawn.Process(target=serve, args=(variant, options, theirs))
        process.start()
        theirs.close()
        found[variant] = ours.recv()
        process.join()
    for variant in ("linear", "rbf"):
        whole = found.get(f"direct-{variant}")
        if whole is not None and variant in found:
            found[variant]["difference_from_direct"] = abs(found[variant]["value"] - whole["value"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", default=10_000, type=int)
    parser.add_argument("--features", default=512, type=int)
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--threads", default=torch.get_num_threads(), type=int)
    parser.add_argument("--out", default=os.devnull, type=Path, help="JSON file")
    options = parser.parse_args()
    options.device = "cpu"
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)  # NumPy's, in the processes
    result = about(options) | {"variants": measure(options)}
    for variant, row in result["variants"].items():
        print(f"{variant:14}", *(f"{key} {value:.6g}" for key, value in row.items()))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
