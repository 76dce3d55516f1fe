"""Finished runs that a request's students begin with: what a student takes over from one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from didact.request.schema import BRANCHES, Request
from didact.request.settings import merged
from didact.runs.run import Run
from didact.spec import SpecError, shown, to_json

Find = Callable[[str], Run]
"""The finished run that the beginning of a digest, or a folder's name, stands for."""


def no_store(name: str) -> Run:
    """Refuses every name: the :data:`Find` of where there is no store."""
    raise SpecError(
        f"start: {shown(name)} names a finished run, and no store is known here; write start=branches, leave start out, "
        "or give plan a function that finds the run"
    )


def begun(request: Request, find: Find) -> Iterator[tuple[Request, Run | None]]:
    """The request for each run that students begin with, and that run; the request itself and None
    where they begin with none.

    Network, data and seed are the run's where the request has none.

    Raises:
        SpecError: no such run; branches and runs together; runs and weights together; several seeds
            of one run.
    """
    if request.start is None or request.start == (BRANCHES,):
        yield request, None
        return
    if BRANCHES in request.start:
        raise SpecError("start: branches of the teacher, or finished runs; write one of them")
    if request.weights is not None:
        raise SpecError("weights: the student begins with them, or with a finished run (start); write one of them")
    if request.seeds is not None and request.seeds > 1:
        raise SpecError(
            "seeds: students that begin with the same weights and see the same batches differ in no more than the randomness "
            "of their method, so further seeds show no spread; name a finished run for each seed, as in start=A,B,C, and leave "
            "seeds out"
        )
    for name in request.start:
        run = find(name)
        data = to_json(run.data)
        yield (
            replace(
                request,
                net=request.net or (run.net,),
                data=data if request.data is None else merged(data, request.data),
                seed=run.seed if request.seed is None and request.seeds is None else request.seed,
            ),
            run,
        )
