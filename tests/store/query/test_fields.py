"""Runs of a list are chosen and put in order by any field."""

from __future__ import annotations

from pathlib import Path

import pytest

from didact.engine.recipe import Recipe
from didact.runs.run import Start
from didact.spec import SpecError
from didact.store import notes
from didact.store.query.fields import Selection, everything
from didact.store.store import Store
from didact.tables.runs import finished
from support.shelf import Shelf, keep, shelf
from support.tiny import make


@pytest.fixture
def full(tmp_path: Path) -> Shelf:
    return shelf(tmp_path)


def chosen(full: Shelf, where: str | None = None, sort: str | None = None) -> list[str]:
    return [one.row.label for one in Selection.read(where, sort).of(finished(full.store))]


def test_short_fields_settings_metrics_and_circumstances(full: Shelf) -> None:
    everyone = ["resnet14.ce.s100", "resnet8.ce.s5", "resnet8.kd.s0", "resnet8.kd.s1"]
    assert chosen(full) == everyone
    for where, count in {
        "data=digits": 4,
        "images~'6 per class'": 4,
        "method=kd": 2,
        "how~alone": 2,
        "net=resnet14": 1,
        "teacher~resnet14": 2,
        "teacher=none": 2,
        "top1=50": 4,
        "seed>=5": 2,
        "epochs=2": 4,
        "finished>2020 and mb<1": 4,
        "note=none": 4,
        f"digest={full.loner.digest}": 1,
        "recipe.batch_size=16": 4,
        "method.temperature=4": 2,
        "teacher.net=resnet14": 2,
        "teacher.seed!=100": 2,
        "last.epoch=1": 4,
        "environment.command~train": 4,
        "last.epoch>1": 0,
        "recipe.milestones~,": 4,
        "start=none": 4,
        "start!=none": 0,
        "start.run.net=none": 4,
        "route=none and peers=none": 4,
        "teacher.method=ce": 2,
        "teacher.recipe!=none": 2,
        "teacher.method.kl_weight=none": 4,
        "teacher.teacher=none": 4,
    }.items():
        assert len(chosen(full, where)) == count, where


def test_runs_are_sorted_by_several_fields_and_those_without_come_last(full: Shelf) -> None:
    assert chosen(full, None, "-seed") == ["resnet14.ce.s100", "resnet8.ce.s5", "resnet8.kd.s1", "resnet8.kd.s0"]
    assert chosen(full, None, "method,-seed") == ["resnet14.ce.s100", "resnet8.ce.s5", "resnet8.kd.s1", "resnet8.kd.s0"]
    for sort in ("method.temperature,seed", "-method.temperature,seed"):
        assert chosen(full, None, sort)[:2] == ["resnet8.kd.s0", "resnet8.kd.s1"]
    keep(full.store.root, make(recipe=Recipe(epochs=3, batch_size=16), seed=9))
    assert chosen(full, None, "-epochs")[0] == "resnet8.ce.s9"


def test_a_field_that_holds_fields_is_the_name_of_what_they_describe(full: Shelf) -> None:
    keep(full.store.root, make(net="resnet8", seed=7, start=Start(run=full.loner)))
    assert chosen(full, "start!=none") == chosen(full, "start=resnet8") == ["resnet8.ce.s7"]
    assert chosen(full, "start.run.seed=5") == ["resnet8.ce.s7"]
    assert chosen(full, None, "-start")[0] == "resnet8.ce.s7"


@pytest.mark.parametrize(
    ("where", "sort", "said"),
    [
        ("recipe.learning_rat=1", None, "no run has a field 'recipe.learning_rat'; did you mean 'recipe.learning_rate'"),
        ("acuracy=1", "nosuchthing", "no run has a field 'nosuchthing'; didact runs --fields lists them"),
        (None, "-tope", "did you mean 'top1'"),
        ("strat!=none", None, "did you mean 'start'"),
        ("teacher.nett=resnet8", None, "did you mean 'teacher.net'"),
        ("method.temprature=4", None, "did you mean 'method.temperature'"),
        ("teacher.method.kl_wieght=4", None, "did you mean 'teacher.method.kl_weight'"),
        ("route.anchrs=4", None, "did you mean 'route.anchors'"),
        (None, "seed,,net", "fields with commas between them"),
        (None, "-", "fields with commas between them"),
        ("seed>x", None, "seed is a number"),
    ],
)
def test_unknown_fields_are_refused(full: Shelf, where: str | None, sort: str | None, said: str) -> None:
    with pytest.raises(SpecError) as error:
        chosen(full, where, sort)
    assert said in str(error.value)


def test_all_fields_of_a_run(full: Shelf) -> None:
    notes.put(full.folder(full.loner), "mine")
    folder, row = next((f, r) for f, r in finished(full.store) if r.digest == full.loner.digest)
    known = everything(folder, row)
    assert (known["note"], known["data.per_class"], known["last.test_top1"], known["environment.command"]) == (
        "mine",
        6,
        50.0,
        "didact train",
    )


def test_an_empty_store_has_nothing_to_misspell(tmp_path: Path) -> None:
    assert Selection.read("x=1", None).of(finished(Store(tmp_path))) == []
