"""``didact list``. Imports no torch before it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from didact.cli import answer, runs
from didact.cli.options import STORE, ForPair, Json, StorePath, TrustStore
from didact.cli.output import Format, emit, form
from didact.spec import SpecError, closest, shown

if TYPE_CHECKING:
    from didact.tables.listing import Listing

WORDS = ("nets", "cuts", "pools", "methods", "data", "devices", "recipes", "settings", "studies", "machine", "runs")
"""What there is to list."""

ALL = f"{', '.join(WORDS[:-1])} or {WORDS[-1]}"


def list_(
    what: Annotated[str | None, Parameter(help=f"{ALL}.")] = None,
    *,
    net: ForPair = None,
    teacher: Annotated[str | None, Parameter(help="With methods: whose extra parameters are counted.")] = None,
    data: Annotated[str | None, Parameter(help="With methods and cuts: the images. With data: this data set.")] = None,
    size: Annotated[int | None, Parameter(help="With cuts: height of the images, as --data.size of a training.")] = None,
    library: Annotated[
        str | None, Parameter(help="With nets: those of timm, torchvision, hf (transformers) or pytorchcv instead.")
    ] = None,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    format: Format = "text",
    json: Json = False,
) -> int:
    """List and print. The help text is in :mod:`didact.cli.main`."""
    shape = form(format, json)
    given = {"net": net, "teacher": teacher, "data": data, "size": size}
    pair = {key: value for key, value in given.items() if value is not None}
    taken = {"methods": ("net", "teacher", "data"), "cuts": ("net", "data", "size"), "data": ("data",)}
    if what is not None and (wrong := [key for key in pair if key not in taken.get(what, ())]):
        takers = " and ".join(f"'didact list {name}'" for name, keys in taken.items() if wrong[0] in keys)
        raise SpecError(f"--{wrong[0]}: is for {takers}; 'didact list {what}' does not take it")
    if library is not None and what not in ("nets", None):
        raise SpecError(f"--library: is for 'didact list nets'; 'didact list {what}' knows no libraries")
    if what == "runs":
        return runs.list_(store=store, trust_store=trust_store, format=format, json=json)
    listing = _listing(what, pair, library)
    emit([listing.table], shape, listing.plain)
    return 0


def _listing(what: str | None, pair: dict[str, Any], library: str | None) -> Listing:
    """The list called ``what``, such as ``nets``.

    Args:
        what: the word after ``didact list``.
        pair: given options among net, teacher and data, for ``methods``; data only, for ``data``;
            net, data and size, for ``cuts``.
        library: another library, for ``nets``.

    Raises:
        SpecError: no word, or an unknown one. The message names the nearest word, or all.
    """
    if what not in WORDS:
        near = closest(str(what), WORDS, 1)
        suffix = "" if what is None else f"; found {shown(what)}" + (f", did you mean {near[0]!r}?" if near else "")
        raise SpecError(f"what: one of {ALL}{suffix}")
    known: dict[str, Callable[[], Listing]] = {
        "devices": _devices,
        "recipes": _recipes,
        "settings": _settings,
        "studies": _studies,
        "machine": _machine,
    }
    return known[what]() if what in known else _built(what, pair, library)


def _built(what: str, pair: dict[str, Any], library: str | None) -> Listing:
    """A list for which networks are built, or data sets looked for."""
    from didact.tables import libraries, listings

    known: dict[str, Callable[[], Listing]] = {
        "nets": listings.networks if library is None else lambda: libraries.classifiers(library),
        "cuts": lambda: libraries.cuts(**pair),
        "pools": listings.pools,
        "methods": lambda: listings.methods(**pair),
        "data": lambda: listings.data_sets(**pair),
    }
    return known[what]()


def _devices() -> Listing:
    from didact.tables.fit import devices

    return devices()


def _recipes() -> Listing:
    from didact.tables.recipes import recipes

    return recipes()


def _settings() -> Listing:
    from didact.catalogue.settings import request_settings
    from didact.tables.listing import Listing

    return Listing.of(["setting", "type", "default", "what it is"], request_settings(), ["type", "default"])


def _studies() -> Listing:
    from didact.papers.listing import studies

    return studies()


def _machine() -> Listing:
    """The values of ``auto`` on this machine, and the measured times behind them."""
    import torch

    from didact.engine import precision
    from didact.machine import processor
    from didact.tables.listing import Listing
    from didact.tables.table import Cell, Table

    device, known = answer.device(None), precision.times()
    values: dict[str, Cell] = {
        "processor": processor(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": device,
        "precision": precision.best_precision(device),
    }
    measured = {"fp32": known.fp32, "bf16": known.bf16}
    rows = [*values.items(), *((f"a step in {name} (ms)", round(1000 * t, 1)) for name, t in measured.items())]
    return Listing(Table(("what", "here"), tuple(rows)), values | {"measured": measured})
