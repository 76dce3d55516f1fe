"""The options of how runs are computed, which ``didact train`` and ``didact study`` share. Imports no torch
before a command runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import (
    AnswersLimit,
    Capture,
    Compile,
    Decoders,
    Exact,
    KeepAnswers,
    KeepFeatures,
    On,
    OnStreams,
    Processes,
    TestEvery,
    Together,
)

if TYPE_CHECKING:
    from didact.execution import Execution


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Computing:
    """How runs are computed; no part of what they are."""

    compile: Compile = False
    deterministic: Exact = False
    test_every: TestEvery = 1
    capture: Capture = "off"
    streams: OnStreams = False
    cohort_size: Together = 16
    workers: Processes = None
    on: On = None
    keep_answers: KeepAnswers = False
    keep_features: KeepFeatures = False
    answers_limit: AnswersLimit = None
    decoders: Decoders = None

    def execution(self, device: str, usual: int | str = 1) -> Execution:
        """As the engine takes it.

        Args:
            device: as torch calls it.
            usual: the number of processes, or "auto", where neither ``workers`` nor ``on`` is given.

        Raises:
            SpecError: options that exclude each other, or a place for the jobs that is none.
        """
        from didact.execution import Execution

        return Execution(
            device=device,
            compiled=self.compile,
            deterministic=self.deterministic,
            test_every=self.test_every,
            capture=self.capture,
            streams=self.streams,
            cohort_size=self.cohort_size,
            executor=answer.executor(self.workers, self.on, device, usual=usual),
            keep=answer.keep(self.keep_answers, self.keep_features, self.answers_limit),
            decoders=self.decoders,
        )


USUAL = Computing()
