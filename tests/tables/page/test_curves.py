"""Curves: which runs stand together, every term, branches, what is unfinished, what is thinned out."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import nan

import pytest

from didact.runs.run import Run
from didact.store.store import Store
from didact.tables.page import curves, trained
from didact.tables.page.picture import Curves, Panel
from support.reported import begun, ended, metrics


def panel(panels: tuple[Panel, ...], title: str) -> Curves:
    (found,) = [one for one in panels if one.title == title]
    assert isinstance(found, Curves)
    return found


def test_students_and_their_teacher(tiny: Callable[..., Run], store: Store) -> None:
    teacher = tiny({"name": "sftn", "student": "resnet8"}, net="resnet14")
    rows = metrics(80.0, teacher_ce=1.0, branch_kl=0.5)
    rows[-1]["test_branch1_top1"] = 60.0
    ended(store, teacher, rows)
    for seed in range(2):
        ended(store, tiny("kd", teacher=teacher, seed=seed), metrics(70.0 + seed, ce=0.3, kd=2.0))
    begun(store, tiny("ce"), metrics(50.0, 1))

    known = trained.latest(store, 10)
    (picture,) = curves.section(trained.families(known)).pictures
    titles = [one.title for one in picture.panels]
    assert titles[:3] == ["test accuracy", "training accuracy", "loss"]
    assert set(titles[3:]) == {"loss term ce", "loss term kd", "loss term teacher_ce", "loss term branch_kl"}
    accuracy = panel(picture.panels, "test accuracy")
    assert accuracy.at == (1, 2)
    values = {curve.name: curve.values for curve in accuracy.curves}
    by_teacher = "kd from sftn resnet14"
    assert values == {
        "alone (ce), seed 0 (epoch 1 of 2)": (50.0, None),
        f"{by_teacher}, seed 0": (35.0, 70.0),
        f"{by_teacher}, seed 1": (35.5, 71.0),
        "teacher: sftn resnet14": (40.0, 80.0),
        "teacher: sftn resnet14, branch1": (None, 60.0),
    }
    assert [curve.name for curve in accuracy.curves if curve.dashed] == list(values)[3:]
    assert len(panel(picture.panels, "loss term kd").curves) == 2
    assert accuracy.table().rows[1] == (2, "", 70, 71, 80, 60)


def test_what_is_no_number_is_left_out(tiny: Callable[..., Run], store: Store) -> None:
    rows = metrics(50.0)
    rows[0] |= {"loss": nan, "terms": "many", "train_top1": None}
    run = tiny("ce")
    one = trained.Trained(run, [*rows, {"epoch": 3}], None)
    (picture,) = curves.section(trained.families([one])).pictures
    assert panel(picture.panels, "loss").at == (2,) and panel(picture.panels, "test accuracy").at == (1, 2)
    assert curves.section([]).parts == ()


def test_many_values_are_thinned_out(tiny: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "CELLS", 100)
    one = trained.Trained(tiny("ce"), metrics(50.0, 101), None)
    (section,) = curves.thinned([curves.section(trained.families([one]))])
    (picture,) = section.pictures
    loss = panel(picture.panels, "loss")
    assert loss.at[:2] == (1, 6) and loss.at[-1] == 101 and len(loss.curves[0].values) == len(loss.at)
    assert "one in 5 is shown" in picture.note


def test_the_runs_that_changed_last(tiny: Callable[..., Run], store: Store) -> None:
    teacher = tiny("ce", net="resnet14")
    ended(store, teacher, metrics(80.0))
    runs = [tiny("kd", teacher=teacher, seed=seed) for seed in range(3)]
    for run in runs:
        ended(store, run, metrics(70.0))
    for at, run in enumerate((teacher, runs[1], runs[0], runs[2])):
        os.utime(store.folder(run) / "metrics.jsonl", (at, at))
    found = trained.latest(store, 2)
    assert {one.digest for one in found} == {
        runs[0].digest,
        runs[2].digest,
        teacher.digest,
    }  # the teacher is shown with them
