"""``didact probe``. Imports no torch before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from pydantic import Field, Strict

from didact.cli import answer
from didact.cli.options import STORE, Device, Json, Markdown, StorePath, TrustStore, exactly
from didact.spec import Seeds, Share, SpecError, from_json, nearest, shown
from didact.streams import say

if TYPE_CHECKING:
    from didact.measure.probe import ProbeResult

WAYS = ("exact", "sgd")

Size = Annotated[int, Strict(), Field(ge=1, le=1024)]
"""Height and width of images, which are all in memory at once."""


def probe(
    runs: Annotated[
        str, Parameter(help="Digests separated by commas, or the beginnings of digests or folders: all that fit are probed.")
    ],
    *,
    data: Annotated[
        str, Parameter(help="Data sets, or your own as module:NAME, separated by commas.")
    ] = "stl10,tiny-imagenet",
    way: Annotated[str, Parameter(help="exact (logistic regression to its optimum), sgd, or both: exact,sgd.")] = "exact",
    size: Annotated[
        int | None,
        Parameter(converter=exactly(Size), help="Images are resized to it; the run's own by default: 32 for CIFAR."),
    ] = None,
    seeds: Annotated[
        int | None, Parameter(converter=exactly(Seeds), help="sgd: how many classifiers are trained; 3 by default.")
    ] = None,
    fraction: Annotated[
        float, Parameter(converter=exactly(Share), help="Share of the training images to fit to, the same in every class.")
    ] = 1.0,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    device: Device = None,
    markdown: Markdown = False,
    json: Json = False,
) -> int:
    """Probe and print; what ``--help`` says stands where the command is named."""
    from didact.analysis.probe import LogisticProbe
    from didact.data import Data
    from didact.measure.probe import probe as find
    from didact.report.text import stderr
    from didact.request.settings import several
    from didact.store.choice import chosen_all

    form = answer.form(json, markdown)
    ways = _ways(way, seeds)
    wanted = [from_json(Data, {"name": name, "fraction": fraction}, "data") for name in several(data, "data")]
    asked = several(runs, "runs")
    talk = stderr()
    kept = answer.opened(store, trust_store, named=[one.name for one in wanted])
    found = find(
        kept,
        chosen_all(kept, asked),
        list(dict.fromkeys(wanted)),
        ways,
        size,
        answer.device(device),
        lambda line: talk.print(f"  {line}"),
    )
    _report(found, form)
    for one in found:
        if (
            isinstance(one.way, LogisticProbe) and not (one.probed.slope or 0) <= one.way.tolerance
        ):  # NaN is no optimum either
            talk.print(f"not quite the optimum: {one.run.label} on {one.data.label}, gradient {one.probed.slope:.1e}")
    return 0


def _report(found: list[ProbeResult], form: str) -> None:
    from didact.report.text import print_rows, stdout
    from didact.tables.transfer import transfers

    made = transfers(found)
    if form == "json":
        answer.print_json({"answers": [one.plain() for one in found], "tables": [table.plain() for table in made]})
    for table in made if form != "json" else ():
        if form == "markdown":
            say(f"**{table.title}**\n")
            answer.print_markdown(*table.cells())
            say(f"{table.covers}\n")
        else:
            print_rows(*table.cells(), table.title)
            stdout().print(table.covers)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _ways(text: str, seeds: int | None) -> list[Any]:
    from didact.analysis.probe import LogisticProbe, SGDProbe

    asked = _names(text)
    wrong = [name for name in asked if name not in WAYS]
    if wrong or not asked:
        raise SpecError(
            f"way: unknown {shown(wrong[0])}{nearest(wrong[0], WAYS)}" if wrong else "way: exact, sgd or exact,sgd"
        )
    if seeds is not None and "sgd" not in asked:
        raise SpecError("seeds: the exact way has one optimum and draws nothing; leave --seeds out, or write --way sgd")
    made = {"exact": LogisticProbe(), "sgd": from_json(SGDProbe, {} if seeds is None else {"seeds": seeds})}
    return [made[name] for name in dict.fromkeys(asked)]
