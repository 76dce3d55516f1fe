"""Settings as words of a command line, there and back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from didact.data.settings import Data
from didact.request.tokens import SPELT_NONE, parse, words_of

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
NAMES = st.from_regex(r"[a-z]{1,3}", fullmatch=True).filter(lambda name: name not in ("name", "net"))
TREES = st.recursive(
    LEAVES | st.lists(LEAVES, max_size=2), lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=2)
)


@given(st.dictionaries(NAMES, TREES, max_size=3))
def test_there_and_back(settings: dict[str, Any]) -> None:
    assert parse(words_of(settings)) == settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pairs": "resnet20/resnet8"}, ["--pairs", "resnet20/resnet8"]),
        ({"data.per_class": 2}, ["--data.per_class", "2"]),
        ({"method": {"name": "kd", "alpha": 0.5}}, ["--method", '{"name":"kd","alpha":0.5}']),
        ({"name": "none"}, ["--name", '"none"']),
        ({"data.augment": "none"}, ["--data.augment", "none"]),
        ({"name": "--json"}, ["--name", '"--json"']),
        ({"teacher": None}, ["--teacher", "null"]),
    ],
)
def test_words(settings: dict[str, Any], words: list[str]) -> None:
    assert words_of(settings) == words


@pytest.mark.parametrize(
    ("words", "tree"),
    [
        (["--data.augment", "none"], {"data": {"augment": "none"}}),
        (["--teacher.data.augment=None"], {"teacher": {"data": {"augment": "none"}}}),
        (["--augment", "none"], {"augment": "none"}),
        (["--data.augment", "null"], {"data": {"augment": None}}),
        (["--teacher", "none"], {"teacher": None}),
        (["--data.per_class", "none"], {"data": {"per_class": None}}),
    ],
)
def test_none_is_null_except_where_it_is_a_value(words: list[str], tree: dict[str, Any]) -> None:
    assert parse(words) == tree


def test_every_setting_with_the_value_none_is_known() -> None:
    """A null would stand for the default of such a setting, and the run would be another one."""
    spelt = {field.name for field in fields(Data) if "'none'" in str(get_type_hints(Data)[field.name])}
    assert spelt == set(SPELT_NONE)
