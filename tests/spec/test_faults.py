"""Words of messages."""

from __future__ import annotations

import pytest

from didact.spec import plural


@pytest.mark.parametrize(("count", "text"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs")])
def test_a_count_takes_the_plural_unless_it_is_one(count: int, text: str) -> None:
    assert plural(count, "epoch") == text
