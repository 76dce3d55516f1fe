"""Labels of a column that names its classes; Arrow does not compare them."""

import pytest

from didact.data.folders.hub import _Labelled
from didact.spec import SpecError


def column(labels: list[object], names: list[str] | None) -> _Labelled:
    return _Labelled({"kind": labels}, "image", "kind", names, "flowers, split test")


def test_a_label_beyond_the_classes_is_refused() -> None:
    with pytest.raises(SpecError, match="flowers, split test: label 2 at row 3, but the column kind has the classes 0 to 1"):
        column([0, -1, None, 2, 5], ["rose", "ox"]).check()


def test_labels_that_name_a_class_or_none() -> None:
    named, numbered = column([0, 1, -1, None], ["rose", "ox"]), column([7, "ox", None], None)
    named.check()
    numbered.check()
    assert [named.name_of(value) for value in named.rows["kind"]] == ["rose", "ox", None, None]
    assert [numbered.name_of(value) for value in numbered.rows["kind"]] == ["7", "ox", None]
