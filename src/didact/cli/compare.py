"""``didact compare``. Imports no torch before it runs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, Device, Json, Picture, StorePath, TrustStore
from didact.cli.output import Format, form, picture_path
from didact.spec import SpecError


def compare(
    *,
    net: Annotated[str | None, Parameter(help="Only students of this network.")] = None,
    data: Annotated[str | None, Parameter(help="Only this data set.")] = None,
    picture: Picture = None,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    device: Device = None,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Read and print. The help text is in :mod:`didact.cli.main`."""
    from didact import nets
    from didact.cli.missing import missing_teachers
    from didact.report.text import stderr

    shape = form(format, json)
    picture = picture_path(picture)
    network = net and nets.resolve(net)
    records = answer.opened(store, trust_store, named=[name for name in (network, data) if name])
    finished = list(records.runs())
    students = [run for run, _ in finished if (data is None or run.data.called(data)) and network in (None, run.net)]
    if not students:
        raise SpecError(f"no finished run in {store} fits") if net or data else answer.nothing_finished(records)
    missing_teachers(records, students)
    answer.report(records, students, finished, answer.device(device), picture, shape)
    answer.tell_guessing(students, {run.digest: record for run, record in finished}, stderr())
    return 0
