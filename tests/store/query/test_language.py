"""The language of ``--where``: what it means, and what it refuses."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from didact.spec import SpecError
from didact.store.query.language import Facts, parse

FACTS: Facts = {
    "data": "cifar100",
    "method": "fitnet+kd",
    "top1": 71.5,
    "seed": 0,
    "finished": "2026-11-29 18:30",
    "recipe.nesterov": True,
    "teacher.net": None,
}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("data=cifar100 and method~kd", True),
        ("data=CIFAR100", True),
        ("data==cifar100", True),
        ("data=cifar10", False),
        ("data~cifar10", True),
        ("data!=cifar10 and data!~digits", True),
        ("method = fitnet+kd", True),
        ("top1>70 and top1<=71.5", True),
        ("top1=71.50", True),
        ("top1<71.5", False),
        ("seed=0", True),
        ("seed!=0", False),
        ("seed=zero", False),
        ("finished>=2026-11-29", True),
        ("finished<2026-11", False),
        ("finished > '2026-11-29 18:00'", True),
        ("recipe.nesterov=true", True),
        ("recipe.nesterov=1", False),
        ("teacher.net=none", True),
        ("teacher.net!=none", False),
        ("teacher.net=resnet20", False),
        ("teacher.net!=resnet20", True),
        ("teacher.net>1", False),
        ("not data=digits", True),
        ("not not data=digits", False),
        ("data=digits or seed=0 and top1>70", True),
        ("(data=digits or seed=0) and top1>72", False),
        ("NOT (data=digits AND seed=0)", True),
        ('data="cifar100"', True),
        ("data='and'", False),
        ("data=and or seed=0", True),
    ],
)
def test_queries(text: str, fits: bool) -> None:
    assert parse(text).fits(FACTS) is fits


def test_a_query_knows_its_fields() -> None:
    assert parse("not (data=digits or recipe.nesterov=true) and data~x").fields == {"data", "recipe.nesterov"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found an empty text"),
        ("  ", "found an empty text"),
        ("data", "one of = != ~ !~ < <= > >= after 'data', found the end"),
        ("data=", "a value after '=', found the end"),
        ("data cifar", "after 'data', found 'cifar'"),
        ("=5", "a field, found '='"),
        ("data=a seed=1", "'and', 'or' or the end after 'a', found 'seed'"),
        ("data=a and", "a field after 'and', found the end"),
        ("(data=a", "a parenthesis that does not end"),
        ("data=a)", "found ')'"),
        ("data='a", "a quote that does not end"),
        ("'data'=a", "a field, found 'data'"),
        ("a=" + "x" * 3000, "at most 2000 characters"),
        ("(" * 60 + "a=1", "at most 50 levels"),
        ("not " * 400 + "a=1", "at most 50 levels"),
        ("top1>many", "top1 is a number, found 'many'; write a number, such as top1>71.5"),
    ],
)
def test_what_is_no_query_is_refused(text: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        parse(text).fits(FACTS)
    assert said in str(error.value)


@given(st.text(max_size=60))
def test_any_text_is_a_query_or_refused_in_words(text: str) -> None:
    with contextlib.suppress(SpecError):  # and no other error
        parse(text).fits(FACTS)


def test_a_value_with_spaces_and_signs_stands_in_quotes() -> None:
    assert parse("note='a = (b)'").fits({"note": "A = (b)"})
    assert parse('note~"it\'s"').fits({"note": "it's late"})
