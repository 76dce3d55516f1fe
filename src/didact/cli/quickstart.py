"""``didact quickstart``. Imports no torch before it runs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.computing import executor
from didact.cli.options import STORE, Device, Json, On, Processes, StorePath, Track, exactly
from didact.cli.output import Format, form
from didact.spec import Seeds


def quickstart(
    *,
    data: Annotated[str, Parameter(help="digits (embedded) or cifar100.")] = "digits",
    seeds: Annotated[int, Parameter(converter=exactly(Seeds), help="Training seeds of each student.")] = 3,
    store: StorePath = STORE,
    device: Device = None,
    workers: Processes = None,
    on: On = None,
    track: Track = None,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Train and compare. The help text is in :mod:`didact.cli.main`."""
    from didact.execution import Execution
    from didact.papers.quickstart import TEST_EVERY
    from didact.papers.quickstart import quickstart as study

    shape = form(format, json)
    where = answer.device(device)
    jobs = executor(workers, on, where, usual="auto")
    execution = Execution(device=where, test_every=TEST_EVERY, executor=jobs)
    runs = study(data, seeds, execution.device)
    return answer.answer(runs, store, execution, picture=f"quickstart-{data}.png", hints=True, form=shape, track=track)
