"""Headless Chromium, where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.browsed import CHROMIUM


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium in the PATH")
    pytest.importorskip("vl_convert", reason="the extra [report] is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield found
        found.close()
