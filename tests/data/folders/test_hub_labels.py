"""Labels of a column that names its classes; Arrow does not compare them."""

import pytest

from didact.data.folders.splits import Asked, Chosen, Labelled, choose
from didact.spec import SpecError


def column(labels: list[object], names: list[str] | None) -> Labelled:
    return Labelled({"kind": labels}, "image", "kind", names, "flowers, split test")


def test_a_label_beyond_the_classes_is_refused() -> None:
    with pytest.raises(SpecError, match="flowers, split test: label 2 at row 3, but the column kind has the classes 0 to 1"):
        column([0, -1, None, 2, 5], ["rose", "ox"]).check()


def test_labels_that_name_a_class_or_none() -> None:
    named, numbered = column([0, 1, -1, None], ["rose", "ox"]), column([7, "ox", None], None)
    named.check()
    numbered.check()
    assert [named.name_of(value) for value in named.rows["kind"]] == ["rose", "ox", None, None]
    assert [numbered.name_of(value) for value in numbered.rows["kind"]] == ["7", "ox", None]


NAMED = column([0, 1, 1], ["rose", "ox"])
SOME = column([0, -1, None], ["rose", "ox"])
NONE = column([-1, -1, -1], ["rose", "ox"])


@pytest.mark.parametrize(
    ("name", "splits", "chosen"),
    [
        ("hf:a", {"train": NAMED}, Chosen("train", None, ())),
        ("hf:a", {"all": SOME}, Chosen("all", None, ("left out: 2 of 3 rows of the split all, without a label",))),
        (
            "hf:a",
            {"train": NAMED, "test": NONE, "val": NAMED},
            Chosen("train", "val", ("left out: the split test, which has no labels",)),
        ),
        (
            "hf:a#test=train",
            {"train": NAMED, "test": None},
            Chosen("train", None, ("left out: the split test, which has no labels",)),
        ),
        (
            "hf:a#kind#train=extra#test=train",
            {"train": NAMED, "extra": SOME, "test": NAMED},
            Chosen(
                "extra",
                "train",
                (
                    "left out: 2 of 3 rows of the split extra, without a label",
                    "left out: the split test; #test=test after the path would test on it",
                ),
            ),
        ),
    ],
)
def test_which_splits_are_used(name: str, splits: dict[str, Labelled | None], chosen: Chosen) -> None:
    assert choose(Asked.of(name), splits) == chosen


@pytest.mark.parametrize(
    ("name", "splits", "message"),
    [
        (
            "hf:a",
            {"train": NAMED, "test": NONE, "dev": NAMED},
            r"hf:a: the split test has no labels \(all 3 of its rows have -1 or none\); name one to test on: hf:a#test=SPLIT; "
            r"with labels are \['train', 'dev'\]; with hf:a#test=train one image in five of train is for the test",
        ),
        ("hf:a", {"train": NAMED, "validation": None}, r"the split validation has no labels \(it has no column of labels\)"),
        (
            "hf:a",
            {"train": NONE, "test": NAMED},
            r"split train has no labels .*to learn from: hf:a#train=SPLIT; with .*'test'",
        ),
        ("hf:a", {"train": NONE}, "split train has no labels .*; no split has any; write the column that holds them"),
        (
            "hf:a#test=dve",
            {"train": NAMED, "dev": NAMED},
            "has no split 'dve' for test; it has .*did you mean 'dev'",
        ),
        ("hf:a#test=b#test=c", {"train": NAMED}, "names two test splits; write one"),
        ("hf:a#kind#sort", {"train": NAMED}, "names two columns; write one"),
    ],
)
def test_splits_without_labels_are_refused_with_the_remedy(
    name: str, splits: dict[str, Labelled | None], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        choose(Asked.of(name), splits)
