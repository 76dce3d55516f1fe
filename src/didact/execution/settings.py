"""Where and how runs are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from didact.execution.executor import Executor
from didact.spec import SpecError, check_kind, shown
from didact.store.answers.series import Keep


@dataclass(frozen=True)
class Execution:
    """Where and how runs are computed; no part of what they are, so not in their digests. A plain
    value.

    Attributes:
        device: "cpu", "cuda", "cuda:1" ..., or a torch.device.
        compiled: whether networks are compiled with torch.compile.
        test_every: epochs between evaluations; the last epoch is always evaluated.
        deterministic: whether torch uses deterministic kernels (slower on a GPU; on the CPU they
            always are).
        cohort_size: the largest number of learners in a cohort; the rest follows. Bounds memory,
            changes no result.
        executor: what runs the jobs, such as ``Workers(count=2)``, or its name: a file in
            ``execution/executors``, or ``module:Class``.
        keep: whether the answers of teachers are kept for later students of the same batches, and
            how many.
        decoders: processes that decode images while a network trains, where images are decoded
            whenever they are shown; None for as many as there are processors but one. Changes no
            result.
        capture: on a GPU, whether a step is recorded as a CUDA graph and replayed: "off", "on", or
            "auto", which leaves out what cannot be recorded and says why. Changes no result.
        streams: on a GPU, whether each learner of a cohort has a stream of its own. Changes no
            result.
        command: the command line that Records hold; by default that of this process. With
            ``didact study ...`` the study is in reports of the whole store.
    """

    device: str = "cpu"
    compiled: bool = False
    test_every: int = 1
    deterministic: bool = False
    cohort_size: int = 16
    executor: Executor | str = "here"
    keep: Keep | None = None
    decoders: int | None = None
    capture: Literal["off", "auto", "on"] = "off"
    streams: bool = False
    command: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.device, torch.device):
            object.__setattr__(self, "device", str(self.device))
        check_kind("device", self.device, str, "a text, such as cpu or cuda:1")
        try:
            torch.device(self.device)
        except RuntimeError:
            raise SpecError(f"device: cpu, cuda, cuda:1 ..., found {shown(self.device)}") from None
        check_kind("executor", self.executor, (Executor, str), "an Executor, such as Workers(count=2), or its name")
        check_kind("keep", self.keep, (Keep, type(None)), "Keep(...) or None")
        for name in ("test_every", "cohort_size", *(("decoders",) if self.decoders is not None else ())):
            check_kind(name.replace("_", "-"), getattr(self, name), int, "a whole number")
        if self.capture not in ("off", "auto", "on"):
            raise SpecError(f"capture: off, auto or on, found {shown(self.capture)}")
        for name in ("test_every", "cohort_size"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name.replace('_', '-')}: at least 1, found {getattr(self, name)}")
        if self.decoders is not None and self.decoders < 0:
            raise SpecError(f"decoders: at least 0, found {self.decoders}")
