"""Values and their JSON: canonical text and digest, errors with their path, changes and listings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from didact.method import Method
from didact.methods.kd import KD
from didact.runs.run import Run
from didact.spec import (
    Chosen,
    Count,
    NonNegative,
    Positive,
    Seed,
    Share,
    SpecError,
    canonical,
    digest,
    from_json,
    nearest,
    shown,
    spec,
    strict_json,
    to_json,
)
from didact.teaching.sftn import SFTN


@spec
class Leaf:
    """The deepest."""

    width: Count = 1
    """How wide."""
    rate: float = 0.5
    kind: Literal["oak", "elm"] = "oak"
    seed: Seed = 0


@spec
class Twig:
    leaf: Leaf = Leaf()
    spare: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    share: Share = 1.0


@spec
class Tree:
    title: str
    twig: Twig = Twig()
    method: Chosen[Method] = KD()


def refusal(cls: type, data: Any, at: str = "") -> list[str]:
    """The lines of the error."""
    with pytest.raises(SpecError) as caught:
        from_json(cls, data, at)
    return str(caught.value).split("\n")


# ------------------------------------------------------------------------------------------------ canonical text


def test_canonical_text_and_digest_stay_what_they_are() -> None:
    text = '{"alpha":0.9,"gamma":0.1,"name":"kd","standardise":false,"temperature":4.0,"version":1}'
    assert canonical(KD()) == text
    assert digest(KD()) == "07206f95f3a32553" == hashlib.sha256(text.encode()).hexdigest()[:16]
    text = (
        '{"ce_weight":1.0,"direction":"branch||teacher","kl_weight":3.0,"name":"sftn","squared":false,"student":"resnet8",'
        '"teacher_weight":1.0,"temperature":1.0,"version":1,"warmup":0.0}'
    )
    assert canonical(SFTN(student="resnet8")) == text
    assert digest(SFTN(student="ResNet8")) == "49255ad3af1b77d7"
    leaf = '{"kind":"oak","rate":0.5,"seed":0,"width":1}'
    text = (
        '{"method":{"alpha":0.9,"gamma":0.1,"name":"kd","standardise":false,"temperature":4.0,"version":1},"title":"\\u00e9",'
        f'"twig":{{"leaf":{leaf},"leaves":[{leaf}],"share":1.0,"spare":null}}}}'
    )
    assert canonical(Tree(title="é", twig=Twig(leaves=(Leaf(),)))) == text


def test_the_digest_depends_on_content_alone() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": (2,), "a": 1})
    assert digest(Leaf(rate=1)) == digest(Leaf(rate=1.0)) == digest(from_json(Leaf, {"rate": 1}))
    assert digest(Leaf(rate=1)) != digest(Leaf(rate=1.0000001))
    assert digest(Tree(title="a")) == digest(from_json(Tree, {"method": "kd", "title": "a"}))


@given(
    st.builds(
        Leaf, width=st.integers(1, 99), rate=st.floats(allow_nan=False, allow_infinity=False), seed=st.integers(0, 99)
    ),
    st.floats(0.01, 1),
    st.text(max_size=5),
)
def test_specs_survive_json(leaf: Leaf, share: float, title: str) -> None:
    tree = Tree(title=title, twig=Twig(leaf=leaf, spare=leaf, leaves=(leaf, Leaf()), share=share))
    back = from_json(Tree, json.loads(json.dumps(to_json(tree))))
    assert back == tree and hash(back) == hash(tree) and digest(back) == digest(tree)
    assert from_json(Tree, json.loads(canonical(tree))) == tree


def test_only_plain_values_are_written() -> None:
    with pytest.raises(SpecError, match="plain values only, not set"):
        to_json({"a": {1, 2}})
    with pytest.raises(SpecError, match=r"not .*Path"):
        to_json([Path()])
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(Leaf(rate=float("nan")))


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"twigg": {}}, "twigg: no such setting; did you mean 'twig'?"),
        ({"twig": {"shaer": 1}}, "twig.shaer: no such setting; did you mean 'share' or 'spare'?"),
        ({"twig": {"leaf": {"widht": 2}}}, "twig.leaf.widht: no such setting; did you mean 'width'?"),
        ({"twig": {"spare": {"widht": 2}}}, "twig.spare.widht: no such setting; did you mean 'width'?"),
        ({"twig": {"leaf": {"q": 2}}}, "twig.leaf.q: no such setting; known: kind, rate, seed, width"),
        ({"twig": {"leaf": {"width": 0}}}, "twig.leaf.width: expected 1 or more (found 0)"),
        ({"twig": {"leaf": {"kind": "ash"}}}, "twig.leaf.kind: expected 'oak' or 'elm' (found 'ash')"),
        ({"method": {"name": "kd", "alhpa": 1}}, "method.alhpa: no such setting; did you mean 'alpha'?"),
        ({"method": "fitnet_hints"}, "method: unknown method 'fitnet_hints'; did you mean 'fitnet'?"),
        ({"method": "fitnet+dk"}, "method: fitnet has no preset 'dk'; did you mean 'kd'?"),
        ({"method": {"name": "kd", "temperature": 0}}, "method.temperature: expected 1e-12 or more (found 0)"),
        ({"method": {"name": "sftn"}}, "method.student: is missing; it has no default"),
        ({"method": {"alpha": 1}}, "method: a method needs a 'name'"),
    ],
)
def test_a_fault_comes_with_its_path_and_what_may_be_meant(data: dict[str, Any], line: str) -> None:
    assert refusal(Tree, {"title": "a", **data}) == [line]
    assert refusal(Tree, {"title": "a", **data}, "file") == [f"file.{line}"]


def test_every_fault_is_told() -> None:
    lines = refusal(
        Tree, {"twig": {"leaf": {"width": "x", "seed": -1}, "shrae": 1}, "method": {"name": "kd", "a": 1, "b": 2}}
    )
    assert sorted(line.partition(":")[0] for line in lines) == [
        "method.a",
        "method.b",
        "title",
        "twig.leaf.seed",
        "twig.leaf.width",
        "twig.shrae",
    ]
    assert refusal(Tree, {"title": "a", "twig": {"leaves": [{}, {"widht": 1}]}})[0].startswith(
        "twig.leaves.1.widht: no such"
    )
    assert refusal(Leaf, 3)[0].startswith('expected settings by name, such as {"width": ...}')


def test_paths_go_through_runs_inside_runs() -> None:
    teacher = {"net": "resnet20", "recipe": {"epoch": 3}, "method": {"name": "sftn", "student": "resnet9", "kl_wieght": 1}}
    lines = refusal(
        Run, {"net": "resnet8", "method": "kd", "teacher": {"net": "resnet8", "method": "kd", "teacher": teacher}}
    )
    assert lines[0] == "teacher.teacher.recipe.epoch: no such setting; did you mean 'epochs' or 'warmup_epochs'?"
    assert lines[1].startswith("teacher.teacher.method.student: unknown network 'resnet9'; did you mean 'resnet8'")
    assert lines[2].startswith("teacher.teacher.method.kl_wieght: no such setting; did you mean 'kl_weight'")
    assert refusal(Run, {"net": "resnet8", "start": {"run": {"net": "resnet8", "sed": 1}}})[0].startswith(
        "start.run.sed: no such setting; did you mean 'seed'"
    )


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (Positive, [1e-9, 4], [0, -1, float("inf"), float("nan"), "x"]),
        (NonNegative, [0, 3.5], [-1e-9, float("inf"), float("nan")]),
        (Share, [0.001, 1], [0, 1.1, float("nan")]),
        (Count, [1, 99], [0, 1.5, "x"]),
        (Seed, [0, 2**63 - 1], [-1, 2**63]),
    ],
)
def test_kinds_of_numbers(hint: Any, good: list[Any], bad: list[Any]) -> None:
    cls = spec(type("One", (), {"__annotations__": {"value": hint}, "__module__": __name__}))
    assert [from_json(cls, {"value": v}).value for v in good] == good  # type: ignore[attr-defined]
    for value in bad:
        assert refusal(cls, {"value": value})[0].startswith("value: ")


@pytest.mark.parametrize(
    ("hint", "bad", "expected"),
    [
        (Count, True, "a whole number (found true)"),
        (int, 1.0, "a whole number (found 1.0)"),
        (int, "1", "a whole number (found '1')"),
        (Count, None, "a whole number (found null)"),
        (float, True, "a number (found true)"),
        (Positive, "0.5", "a number (found '0.5')"),
        (Positive, 1e300, "at most 1e+09 (found 1e+300)"),
        (Positive, float("inf"), "a finite number (found inf)"),
        (bool, 1, "true or false (found 1)"),
        (bool, "yes", "true or false (found 'yes')"),
        (str, 1, "a text (found 1)"),
        (int | None, True, "a whole number (found true)"),
        (tuple[Share, ...], 0.5, "a list, such as [1,2] (found 0.5)"),
        (Leaf, 5, 'settings by name, such as {"width": ...} (found 5)'),
    ],
)
def test_values_are_taken_as_they_are(hint: Any, bad: Any, expected: str) -> None:
    cls = spec(type("One", (), {"__annotations__": {"value": hint}, "__module__": __name__}))
    assert refusal(cls, {"value": bad}) == [f"value: expected {expected}"]


def test_what_lies_within_a_list_is_taken_as_it_is() -> None:
    cls = spec(type("One", (), {"__annotations__": {"value": tuple[tuple[int, ...], ...] | None}, "__module__": __name__}))
    assert from_json(cls, {"value": [[1], [2, 3]]}).value == ((1,), (2, 3))  # type: ignore[attr-defined]
    assert refusal(cls, {"value": [[1], [2, True]]}) == ["value.1.1: expected a whole number (found true)"]
    assert refusal(Tree, {"title": "a", "twig": {"leaves": [{}, {"width": 2.0}]}})[0].startswith(
        "twig.leaves.1.width: expected"
    )


def test_a_message_repeats_little_of_a_long_value() -> None:
    (line,) = refusal(Leaf, {"width": "9" * 5000})
    assert line.startswith("width: expected a whole number (found '999") and "5,002 characters" in line and len(line) < 200
    assert len(refusal(Leaf, {"q" * 5000: 1})[0]) < 300
    assert len(shown(10**5000)) < 100


def test_nearest() -> None:
    assert nearest("RESNET8", ["resnet8", "vgg8"]).startswith("; did you mean 'resnet8'")
    assert nearest("zzz", ["b", "a"]) == "; known: a, b"
    assert nearest("zzz", [f"a{i:03}" for i in range(300)]).endswith(", a059 and 240 more")


def test_reports_are_json_that_any_reader_takes() -> None:
    """NaN and infinities are no JSON: they are null, however deep they lie."""
    given = {"mean": float("nan"), "rows": [(1.5, float("inf")), [-float("inf")]], "n": 3, "text": "NaN", "flag": True}

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(strict_json(given), parse_constant=refuse)
    assert found == {"mean": None, "rows": [[1.5, None], [None]], "n": 3, "text": "NaN", "flag": True}
    assert strict_json({"a": [1]}, indent=1) == '{\n "a": [\n  1\n ]\n}'
