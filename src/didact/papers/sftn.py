"""The SFTN paper's studies: Tables 1 to 9, Figures 3 to 5.

Park, Cha, Jeong, Kim, Han: Learning Student-Friendly Teacher Networks for Knowledge Distillation
(arXiv 2102.07650).

    1, 2   every method from a standard and from an SFTN teacher
    3      the same on ImageNet
    4      SFTN against DML, KDCL, RCO and training four times as long
    5      temperature of SFTN
    6      lambda_KL of SFTN
    7      linear probes on other data
    8      KL and CKA between teacher and student
    9      branches smaller and larger than the student
    fig3   the best students of Tables 1 and 2 and their teachers
    fig4   a student from teachers of several sizes
    fig5   KL and accuracy over the epochs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from didact.papers import scales
from didact.papers.about import About
from didact.papers.only import limited
from didact.papers.sftn_figures import Best, Curves, curves_grid
from didact.papers.sftn_grids import TABLES
from didact.papers.sftn_request import Wanted
from didact.papers.sftn_settings import BY_TABLE, PAIRS, SCALES, check
from didact.papers.sftn_tables import PUBLISHED
from didact.spec import SpecError, shown
from didact.tables.grid import Grid
from didact.tables.grids import Grids

KEYS = (
    "table", "pairs", "method", "seeds", "teacher_seeds", "teacher", "sftn", "dml", "kdcl", "route", "long", "temperatures",
    "weights", "branches", "transfer", "stands_for", "only",
)  # fmt: skip
NAMES = (*TABLES, "fig3", "fig5")

_CIFAR, _SOURCE = "CIFAR-100", "SFTN (https://arxiv.org/abs/2102.07650), "
ABOUT = {
    "1": About("12 methods from standard and SFTN teachers", _CIFAR, "4 pairs of the same family", f"{_SOURCE}Table 1"),
    "2": About("12 methods from standard and SFTN teachers", _CIFAR, "4 pairs of different families", f"{_SOURCE}Table 2"),
    "3": About(
        "5 methods from standard and SFTN teachers: top-1, top-5",
        "ImageNet, of your own: --data folder:PATH",
        "resnet50_imagenet to resnet34_imagenet",
        f"{_SOURCE}Table 3",
        {"data": "digits", "recipe": {"name": "imagenet"}},
        1_281_167,
    ),
    "4": About("KD, DML, KDCL, RCO, SFTN; four times as long", _CIFAR, "6 pairs", f"{_SOURCE}Table 4"),
    "5": About("temperature of SFTN", _CIFAR, "4 pairs", f"{_SOURCE}Table 5"),
    "6": About("lambda_KL of SFTN", _CIFAR, "4 pairs", f"{_SOURCE}Table 6"),
    "7": About(
        "linear probes of students from standard and SFTN teachers",
        "CIFAR-100; STL-10 and Tiny ImageNet for the probes",
        "resnet32x4 to shufflenet_v2",
        f"{_SOURCE}Table 7",
    ),
    "8": About("KL and CKA of teacher and student", _CIFAR, "resnet32x4 to shufflenet_v2", f"{_SOURCE}Table 8"),
    "9": About("SFTN branches smaller and larger than the student", _CIFAR, "3 pairs", f"{_SOURCE}Table 9"),
    "fig3": About("the best students and their teachers", _CIFAR, "the 8 pairs of Tables 1 and 2", f"{_SOURCE}Figure 3"),
    "fig4": About(
        "students from teachers of several sizes",
        _CIFAR,
        "resnet20 to resnet110 (our choice), mobilenet_v2",
        f"{_SOURCE}Figure 4",
    ),
    "fig5": About("KL and accuracy over the epochs", _CIFAR, "resnet32x4 to shufflenet_v2", f"{_SOURCE}Figure 5"),
}
"""What each table and figure compares and needs."""


def study(request: Mapping[str, Any], device: str = "cpu") -> Grids:
    """The tables of the settings ``request``; the scale gives the others.

        scale      digits, small (default) or paper
        table      numbers of tables: 4 (default), or 4,7,fig3
        pairs      teacher/student,teacher/student
        method     methods of tables 1, 2, 3, 7, 8 and 9: kd,fitnet+kd ...
        only       cells: pair=resnet20/resnet8/method=kd,crd
        stands_for the paper's pair that those stand for that it does not have
        seeds      number of training seeds of each student
        teacher_seeds    number of seeds of each teacher
        teacher    seed, recipe, data, data_seed of the teachers
        sftn, dml, kdcl, route    settings of these methods
        long       Table 4: also trainings four times as long
        temperatures, weights     values for tables 5 and 6
        branches   networks of Table 9: smaller, equal, larger
        transfer   data sets of Table 7: stl10,tiny-imagenet; or
                   {"name": ..., "fraction": share of the training images}
        data, recipe, data_seed, epochs, precision    as in ``didact train``

    Raises:
        SpecError: unknown keys, tables or names.
    """
    scales.settings(request, SCALES, KEYS)
    tables = [number.strip() for number in str(request.get("table", 4)).strip("[]").split(",")]
    for table in tables:
        if table not in NAMES:
            raise SpecError(f"table: unknown {shown(table)}; available: {', '.join(NAMES)}")
    check(request, tables)
    if "stands_for" in request and not any(_stands_in(request, table, device) for table in tables):
        scales.check_none(request, ("stands_for",), scales.NO_STAND_IN)
    grids: list[Grid] = []
    summaries = []
    for table in dict.fromkeys(tables):
        settings = _settings(request, table)
        if table == "fig3":
            table_grids = [grid for number in ("1", "2") for grid in _grids(request, settings, number, device)]
            by_pair = {grid.facts["pair"]: grid for grid in reversed(table_grids)}  # one's own pairs are in both
            table_grids = list(by_pair.values())[::-1]
            summaries.append(Best(limited(table_grids, request.get("only"))))
        elif table == "fig5":
            table_request = _wanted(request, settings, table, device)
            table_grids = [curves_grid(table_request, pair) for pair in table_request.pairs]
            summaries += [Curves(grid) for grid in limited(table_grids, request.get("only"))]
        else:
            table_grids = _grids(request, settings, table, device)
        grids += table_grids
    return Grids(limited(grids, request.get("only")), "SFTN", tuple(summaries))


def _stands_in(request: Mapping[str, Any], table: str, device: str) -> bool:
    """Whether a table compares a pair that the paper does not have with one of several that it has."""
    settings = _settings(request, table)
    for number in ("1", "2") if table == "fig3" else (table,):
        known = PAIRS[number] if number in PUBLISHED else ()
        pairs = _wanted(request, settings, number, device).pairs
        if len(known) > 1 and any("/".join(pair) not in known for pair in pairs):
            return True
    return False


def _settings(request: Mapping[str, Any], table: str) -> dict[str, Any]:
    """The settings of one table: the request's, then those of the scale for it, then the scale's."""
    scale = str(request.get("scale", "small"))
    settings = scales.settings(request, {**SCALES, scale: {**SCALES[scale], **BY_TABLE.get((table, scale), {})}}, KEYS)
    if table == "3" and scale == "paper" and "data" not in request:
        raise SpecError("data: table 3 is ImageNet's, which has no download here; write --data folder:PATH of your copy")
    scales.check_teacher(settings.setdefault("teacher", {}))
    return settings


def _wanted(request: Mapping[str, Any], settings: Mapping[str, Any], table: str, device: str) -> Wanted:
    return Wanted(settings, table, device, scales.as_published(request, but="data" if table == "3" else ""))


def _grids(request: Mapping[str, Any], settings: Mapping[str, Any], table: str, device: str) -> list[Grid]:
    return TABLES[table](_wanted(request, settings, table, device))
