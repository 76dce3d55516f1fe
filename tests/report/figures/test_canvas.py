"""Figures leave the backend and the open figures of whoever calls as they were."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib import pyplot

from didact import report
from didact.report.figures.canvas import save
from didact.report.figures.front import front
from didact.report.figures.grid import grid
from didact.runs.spread import Sample
from didact.search.costs import SearchSettings
from didact.search.pareto import Member, ParetoFront
from didact.tables.table import Quantity, Table


def test_no_module_uses_pyplot() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(report.__file__).parents[1].rglob("*.py")]
    assert len(sources) > 150 and sum("matplotlib" in source for source in sources) >= 5
    assert not any("import pyplot" in source or "matplotlib.use(" in source for source in sources)


def test_no_backend_is_chosen_and_no_figure_stays_open(tmp_path: Path) -> None:
    with matplotlib.rc_context():
        matplotlib.use("svg")
        own = pyplot.figure()
        before = matplotlib.get_backend(), pyplot.get_fignums(), pyplot.gcf()
        members = tuple(Member(f"s{at}", 50.0 + at, 10.0 + at, 10, 1) for at in range(2))
        figures = [front(ParetoFront("", SearchSettings(), members, (), 2, 100, 10.0), "title")]
        panel = grid([Table(("", "a"), (("kd", Quantity(Sample((1.0, 2.0)))),), "title")])
        assert panel is not None
        for at, figure in enumerate([*figures, panel]):
            save(figure, tmp_path / f"{at}.png")
            assert (tmp_path / f"{at}.png").stat().st_size > 1000
        assert (matplotlib.get_backend(), pyplot.get_fignums(), pyplot.gcf()) == before
        pyplot.close(own)
