"""The step of every method beside plain KD's: time and peak memory; and a cohort of the SFTN paper's twelve methods.

Every method has a process of its own. A few at a time take turns with one that does KD, so that a machine that slows down
slows both. Methods with stages have a row for each stage (``ab@init``) and one for the main stage (``ab``).

    method    a learner by this method: the engine's loader, teacher pass, step and tallies
    twelve    the paper's twelve methods as one cohort
    plain     the loop of throughput.py, one student by KD: what twelve students one after the other would take at least
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import torch

from didact import nets
from didact.engine.precision import best_precision
from didact.method import Method
from didact.spec import catalogue, choose
from provenance import Row, about
from throughput import measure

TWELVE = ("kd", "fitnet", "at", "sp", "vid", "rkd", "pkt", "ab", "ft", "crd", "sskd", "ofd")
GOALS = {"crd": 1.6, "sskd": 4.5}
GOAL, GOAL_TWELVE = 1.35, 3.0
TOGETHER = 4
"""Processes that take turns with KD's: each holds a data set and two networks."""


def rows_of(name: str) -> list[str]:
    """The method's main stage, and each other one as ``name@stage``."""
    return [name if stage.main else f"{name}@{stage.name}" for stage in choose(Method, name).stages()]


def beside_kd(options: argparse.Namespace, wanted: list[str]) -> dict[str, Row]:
    """Each of ``wanted`` with its step's time and memory over those of a KD step of the same turns."""
    rows: dict[str, Row] = {}
    for first in range(0, len(wanted), TOGETHER):
        some = wanted[first : first + TOGETHER]
        options.variants = {"kd": ["kd"], **{one: [one] for one in some}}
        found = measure(options)
        for one in some:
            row, kd = found[one], found["kd"]
            name = one.partition("@")[0]
            rows[one] = {
                "step_ms": round(1000 * row["step_seconds"]["median"], 1),
                "kd_step_ms": round(1000 * kd["step_seconds"]["median"], 1),
                "time": round(row["step_seconds"]["median"] / kd["step_seconds"]["median"], 2),
                "goal": GOALS.get(name, GOAL) if one == name else None,
                "memory": round(row["peak_rss_mib"] / kd["peak_rss_mib"], 2),
                "peak_rss_mib": row["peak_rss_mib"],
            } | ({"peak_gpu_mib": row["peak_gpu_mib"]} if "peak_gpu_mib" in row else {})
            print(f"{one:16}", *(f"{key} {value}" for key, value in rows[one].items() if value is not None), flush=True)
    return rows


def together(options: argparse.Namespace, methods: tuple[str, ...]) -> Row:
    """A cohort of ``methods``: student images a second over those of the plain loop, which does one student at a time."""
    options.variants = {"plain": [], "together": list(methods)}
    found = measure(options)
    plain, cohort = (found[variant]["images_per_second"] for variant in options.variants)
    row = {"methods": methods, "images_per_second": cohort, "plain": plain, "ratio": round(cohort / plain, 2)}
    return row | {"goal": GOAL_TWELVE, "peak_rss_mib": found["together"]["peak_rss_mib"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="", help="names separated by commas; all of didact.methods")
    parser.add_argument("--cohort", default=",".join(TWELVE), help="methods of the cohort; empty: none")
    parser.add_argument("--teacher", default="resnet32x4", type=nets.resolve)
    parser.add_argument("--student", default="resnet8x4", type=nets.resolve)
    parser.add_argument("--batch", default=64, type=int)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--compile", action="store_true", help="torch.compile the learners")
    parser.add_argument("--threads", default=torch.get_num_threads(), type=int)
    parser.add_argument("--steps", type=int, help="timed steps of each method; 10 on the CPU, 200 on a GPU")
    parser.add_argument("--out", default=os.devnull, type=Path, help="JSON file")
    options = parser.parse_args()
    options.precision = best_precision(options.device)
    options.warmup, usual = (20, 200) if options.device == "cuda" else (2, 10)
    options.steps = options.steps or usual
    names = options.methods.split(",") if options.methods else [name for name in catalogue("didact.methods") if name != "ce"]
    options.variants = None
    result = about(options)
    result["methods"] = beside_kd(options, [row for name in names for row in rows_of(name)])
    if options.cohort:
        result["cohort"] = together(options, tuple(options.cohort.split(",")))
        print("cohort", *(f"{key} {value}" for key, value in result["cohort"].items() if key != "methods"))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
