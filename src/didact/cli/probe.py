"""``didact probe``. Imports no torch before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from pydantic import Field, Strict

from didact.cli import answer
from didact.cli.options import STORE, Device, Json, StorePath, TrustStore, exactly
from didact.cli.output import Form, Format, emit, form
from didact.spec import Seeds, Share, SpecError, from_json, nearest, shown

if TYPE_CHECKING:
    from didact.data import Data
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
        str, Parameter(help="Data sets, or your own as folder:PATH or module:NAME, separated by commas.")
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
    format: Format = "text",
    json: Json = False,
) -> int:
    """Probe and print; the help stands where the command is named."""
    from didact.measure.probe import probe as measure
    from didact.report.text import stderr
    from didact.request.settings import several
    from didact.store.choice import chosen_all

    shape = form(format, json)
    ways = _ways(way, seeds)
    sets = _data_sets(data, fraction, size)
    names = several(runs, "runs")
    talk = stderr()
    records = answer.opened(store, trust_store, named=[settings.name for settings in sets])
    chosen = chosen_all(records, names)
    results = measure(records, chosen, sets, ways, size, answer.device(device), lambda line: talk.print(f"  {line}"))
    _report(results, shape)
    return 0


def _data_sets(names: str, fraction: float, size: int | None) -> list[Data]:
    """The data sets to probe on, each once. Images of a folder take their size from the request."""
    from didact.data import Data
    from didact.data.folders import is_folder
    from didact.request.settings import several

    fields = [{"name": name, "fraction": fraction} for name in several(names, "data")]
    sized = [one | ({"size": size} if is_folder(str(one["name"])) else {}) for one in fields]
    return list(dict.fromkeys(from_json(Data, one, "data") for one in sized))


def _report(results: list[ProbeResult], form: Form) -> None:
    from didact.report.text import stderr
    from didact.tables.transfer import transfers

    compared = transfers(results)
    plain = {"answers": [result.plain() for result in results], "tables": [one.plain() for one in compared]}
    emit([one.table() for one in compared], form, plain)
    for result in results:
        if not result.optimal:
            slope = f"{result.probed.slope:.1e}"
            stderr().print(f"not quite the optimum: {result.run.label} on {result.data.label}, gradient {slope}")


def _ways(text: str, seeds: int | None) -> list[Any]:
    from didact.analysis.probe import LogisticProbe, SGDProbe

    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in WAYS]
    if wrong or not names:
        raise SpecError(
            f"way: unknown {shown(wrong[0])}{nearest(wrong[0], WAYS)}" if wrong else "way: exact, sgd or exact,sgd"
        )
    if seeds is not None and "sgd" not in names:
        raise SpecError("seeds: the exact way has one optimum and draws nothing; leave --seeds out, or write --way sgd")
    ways = {"exact": LogisticProbe(), "sgd": from_json(SGDProbe, {} if seeds is None else {"seeds": seeds})}
    return [ways[name] for name in dict.fromkeys(names)]
