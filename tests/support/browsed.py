"""For tests of pages in a browser: a page that is drawn, and what it says or asks for."""

from __future__ import annotations

import shutil
from typing import Any

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)

PATIENCE = 120_000
"""Milliseconds to wait for anything: a busy machine draws slowly."""


def opened(browser: Any, address: str, **settings: Any) -> tuple[Any, list[str]]:
    """The drawn page, and what it said or asked for; nothing must be there. A served page may ask its server."""
    page = browser.new_context(**settings).new_page()
    page.set_default_timeout(PATIENCE)
    said: list[str] = []
    allowed = ("file:", "data:", *([address] if address.startswith("http:") else []))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda asked: said.extend([] if asked.url.startswith(allowed) else [asked.url]))
    page.goto(address)
    page.wait_for_selector("html[data-drawn]", state="attached")
    return page, said
