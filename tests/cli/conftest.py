"""For tests of the command line: few networks are listed, and what methods add is counted once."""

from __future__ import annotations

from functools import cache

import pytest

from didact import nets
from didact.tables import listings

_methods = cache(listings.methods)


@pytest.fixture(autouse=True)
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """To count the whole zoo, or what every method adds to a pair, takes seconds, as text and as JSON the same.

    The counts of every network are tested in ``tests/nets/test_zoo.py``.
    """
    monkeypatch.setattr(nets, "names", lambda: ("resnet8", "resnet8x4", "wrn_16_1", "vgg8", "shufflenet_v1", "mobilenet_v2"))
    monkeypatch.setattr(listings, "methods", _methods)
