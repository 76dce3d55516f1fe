"""The page's structure, without a browser: read back by a parser."""

from __future__ import annotations

import json
import re

import pytest

from didact.report.page import html, library
from support.reported import HOSTILE, Elements, everything


@pytest.fixture(autouse=True)
def small_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes seconds to make the plotting library's script."""
    monkeypatch.setattr(library, "script", lambda: "window.vegaEmbed = null;")


def test_headings_labels_and_tables_for_every_picture() -> None:
    page = Elements(html.render(everything()))
    assert page.all("html") == [{"lang": "en"}] and len(page.all("h1")) == 1
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.found:
        for name in ("aria-labelledby", "data-table"):
            assert attributes.get(name) is None or attributes[name] in ids
    assert [link["href"] for link in page.all("a")] == ["#main", "#tables", "#pictures", "#rest"]
    charts = [attributes for attributes in page.all("div") if attributes.get("role") == "img"]
    assert len(charts) == 6 and all(chart["aria-label"] and chart["data-table"] in ids for chart in charts)
    assert len(page.all("details")) == len(page.all("summary")) == 6
    assert all(head.get("scope") in ("col", "row") for head in page.all("th"))
    assert all(image["alt"] for image in page.all("img"))
    scrolling = [attributes for attributes in page.all("div") if attributes.get("class") == "scroll"]
    assert all(one["tabindex"] == "0" and one["role"] == "region" and one["aria-label"] for one in scrolling)


def test_the_data_of_pictures_are_in_their_tables() -> None:
    text = html.render(everything())
    assert '<th scope="col" data-group="kd">kd a</th>' in text and 'data-group="teacher" data-dashed=1>t</th>' in text
    assert '<tr><th scope="row" data-v="2">2</th><td>2</td><td></td><td>4</td></tr>' in text
    assert '<td>other</td><td class="n">300000</td><td class="n">65</td>' in text  # no separators of thousands
    specifications = re.findall(r'<script type="application/json">(.*?)</script>', text)
    assert len(specifications) == 6 and all(json.loads(one)["data"] == {"name": "rows"} for one in specifications)


def test_hostile_names_stay_texts() -> None:
    text = html.render(everything(HOSTILE))
    page, harmless = Elements(text), Elements(html.render(everything()))
    # commands have a span for each word, and these names have several
    assert [tag for tag, _ in page.found if tag != "span"] == [tag for tag, _ in harmless.found if tag != "span"]
    assert not [name for _, attributes in page.found for name in attributes if name.startswith("on")]
    assert any("alert(1)" in text for tag, text in page.texts if tag == "h1")


def test_nothing_is_loaded_from_anywhere() -> None:
    page = Elements(html.render(everything(HOSTILE)))
    addresses = [value for _, attributes in page.found for name, value in attributes.items() if name in ("src", "href")]
    assert addresses and all(value and value.startswith(("#", "data:")) for value in addresses)
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy and policy.startswith("default-src 'none'; script-src 'sha256-") and "connect-src 'none'" in policy


def test_the_same_page_gives_the_same_bytes() -> None:
    assert html.render(everything()) == html.render(everything())


def test_a_live_page_asks_its_own_server() -> None:
    text = html.render(everything(), state='a"b', seconds=2)
    assert 'data-state="a&quot;b" data-seconds="2"' in text and "connect-src 'self'" in text and 'id="live"' in text
