"""``didact report``: tables and pictures of finished runs as one HTML file. Imports no torch before
it runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, Device, StorePath, TrustStore
from didact.spec import RequestError, SpecError, shown
from didact.streams import say

if TYPE_CHECKING:
    from didact.store.store import Store
    from didact.tables.page.parts import Page
    from didact.tables.page.trained import Trained

MOST = 300
"""Largest number of runs in one report."""


def report(
    *what: Annotated[str, Parameter(help="Beginnings of digests or of folders' names; default: every finished run.")],
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="A new file that ends in .html; default: report.html.")
    ] = None,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    device: Device = None,
) -> int:
    """Collect and write. The help text is in :mod:`didact.cli.main`."""
    from didact.files.checked import write
    from didact.report.page import html, library

    path = _new_file(Path("report.html") if output is None else output.expanduser())
    library.check_installed()
    records = answer.opened(store, trust_store)
    page = _page(records, what, answer.device(device))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = html.render(page).encode()
    write(path, text)
    say(f"report of {page.lines[0].split(';')[0]}: {path} ({len(text) / 1e6:.1f} MB)")
    return 0


def _page(store: Store, what: Sequence[str], device: str) -> Page:
    from didact.measure.similarity import similarities
    from didact.tables.page.whole import page

    trained = _trained(store, what)
    similar = similarities(store, [one.run for one in trained], device)
    return page(f"Runs in {store.root.name}", trained, similar)


def _trained(store: Store, what: Sequence[str]) -> list[Trained]:
    """The runs that ``what`` names, or all.

    Raises:
        SpecError: a name fits none, or there are none, or too many.
    """
    from didact.store.choice import chosen_all
    from didact.tables.page import trained

    if what:
        found = trained.of_runs(store, chosen_all(store, [word for one in what for word in one.split(",") if word]))
    else:
        found = trained.of_store(store)
    if not found:
        raise SpecError(f"no finished run in {store.root}; train some first: didact quickstart")
    if len(found) > MOST:
        raise SpecError(f"a report shows at most {MOST} runs, found {len(found):,}; name some by their digests, or a study")
    return found


def _new_file(path: Path) -> Path:
    """Check that a new file can be written at ``path``.

    Raises:
        SpecError: the name does not end in .html.
        RequestError: there is something at ``path``, or nothing can be written there.
    """
    if path.is_dir():
        raise RequestError(f"output: {path} is a folder; name a file in it, such as {path / 'report.html'}")
    if path.suffix != ".html":
        raise SpecError(f"output: the name of a file that ends in .html, found {shown(str(path))}")
    if os.path.lexists(path):
        raise RequestError(f"output: {path} exists; name another, or remove it")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        tempfile.TemporaryFile(dir=above).close()
    except OSError as error:
        raise RequestError(f"output: nothing can be written in {above}: {error.strerror}; name another place") from None
    return path
