"""The figure of a search for students: predicted accuracy against cost, the front, and the three students that it names."""

from __future__ import annotations

from pathlib import Path

from didact.report.figures import COLOURS
from didact.studies.front import Front

_AXES = {
    "parameters": "parameters",
    "macs": "multiply-accumulates for one image",
    "bytes": "bytes of the weights",
    "latency": "ms for one image",
}


def picture(found: Front, title: str, path: Path) -> None:
    """Grey: students that were predicted. Line: the front. The s_nas, m_nas and l_nas are written beside their dots.

    Raises:
        OSError: ``path`` cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    grey, colour, marked = COLOURS[6], COLOURS[0], COLOURS[1]
    axes.plot([one.cost for one in found.others], [one.accuracy for one in found.others], ".", color=grey, label="predicted")
    cost, accuracy = [one.cost for one in found.members], [one.accuracy for one in found.members]
    axes.step(cost, accuracy, "o-", where="post", color=colour, markersize=4, label="front")
    for label, name in found.picks.items():
        one = next(one for one in found.members if one.name == name)
        axes.plot([one.cost], [one.accuracy], "o", color=marked, markersize=7)
        axes.annotate(label, (one.cost, one.accuracy), xytext=(4, -12), textcoords="offset points", fontsize=9)
    axes.set_xscale("log")
    bits = f", {found.wanted.bits} bit" if found.wanted.cost == "bytes" else ""
    axes.set_xlabel(_AXES[found.wanted.cost] + bits)
    axes.set_ylabel("predicted validation accuracy (%)")
    axes.set_title(title, fontsize=9, loc="left")
    axes.legend(fontsize=8, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
