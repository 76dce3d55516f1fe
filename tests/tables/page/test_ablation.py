"""Ablation curves: one setting varies, all else is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from didact.runs.run import Run
from didact.store.store import Store
from didact.tables.page import ablation, trained
from didact.tables.page.picture import Dots, Picture
from support.reported import ended, metrics


def pictures(store: Store) -> dict[str, Picture]:
    return {one.title: one for one in ablation.section(trained.of_store(store)).pictures}


def test_a_setting_of_the_method(tiny: Callable[..., Run], store: Store) -> None:
    for temperature, top1 in ((1.0, 60.0), (4.0, 70.0), (16.0, 65.0)):
        for seed in range(2):
            ended(store, tiny({"name": "kd", "temperature": temperature}, seed=seed), metrics(top1 + seed))
    ended(store, tiny({"name": "kd", "alpha": 0.5}), metrics(50.0))  # differs in another setting
    found = pictures(store)
    assert list(found) == ["By method.temperature"]
    (panel,) = found["By method.temperature"].panels
    assert isinstance(panel, Dots) and not panel.x.log and panel.joined == {"test accuracy"}
    assert panel.title.startswith("resnet8, kd from ") and "temperature" not in panel.title
    assert [(dot.x, dot.y) for dot in panel.dots] == [(1.0, 60.5), (4.0, 70.5), (16.0, 65.5)]


def test_a_setting_that_the_teacher_shares(tiny: Callable[..., Run], store: Store) -> None:
    for epochs in (2, 4, 80):
        teacher = tiny("ce", net="resnet14")
        recipe = replace(teacher.recipe, epochs=epochs)
        ended(store, tiny("kd", teacher=replace(teacher, recipe=recipe), recipe=recipe), metrics(60.0 + epochs / 10))
    found = pictures(store)
    assert list(found) == ["By recipe.epochs"]
    (panel,) = found["By recipe.epochs"].panels
    assert isinstance(panel, Dots) and panel.x.log and [dot.x for dot in panel.dots] == [2, 4, 80]


def test_two_values_make_no_curve(tiny: Callable[..., Run], store: Store) -> None:
    for seed in range(4):
        ended(store, tiny({"name": "kd", "temperature": 1.0 + seed % 2}, seed=seed), metrics(60.0))
    assert pictures(store) == {}
