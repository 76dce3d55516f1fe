"""The options of how runs are computed, which ``didact train`` and ``didact study`` share. Imports no torch
before a command runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyclopts import Parameter

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
from didact.launcher import place
from didact.spec import SpecError

if TYPE_CHECKING:
    from didact.execution import Execution
    from didact.execution.executor import Executor
    from didact.store.answers.series import Keep


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
            executor=executor(self.workers, self.on, device, usual=usual),
            keep=keep(self.keep_answers, self.keep_features, self.answers_limit),
            decoders=self.decoders,
        )


USUAL = Computing()


def executor(workers: int | str | None, on: str | None, device: str, usual: int | str = 1) -> Executor:
    """What runs the jobs of a command with ``--workers`` or ``--on``.

    Args:
        workers: a number, "auto", or None where it is not given.
        usual: what holds where neither is given.

    Raises:
        SpecError: both are given, or ``on`` names nothing that runs jobs.
    """
    from didact.execution.executor import Executor
    from didact.execution.executors.here import Here
    from didact.execution.executors.ray import Ray
    from didact.execution.executors.workers import Workers
    from didact.spec import choose

    if place().size > 1 and workers in (None, 1, "auto") and on in (None, "here"):
        return Here()  # the processes of torchrun share every batch
    if on is None or on == "here":
        count = (usual if on is None else 1) if workers is None else workers
        if isinstance(count, str):
            return Workers.automatic(device)
        return Here() if count == 1 else Workers(count=count)
    if workers not in (None, 1):
        raise SpecError("--workers and --on are two places for the jobs; leave one of them out")
    if on == "ray":
        return Ray()
    if on == "auto" or on.startswith("ray://") or on.rpartition(":")[2].isdecimal():
        return Ray(address=on)
    return choose(Executor, on)


def keep(answers: bool, features: bool, limit: int | None) -> Keep | None:
    """What of teachers' answers is kept: the options ``--keep-answers``, ``--keep-features`` and
    ``--answers-limit``.

    Raises:
        SpecError: a limit, and nothing that is kept.
    """
    from didact.store.answers.series import Keep

    if answers or features:
        return Keep(features=features) if limit is None else Keep(features=features, limit=limit)
    if limit is not None:
        raise SpecError("answers-limit: a limit of answers, and none are kept; write --keep-answers, too")
    return None
