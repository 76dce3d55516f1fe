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

PROBES = ("exact", "sgd")

Size = Annotated[int, Strict(), Field(ge=1, le=1024)]
"""Height and width of images, which are all in memory at once."""


def probe(
    runs: Annotated[
        str, Parameter(help="Digests or folders, or their beginnings, separated by commas. All that match are probed.")
    ],
    *,
    data: Annotated[
        str, Parameter(help="Data sets, or your own as folder:PATH or module:NAME, separated by commas.")
    ] = "stl10,tiny-imagenet",
    probe: Annotated[str, Parameter(help="exact (logistic regression to its optimum), sgd, or both: exact,sgd.")] = "exact",
    size: Annotated[
        int | None,
        Parameter(
            converter=exactly(Size), help="Image size for the probe; default: the size of the run's training, 32 for CIFAR."
        ),
    ] = None,
    seeds: Annotated[
        int | None, Parameter(converter=exactly(Seeds), help="Number of classifiers for sgd; default: 3.")
    ] = None,
    fraction: Annotated[
        float, Parameter(converter=exactly(Share), help="Share of the training images to fit, the same in every class.")
    ] = 1.0,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    device: Device = None,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Probe and print. The help text is in :mod:`didact.cli.main`."""
    from didact.measure import probe as measure
    from didact.report.text import stderr
    from didact.request.settings import several
    from didact.store.choice import chosen_all

    shape = form(format, json)
    methods = _methods(probe, seeds)
    data_sets = _data_sets(data, fraction, size)
    names = several(runs, "runs")
    console = stderr()
    opened = answer.opened(store, trust_store, named=[settings.name for settings in data_sets])
    probed = chosen_all(opened, names)
    torch_device = answer.device(device)
    results = measure.probe(opened, probed, data_sets, methods, size, torch_device, lambda line: console.print(f"  {line}"))
    _report(results, shape)
    return 0


def _data_sets(names: str, fraction: float, size: int | None) -> list[Data]:
    """The data sets to probe on, each once. Images of a folder take their size from ``--size``."""
    from didact.data import Data
    from didact.data.folders import is_folder, is_hub
    from didact.request.settings import several

    fields = [{"name": name, "fraction": fraction} for name in several(names, "data")]
    sized = [
        settings | ({"size": size} if is_folder(str(settings["name"])) or is_hub(str(settings["name"])) else {})
        for settings in fields
    ]
    return list(dict.fromkeys(from_json(Data, settings, "data") for settings in sized))


def _report(results: list[ProbeResult], form: Form) -> None:
    from didact.report.text import stderr
    from didact.tables.transfer import transfers

    by_network = transfers(results)
    plain = {
        "answers": [result.plain() for result in results],
        "tables": [transfer.plain() for transfer in by_network],
    }
    emit([transfer.table() for transfer in by_network], form, plain)
    for result in results:
        if not result.optimal:
            slope = f"{result.probed.slope:.1e}"
            stderr().print(f"not quite the optimum: {result.run.label} on {result.data.label}, gradient {slope}")


def _methods(text: str, seeds: int | None) -> list[Any]:
    from didact.analysis.probe import LogisticProbe, SGDProbe

    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in PROBES]
    if wrong or not names:
        raise SpecError(
            f"probe: unknown {shown(wrong[0])}{nearest(wrong[0], PROBES)}" if wrong else "probe: exact, sgd or exact,sgd"
        )
    if seeds is not None and "sgd" not in names:
        raise SpecError("seeds: the exact probe has one optimum and draws nothing; leave --seeds out, or write --probe sgd")
    methods = {"exact": LogisticProbe(), "sgd": from_json(SGDProbe, {} if seeds is None else {"seeds": seeds})}
    return [methods[name] for name in dict.fromkeys(names)]
