"""A live page in headless Chromium: it follows its store, and keeps what its reader has done."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from didact.cli.served import SoFar
from didact.report import live
from didact.store.store import Store
from didact.tables.page.parts import Page, Section
from didact.tables.table import Table
from support.browsed import opened
from support.reported import begun, metrics, sealed
from support.studied import CRD, finish, runs


@contextmanager
def served(page: live.Live) -> Iterator[str]:
    """The address of a page while it is served."""
    with live.server(page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SECONDS", 0.1)


def test_it_follows_its_server(browser: Any) -> None:
    now = ["1"]
    table = Table(("a", "b"), tuple((f"row {at}", at) for at in range(5)), "table")

    def make() -> Page:
        return Page(f"state {now[0]}", (), (Section("tables", "Tables", (table,)),))

    with served(live.Live(make, lambda: now[0])) as address:
        page, said = opened(browser, address)
        page.get_by_label("Filter rows").fill("row 3")
        now[0] = "2"
        page.wait_for_selector("h1:text('state 2')")
        page.wait_for_selector("#tables [role=status]:text('1 of 5 rows')")  # what was typed is still there
        page.get_by_role("button", name="Pause updates").click()
        now[0] = "3"
        page.wait_for_selector("#live:text('The store has changed since.')")
        page.get_by_role("button", name="Follow the store again").click()
        page.wait_for_selector("h1:text('state 3')")
        assert said == []
        page.close()


def test_an_error_of_the_server_is_shown_and_passes(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SECONDS", 2)  # so that the error stays long enough to be seen
    now = ["1"]

    def make() -> Page:
        if now[0] == "2":
            raise ValueError("half a file")
        return Page(f"state {now[0]}", (), ())

    with served(live.Live(make, lambda: now[0])) as address:
        page, _ = opened(browser, address)
        now[0] = "2"
        page.wait_for_selector("text=half a file")
        now[0] = "3"
        page.wait_for_selector("h1:text('state 3')")
        page.close()


POINTS = """[...document.querySelectorAll('#curves-1-1-table tbody tr')]
    .filter((row) => row.cells[[...document.querySelectorAll('#curves-1-1-table thead th')]
    .findIndex((th) => th.textContent.includes('(epoch'))].textContent.trim()).length"""
"""How many points the curve of the unfinished run has."""


def test_a_running_study_grows_its_curves_and_tables(browser: Any, store: Store) -> None:
    store.computes = False
    planned = runs(CRD)
    for run in planned:
        if run.seed == 0:
            finish(store, CRD, run, 60.0)
    rows = metrics(93.0, 3)  # 62 % after the second epoch
    last = next(run for run in planned if run.seed == 1 and run.teacher is not None)
    folder = begun(store, last, rows[:1], command=f"didact study {CRD}")
    so_far = SoFar(store, 300, "cpu")
    with served(live.Live(so_far.page, lambda: live.state(store))) as address:
        page, said = opened(browser, address, viewport={"width": 360, "height": 740})
        table = page.locator("#study-1-table")
        assert "1 unfinished" in page.locator("header").inner_text() and page.locator("#study-1-table tbody tr").count() == 3
        assert page.evaluate("document.documentElement.scrollWidth") == 360

        heading = table.locator("thead button").nth(1)
        heading.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        assert heading.locator("..").get_attribute("aria-sort") == "descending"
        assert page.evaluate(POINTS) == 1

        with (folder / "metrics.jsonl").open("a") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows[1:2]))
        page.wait_for_selector("#runs :text('epoch 2 of')")
        page.wait_for_selector("html[data-drawn]", state="attached")
        assert page.evaluate(POINTS) == 2
        assert heading.locator("..").get_attribute("aria-sort") == "descending"
        assert page.evaluate("document.activeElement.id") == "study-1-table-sort-1"

        for run in planned:
            if run.digest != last.digest:
                finish(store, CRD, run, 62.02)
        sealed(folder)
        page.wait_for_selector("header :text('5 finished runs;')")
        page.wait_for_selector("#study td:text-is('agrees')")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert said == []
        page.close()
