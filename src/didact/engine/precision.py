"""Which precision ``auto`` is: the one in which this machine takes a training step in less time,
measured once and kept.

That a processor has instructions for bfloat16 does not say that it is faster with them: of two that
have them, one takes half the time of float32 and the other 1.4 times as long.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from didact.engine.recipe import Precision
from didact.files.checked import DamagedError, read_json, write_json
from didact.machine import processor
from didact.nets import create
from didact.seeds import seeded

GAIN = 1.1
"""bf16 is taken where fp32 takes at least so many times as long: less could be noise, and would
train the same run twice.
"""
NET, IMAGES = "resnet8x2", (8, 3, 16, 16)
"""What the step is measured on: widths from 32 to 128, some hundredths of a second."""
SECONDS = 0.4
"""After so long no further step is timed, once there are three in each precision."""


@dataclass(frozen=True)
class Times:
    """Seconds of one training step on one thread: the shortest of several."""

    fp32: float
    bf16: float

    @property
    def best(self) -> Precision:
        """The faster precision."""
        return "bf16" if self.fp32 >= GAIN * self.bf16 else "fp32"


def best_precision(device: str) -> Precision:
    """What ``auto`` stands for on ``device``: on a GPU bf16 where it multiplies it natively, on the
    CPU the faster one.

    A processor's times are measured once and kept (:func:`times`), so that the same request is the
    same run every time.
    """
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return times().best if device.startswith("cpu") else "fp32"


_unkept: dict[tuple[Path, str], Times] = {}
"""What this process measured and could not keep, by file and machine."""


def file() -> Path:
    """Where times are kept: a file of the user's cache folder."""
    import pooch

    return Path(pooch.os_cache("didact")) / "precision.json"


def times() -> Times:
    """This machine's times: those kept in the user's cache folder, otherwise measured now and kept
    there.

    They hold for a processor and a version of torch. A file that cannot be read is written anew;
    where none can be written they are measured once a process.
    """
    path = file()
    machine = f"{processor()}, torch {torch.__version__}"
    kept = _read(path)
    known = _times(kept.get(machine)) or _unkept.get((path, machine))
    if known is None:
        known = measure()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, kept | {machine: {"fp32": known.fp32, "bf16": known.bf16}})
        except OSError:
            _unkept[path, machine] = known
    return known


def _read(path: Path) -> dict[str, Any]:
    """What is kept, by machine; nothing where there is no file or not the one that was written."""
    with contextlib.suppress(DamagedError, RecursionError):
        kept = read_json(path)
        if isinstance(kept, dict):
            return kept
    return {}


def _times(entry: Any) -> Times | None:
    if not isinstance(entry, dict):
        return None
    fp32, bf16 = entry.get("fp32"), entry.get("bf16")
    if not (isinstance(fp32, float) and isinstance(bf16, float) and 0 < fp32 < math.inf and 0 < bf16 < math.inf):
        return None
    return Times(fp32, bf16)


def measure() -> Times:
    """Time training steps of a small network in fp32 and bf16 in turns; the first of each warms up.
    Takes a second or less.

    One thread, and the time that it has the processor: whatever else runs, and how many threads
    train, changes little of it.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with seeded(0, "precision"), torch.enable_grad():
            return _measure()
    finally:
        torch.set_num_threads(threads)


def _measure() -> Times:
    net = create(NET, 10).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    images = torch.randn(IMAGES).to(memory_format=torch.channels_last)
    labels = torch.arange(len(images)) % 10

    def step(precision: Precision) -> float:
        begun = time.thread_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = net(images)
        weights = list(net.parameters())
        for weight, gradient in zip(
            weights, torch.autograd.grad(F.cross_entropy(logits.float(), labels), weights), strict=True
        ):
            weight.data.add_(gradient, alpha=-1e-3)  # torch.optim takes seconds to import
        return time.thread_time() - begun

    begun, rounds = time.thread_time(), [(step("fp32"), step("bf16"))]
    while len(rounds) < 4 or time.thread_time() - begun < SECONDS:
        rounds.append((step("fp32"), step("bf16")))
        if all(bf16 > 2 * fp32 for fp32, bf16 in rounds):
            break  # bfloat16 in software, which takes long
    fp32, bf16 = (min(column) for column in zip(*rounds[1:], strict=True))
    return Times(fp32, bf16)
