"""How a cohort's steps are given to a GPU: recorded as CUDA graphs or one by one, its groups on
streams or after each other; and the precision of products.

What cannot be done is refused before anything is trained, or said where ``--capture auto`` leaves
it open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from didact.engine.captured import CudaGraphs
from didact.engine.lanes import OneLane, Streams
from didact.engine.parallel.group import current
from didact.engine.train import Manner
from didact.execution.settings import Execution
from didact.runs.foreign import foreign
from didact.runs.run import Run
from didact.spec import SpecError


def check(runs: Sequence[Run], execution: Execution) -> None:
    """Refuse what the device, or a run, cannot do.

    Raises:
        SpecError: the message says what to write instead.
    """
    if not execution.device.startswith("cuda"):
        here = f"and this trains on {execution.device}"
        if execution.capture == "on":
            raise SpecError(f"capture: on records steps as CUDA graphs, {here}; write --capture auto, or leave it out")
        if execution.streams:
            raise SpecError(f"streams: are those of a GPU, {here}; leave --streams out")
        for run in runs:
            if run.recipe.precision == "tf32":
                raise SpecError(f"{run.label}: precision tf32 is one of GPUs, {here}; write precision=fp32")
    if execution.capture == "on":
        for run in runs:
            if reason := hindrance(run, execution):
                raise SpecError(f"capture: {run.label} cannot be recorded: {reason}; write --capture auto")


def hindrance(run: Run, execution: Execution) -> str:
    """Why a step of ``run`` cannot be recorded once in an epoch and replayed; empty where it can."""
    if current().size > 1:
        return "several processes share its batches"
    if execution.keep is not None:
        return "its teacher's answers are read from a disk"
    if foreign(run) or (run.teacher is not None and foreign(run.teacher)):
        return "code that is not didact's own may decide on the host"
    if run.recipe.accumulate > 1:
        return "a step of its optimiser takes several batches"
    if run.recipe.bits != 32:
        return "its ranges of 8 bits are watched from step to step"
    return run.method.on_host()


def manner(runs: Sequence[Run], groups: int, execution: Execution, device: str, say: Callable[[str], None]) -> Manner:
    """How a cohort of these ``runs`` in so many groups is trained. Where steps are not recorded, it
    is said why.
    """
    there = torch.device(device)
    records = execution.capture != "off" and there.type == "cuda"
    reasons = {run.label: reason for run in runs if records and (reason := hindrance(run, execution))}
    for label, reason in reasons.items():
        say(f"steps are not recorded as CUDA graphs, because of {label}: {reason}")
    return Manner(
        recorder=CudaGraphs(there) if records and not reasons else None,
        lanes=Streams(there, groups) if execution.streams and groups > 1 else OneLane(),
        test_every=execution.test_every,
    )


def circumstances(runs: Sequence[Run], execution: Execution) -> dict[str, Any]:
    """What environment.json says of it; of steps nothing where all is as usual, as always on a
    processor.
    """
    if not execution.device.startswith("cuda"):
        return command(execution)
    recorded = execution.capture != "off" and not any(hindrance(run, execution) for run in runs)
    return {
        **command(execution),
        "steps": "recorded as CUDA graphs" if recorded else "one operation after the other",
        "streams": execution.streams,
        "float32": "tf32" if tf32(runs[0], execution.device) else "ieee",
    }


def command(execution: Execution) -> dict[str, str]:
    """The command that environment.json names, where it is given."""
    return {"command": execution.command} if execution.command else {}


def tf32(run: Run, device: str) -> bool | None:
    """Whether products of float32 are computed in TF32 in a training of ``run``; None: there is no
    choice.
    """
    return run.recipe.precision == "tf32" if device.startswith("cuda") else None
