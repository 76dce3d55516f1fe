"""The whole report of some runs: every section that has something to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from didact import __version__
from didact.measure.similarity import Similarity
from didact.spec import plural
from didact.store.store import Store
from didact.tables.comparison import comparisons
from didact.tables.page import ablation, closer, costs, curves, divergence, origin, runs, sizes, teachers
from didact.tables.page.parts import Page, Section, shown
from didact.tables.page.trained import Trained, families


def page(
    store: Store,
    title: str,
    trained: Sequence[Trained],
    similar: Mapping[str, Similarity],
    *,
    before: Sequence[Section] = (),
    looks: int = 0,
    device: str = "cpu",
) -> Page:
    """The report of ``trained``.

    Args:
        store: where the runs are.
        title: of the page.
        trained: runs, finished or not, and their teachers.
        similar: similarity of students and teachers by the student's digest, as far as known.
        before: sections that come first, such as a study's tables.
        looks: how many students to look at closely, which takes their images and seconds for each.
        device: where these are computed.
    """
    finished = [(one.run, one.record) for one in trained if one.record is not None]
    compared = comparisons(finished, {run.digest for run, _ in finished}, similar or None)
    related = families(trained)
    whole = [
        *before,
        runs.results(compared),
        curves.section(related),
        teachers.section(compared, {one.digest: one.run for one in trained}),
        divergence.section(related),
        ablation.section(trained),
        sizes.section(store, trained),
        costs.section(trained),
        closer.section(store, closer.chosen(trained, looks), device),
        runs.runs(trained, similar),
        origin.section(trained),
    ]
    running = len(trained) - len(finished)
    lines = [f"{plural(len(finished), 'finished run')}{f', {running} unfinished' if running else ''}; didact {__version__}."]
    return Page(title, tuple(lines), shown(curves.thinned(whole)))
