"""``didact report``: tables and pictures of finished runs as one HTML file. Imports no torch before
it runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Parameter

from didact.cli import answer, served, studied
from didact.cli.options import STORE, Device, StorePath, TrustStore, exactly
from didact.files.disk import check_place
from didact.spec import RequestError, Seed, SpecError, closest, plural, shown
from didact.streams import say

if TYPE_CHECKING:
    from didact.cli.studied import Studied
    from didact.store.store import Store
    from didact.tables.page.parts import Page
    from didact.tables.page.trained import Trained

T = TypeVar("T")

MOST = 300
"""Largest number of runs in one report."""

LOOKS = 3
"""Students to look at closely where nothing is said."""

KINDS = (".svg", ".pdf", ".png")
"""The kinds of files of each figure."""


def report(
    *what: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="Beginnings of digests or of folders' names; or studies, each with its settings; default: every finished run.",
        ),
    ],
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="A new file that ends in .html; default: report.html.")
    ] = None,
    figures: Annotated[
        Path | None, Parameter(help="Also save every picture as SVG, PDF and PNG, in this new or empty folder.")
    ] = None,
    look: Annotated[
        int | None,
        Parameter(
            converter=exactly(Seed),
            help="Students to look at closely: layers, calibration, disagreement; default: 3. Takes seconds for each.",
        ),
    ] = None,
    serve: Annotated[
        bool, Parameter(negative="", help="Write nothing: show the store on this machine's 127.0.0.1, with unfinished runs.")
    ] = False,
    port: Annotated[
        int | None, Parameter(converter=exactly(Seed), help="With --serve: the port; default: a free one.")
    ] = None,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    device: Device = None,
) -> int:
    """Collect and write. The help text is in :mod:`didact.cli.main`."""
    from didact.files.checked import write
    from didact.report.page import html, library

    if serve:
        served.check(what, {"output": output, "figures": figures, "look": look})
        return served.serve(answer.opened(store, trust_store), port or 0, MOST, answer.device(device))
    if port is not None:
        raise SpecError("port: is for --serve; write --serve, too")
    look = LOOKS if look is None else look
    path = _new_file(Path("report.html") if output is None else output.expanduser())
    folder = None if figures is None else _new_folder(figures.expanduser())
    library.check_installed()
    records = answer.opened(store, trust_store)
    page = _page(records, what, answer.device(device), look)
    text = html.render(page).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, text)
    say(f"report of {page.lines[0].partition(';')[0]}: {path} ({len(text) / 1e6:.1f} MB)")
    if folder is not None:
        _draw(page, folder)
    return 0


def _page(store: Store, what: Sequence[str], device: str, looks: int) -> Page:
    from didact.measure.similarity import similarities
    from didact.tables.page.whole import page

    asked = studied.named(what, device)
    trained = _of_studies(store, asked) if asked else _named(store, what)
    studies = asked if what else studied.typed(store, trained, device)
    before = studied.sections(studies, store, device, asked=bool(asked))
    similar = similarities(store, [one.run for one in trained], device)
    title = "; ".join(one.paper.title for one in asked) or f"Runs in {store.root.absolute().name}"
    return page(store, title, trained, similar, before=before, looks=looks, device=device)


def _of_studies(store: Store, studies: Sequence[Studied]) -> list[Trained]:
    """The studies' finished runs, with their teachers. None for a study of one's own that names no
    ``runs``: its tables are shown alone.

    Raises:
        SpecError: a study names runs, and none of them is finished.
    """
    from didact.tables.page.trained import of_runs

    found: dict[str, Trained] = {}
    for one in studies:
        runs = getattr(one.paper, "runs", None)
        trained = [] if runs is None else of_runs(store, runs)
        if runs is not None and not trained:
            raise SpecError(f"no run of the study {shown(one.name)} is finished in {store.root}; didact study trains them")
        found |= {each.digest: each for each in trained}
    return _not_too_many(list(found.values()))


def _named(store: Store, what: Sequence[str]) -> list[Trained]:
    """The runs that ``what`` names, with their teachers, or all.

    Raises:
        SpecError: a name fits none, or there are none, or too many.
    """
    from didact.papers.contract import names
    from didact.store.choice import chosen_all
    from didact.tables.page.trained import of_runs, of_store

    words = [word for one in what for word in one.split(",") if word]
    if not words:
        _not_too_many([folder for folder in store.folders() if (folder / "record.json").exists()])
    try:
        trained = of_runs(store, chosen_all(store, words)) if words else of_store(store)
    except SpecError as error:
        meant = closest(words[0], names()) if words else []
        raise SpecError(f"{error}{f'; the study is called {meant[0]}' if len(meant) == 1 else ''}") from None
    if not trained:
        raise answer.nothing_finished(store)
    return _not_too_many(trained)


def _not_too_many(runs: list[T]) -> list[T]:
    if len(runs) > MOST:
        raise SpecError(f"a report shows at most {MOST} runs, found {len(runs):,}; name some by their digests, or a study")
    return runs


def _draw(page: Page, folder: Path) -> None:
    """Save every picture in every kind."""
    from didact.report.figures.canvas import save
    from didact.report.figures.picture import picture

    for one in page.pictures:
        figure = picture(one)
        for kind in KINDS:
            save(figure, folder / f"{one.key}{kind}")
    say(f"{plural(len(page.pictures), 'figure')} as SVG, PDF and PNG: {folder}")


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
    check_place("output", path.parent)
    return path


def _new_folder(path: Path) -> Path:
    """Check that ``path`` is or can be made an empty folder.

    Raises:
        RequestError: it holds files, is no folder, or nothing can be written there.
    """
    if os.path.lexists(path) and not path.is_dir():
        raise RequestError(f"figures: {path} is no folder; name another")
    if path.is_dir() and any(path.iterdir()):
        raise RequestError(f"figures: {path} is not empty; name another, or empty it")
    check_place("figures", path)
    return path
