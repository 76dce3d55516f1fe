"""The page in headless Chromium: drawn, sorted, filtered, nothing asked of the network, nothing wider than a phone."""

from __future__ import annotations

from typing import Any

import pytest

from didact.report.page import html
from support.browsed import opened
from support.reported import HOSTILE, everything


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.render(everything(f"kd {HOSTILE}")), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def wide(browser: Any, address: str) -> tuple[Any, list[str]]:
    """One page for all tests on a wide screen: to draw it takes seconds on a busy machine."""
    return opened(browser, address)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_drawn_in_light_and_dark(wide: tuple[Any, list[str]], scheme: str) -> None:
    page, said = wide
    page.emulate_media(color_scheme=scheme)
    assert page.locator(".chart svg").count() == 6
    assert page.locator("#pictures-1 .chart").first.locator(".mark-line path").count() == 3
    assert page.locator("#pictures-2 .mark-symbol path").count() == 3
    assert page.locator("#pictures-4 .mark-rect path").count() >= 3
    text, paper = (
        channels(page.evaluate(f"getComputedStyle(document.body).{name}")) for name in ("color", "backgroundColor")
    )
    assert (sum(paper) > sum(text)) == (scheme == "light") and contrast(text, paper) > 7
    drawn = page.evaluate("getComputedStyle(document.querySelector('.mark-line path')).stroke")
    assert contrast(channels(drawn), paper) > 3 and said == []


def test_tables_sort_and_filter(wide: tuple[Any, list[str]]) -> None:
    page, said = wide
    table = page.locator("#tables-1-table")
    figures = table.locator("tbody tr:visible td:nth-child(2)")
    heading = table.locator("thead th").nth(1)
    rising = "7.00 69.50 70.00 71.00 100.25"
    for direction, expected in (("ascending", rising), ("descending", " ".join(reversed(rising.split())))):
        heading.locator("button").focus()
        page.keyboard.press("Enter")
        assert heading.get_attribute("aria-sort") == direction
        assert " ".join(figures.all_inner_texts()) == expected
    page.get_by_label("Filter rows").first.fill("100.25")
    assert figures.all_inner_texts() == ["100.25"] and page.locator("#tables [role=status]").inner_text() == "1 of 5 rows"
    page.get_by_label("Filter rows").first.fill("")
    assert figures.count() == 5 and said == []


def test_the_legend_hides_a_group(wide: tuple[Any, list[str]]) -> None:
    page, said = wide
    drawn = "document.querySelector('#pictures-1 .chart').querySelectorAll('.mark-line path').length"
    entry = page.locator("#pictures-1 .legend button").first
    entry.focus()
    page.keyboard.press("Space")
    page.wait_for_function(f"{drawn} === 1")
    assert entry.get_attribute("aria-pressed") == "false"
    entry.click()
    page.wait_for_function(f"{drawn} === 3")
    assert said == []


def test_nothing_is_wider_than_a_phone(browser: Any, address: str) -> None:
    page, said = opened(browser, address, viewport={"width": 360, "height": 740})
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    beyond = """[...document.querySelectorAll('main *')].filter((each) => !each.closest('.scroll, .chart')
        && each.getBoundingClientRect().right > 360.5).map((each) => each.outerHTML.slice(0, 80))"""
    assert page.evaluate(beyond) == [] and said == []
    ends = page.evaluate("[...document.querySelectorAll('.chart svg')].map((each) => each.getBoundingClientRect().right)")
    assert ends and max(ends) <= 360


def test_on_paper_nothing_scrolls_and_heads_are_repeated(wide: tuple[Any, list[str]]) -> None:
    page, said = wide
    page.emulate_media(media="print")
    try:
        style = "getComputedStyle(document.querySelector('{}')).{}"
        assert page.evaluate(style.format(".scroll", "overflowX")) == "visible"
        assert page.evaluate(style.format("thead", "breakInside")) == "avoid"
        # Chromium repeats no head that holds a box of a button
        assert page.evaluate(style.format("th button", "display")) == "contents"
    finally:
        page.emulate_media(media="screen")
    assert said == []


def channels(colour: str) -> list[float]:
    """Red, green and blue of "rgb(1, 2, 3)", from 0 to 1."""
    return [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]


def contrast(first: list[float], second: list[float]) -> float:
    """The contrast ratio of WCAG 2."""

    def luminance(colour: list[float]) -> float:
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted(map(luminance, (first, second)))
    return (lighter + 0.05) / (darker + 0.05)
