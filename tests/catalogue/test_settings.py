"""Every setting as a row: nested specs are walked, inherited settings keep their descriptions."""

from __future__ import annotations

from typing import Literal

from didact.catalogue.fields import fields
from didact.method import Method
from didact.methods.kd import KD
from didact.runs.run import Run
from didact.spec import Chosen, Count, Seed, digest, spec


@spec
class Sail:
    """One of several."""

    area: Count = 1
    """How large."""
    cut: Literal["lug", "gaff"] = "lug"
    seed: Seed = 0


@spec
class Jib(Sail):
    cut: Literal["lug", "gaff"] = "gaff"
    sheets: float = 2.0
    """How many ropes."""


@spec
class Mast:
    sail: Sail = Sail()
    spare: Sail | None = None
    share: float = 1.0


@spec
class Boat:
    title: str
    mast: Mast = Mast()
    method: Chosen[Method] = KD()


def test_a_row_is_path_type_default_and_description() -> None:
    rows = [("area", "int", "1", "How large."), ("cut", "lug | gaff", "'lug'", ""), ("seed", "int", "0", "")]
    assert fields(Sail) == rows


def test_inherited_settings_keep_their_descriptions() -> None:
    rows = [("area", "int", "1", "How large."), ("cut", "lug | gaff", "'gaff'", ""), ("seed", "int", "0", "")]
    assert fields(Jib) == [*rows, ("sheets", "float", "2.0", "How many ropes.")]


def test_nested_specs_are_walked() -> None:
    rows = {path: (kind, default) for path, kind, default, _ in fields(Boat)}
    assert rows["title"] == ("str", "required")
    assert rows["mast.sail.area"] == rows["mast.spare.area"] == ("int", "1")
    assert rows["mast.share"] == ("float", "1.0")
    assert "mast" not in rows and "method" in rows


def test_specs_that_hold_each_other_end() -> None:
    paths = [path for path, *_ in fields(Run)]
    assert {"net", "recipe.epochs", "data.name", "seed"} <= set(paths)


def test_a_digest_does_not_depend_on_descriptions() -> None:
    def boom(text: str) -> type:
        class Boom:
            length: Count = 1

        Boom.__doc__ = text
        return spec(Boom)

    plain, told = boom("A spar."), boom("A spar below the sail.")
    told.__pydantic_fields__["length"].description = "In metres."
    assert plain.__doc__ != told.__doc__
    assert digest(plain(length=3)) == digest(told(length=3)) != digest(plain(length=4))
