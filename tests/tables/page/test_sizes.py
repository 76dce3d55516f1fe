"""Size against accuracy, and the cost of teachers by number of students."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from didact import nets
from didact.nets.blocks import parameters
from didact.runs.run import Run, Start
from didact.store.store import Store
from didact.tables.page import costs, sizes, trained
from didact.tables.page.picture import Dots
from didact.tables.table import Table
from support.reported import ended, metrics


def test_the_front_and_the_devices(tiny: Callable[..., Run], store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "deployed", lambda self, run: nets.create(run.net, 10, 1, 16))
    for net, top1 in (("resnet8", 60.0), ("resnet14", 58.0), ("resnet20", 70.0)):
        for seed in range(2):
            ended(store, tiny("ce", net=net, seed=seed), metrics(top1 + seed))
    section = sizes.section(store, trained.of_store(store))
    (panel,) = section.pictures[0].panels
    assert isinstance(panel, Dots)
    assert {dot.name.partition(":")[0]: (dot.group, dot.y) for dot in panel.dots} == {
        "resnet8": ("Pareto front", 60.5),
        "resnet14": ("others", 58.5),
        "resnet20": ("Pareto front", 70.5),
    }
    smallest = min(dot.x for dot in panel.dots if not isinstance(dot.x, str))
    assert smallest > parameters(nets.create("resnet8", 10, 1, 16))  # a byte each, and activations
    assert {"ethos-n77-1mb", "ethos-n77"} <= {rule.name for rule in panel.rules}
    tables = [part for part in section.parts if isinstance(part, Table)]
    assert any("ethos-n77" in row for table in tables for row in table.rows)


def test_equal_networks_are_both_on_the_front(
    tiny: Callable[..., Run], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "deployed", lambda self, run: nets.create(run.net, 10, 1, 16))
    for method in ("ce", {"name": "kd", "temperature": 2.0}, {"name": "kd", "temperature": 3.0}):
        ended(store, tiny(method, net="resnet8"), metrics(59.0 if method == "ce" else 60.0))
    ended(store, tiny("ce", net="resnet14"), metrics(60.0))  # larger, and no better
    section = sizes.section(store, trained.of_store(store))
    (panel,) = section.pictures[0].panels
    assert isinstance(panel, Dots)
    assert [(dot.y, dot.group) for dot in panel.dots if dot.name.startswith("resnet8: kd")] == [(60.0, "Pareto front")] * 2
    assert sum(dot.group == "Pareto front" for dot in panel.dots) == 2


def test_networks_that_began_otherwise_are_two_marks(
    tiny: Callable[..., Run], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is trained on from a run of another method; a mean of both would be of no training."""
    monkeypatch.setattr(Store, "deployed", lambda self, run: nets.create(run.net, 10, 1, 16))
    for method, top1 in (("ce", 50.0), ("kd", 60.0)):
        ended(store, tiny("ce", start=Start(run=tiny(method))), metrics(top1))
    ended(store, tiny("ce", net="resnet14"), metrics(70.0))
    section = sizes.section(store, trained.of_store(store))
    (panel,) = section.pictures[0].panels
    assert isinstance(panel, Dots) and sorted(dot.y for dot in panel.dots) == [50.0, 60.0, 70.0]


def test_what_cannot_be_built_is_left_out_and_told(tiny: Callable[..., Run], store: Store) -> None:
    said: list[str] = []
    quiet = Store(store.root, said.append)
    for net in ("resnet8", "resnet14"):
        ended(store, tiny("ce", net=net), metrics(60.0))  # the weights of no network
    assert sizes.section(quiet, trained.of_store(quiet)).parts == ()
    assert len(said) == 2 and all(line.startswith("the size of") for line in said)


def test_cost_by_number_of_students(tiny: Callable[..., Run], store: Store) -> None:
    def teacher(method: Any) -> Run:
        return tiny(method, net="resnet14")

    for student in ("resnet8", "resnet14"):
        ended(store, teacher({"name": "sftn", "student": student}), metrics(70.0))
    assert costs.section(trained.of_store(store)).parts == ()
    ended(store, teacher({"name": "gtn", "pool": "tiny"}), metrics(70.0, 3) + metrics(70.0, 1))
    picture, table = costs.section(trained.of_store(store)).parts
    assert isinstance(table, Table) and not isinstance(picture, Table)
    (panel,) = picture.panels  # type: ignore[union-attr]
    assert isinstance(panel, Dots)
    assert [(dot.x, dot.y) for dot in panel.dots] == [(1, 2.0), (2, 4.0), (1, 4.0), (2, 4.0)]
    assert table.note == "From 2 students on, the generic teacher takes no more processor time."
