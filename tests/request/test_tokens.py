"""Settings as words of a command line, there and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from didact.request.tokens import parse, words_of

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
        ({"name": "--json"}, ["--name", '"--json"']),
        ({"teacher": None}, ["--teacher", "null"]),
    ],
)
def test_words(settings: dict[str, Any], words: list[str]) -> None:
    assert words_of(settings) == words
