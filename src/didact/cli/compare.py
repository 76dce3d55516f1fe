"""``didact compare``. Imports no torch before it runs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, Device, Json, Markdown, Picture, StorePath, TrustStore
from didact.spec import SpecError


def compare(
    *,
    net: Annotated[str | None, Parameter(help="Only students of this network.")] = None,
    data: Annotated[str | None, Parameter(help="Only this data set.")] = None,
    picture: Picture = None,
    markdown: Markdown = False,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    device: Device = None,
    json: Json = False,
) -> int:
    """Read and print; what ``--help`` says stands where the command is named."""
    from didact import nets
    from didact.cli.missing import missing_teachers

    form = answer.form(json, markdown)
    picture = answer.picture_path(picture)
    wanted = net and nets.resolve(net)
    kept = answer.opened(store, trust_store, named=[name for name in (wanted, data) if name])
    found = list(kept.runs())
    students = [run for run, _ in found if data in (None, run.data.name) and wanted in (None, run.net)]
    if not students:
        raise SpecError(
            f"no finished run in {store}" + (" fits" if net or data else "; train some first: didact quickstart")
        )
    missing_teachers(kept, students)
    answer.report(kept, students, found, answer.device(device), picture, form)
    return 0
