"""The live page: on loopback only, made again when the store changes, with what is unfinished."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator

import pytest

from didact.report import live
from didact.report.page import library
from didact.runs.run import Run
from didact.spec import RequestError
from didact.store.store import Store
from didact.tables.page.parts import Page
from support.reported import begun, ended, metrics


@pytest.fixture(autouse=True)
def small_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "script", lambda: "window.vegaEmbed = null;")


class Served:
    """A server with a page whose title counts how often it was made."""

    def __init__(self) -> None:
        self.now = "a"
        self.made = 0
        self.error: Exception | None = None
        self.server = live.server(live.Live(self.make, lambda: self.now))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def make(self) -> Page:
        self.made += 1
        if self.error is not None:
            raise self.error
        return Page(f"made {self.made} <b>", (), ())

    def ask(self, path: str, host: str | None = None, method: str = "GET") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=20)
        connection.request(method, path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.fixture
def served() -> Iterator[Served]:
    one = Served()
    one.thread.start()
    yield one
    one.server.shutdown()
    one.thread.join()
    one.server.server_close()


def test_the_page_is_made_again_when_the_state_changes(served: Served) -> None:
    assert served.server.server_address[0] == "127.0.0.1"
    for _ in range(2):
        status, text = served.ask("/")
        assert status == 200 and "made 1 &lt;b&gt;" in text and 'data-state="a"' in text
    assert served.ask("/state") == (200, "a")
    served.now = "b"
    assert served.ask("/state") == (200, "b") and "made 2" in served.ask("/")[1]
    assert served.ask("/", method="HEAD") == (200, "")
    assert served.made == 2


def test_what_is_not_answered(served: Served) -> None:
    assert served.ask("/../etc/passwd")[0] == served.ask("/report.html")[0] == 404
    assert served.ask("/", host="example.org:80") == (403, "only for this machine\n")
    assert served.ask("/", host=f"localhost:{served.server.server_port}")[0] == 200
    assert served.ask("/", method="POST")[0] == 501
    served.error, served.now = ValueError("half a file"), "c"
    assert served.ask("/") == (503, "half a file; this page is loaded again in 10 seconds\n")
    served.error = None
    assert served.ask("/")[0] == 200


def test_a_port_that_is_taken(served: Served) -> None:
    with pytest.raises(RequestError, match="is taken; name another"):
        live.server(live.Live(served.make, lambda: ""), served.server.server_port)
    with pytest.raises(RequestError, match="port: 70000 cannot be used"):
        live.server(live.Live(served.make, lambda: ""), 70_000)


def test_the_state_of_a_store(tiny: Callable[..., Run], store: Store) -> None:
    seen = {live.state(store)}
    folder = begun(store, tiny("ce"), metrics(50.0, 1))
    seen.add(live.state(store))
    with (folder / "metrics.jsonl").open("a") as file:
        file.write("{}\n")
    seen.add(live.state(store))
    ended(store, tiny("ce", seed=1), metrics(50.0))
    seen.add(live.state(store))
    assert len(seen) == 4 and live.state(store) in seen
