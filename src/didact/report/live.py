"""A report of a running store, served on the loopback interface and made again when the store
changes."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from didact.report.page import html
from didact.spec import RequestError
from didact.store.store import Store
from didact.tables.page.parts import Page

ADDRESS = "127.0.0.1"

SECONDS = 10.0
"""Time between two questions of a page whether the store has changed."""

WATCHED = ("metrics.jsonl", "record.json", "similarity.json")
"""Files of a run that a report shows."""

PROBES = "probe-"
"""How the names of further ones begin: a linear probe has a file of its own."""


def state(store: Store) -> str:
    """A text that changes when a run begins, goes on, ends or is measured."""
    stamps: list[str] = []
    for folder in store.folders():
        try:
            with os.scandir(folder) as files:
                about = [(file.name, file.stat()) for file in files if file.name in WATCHED or file.name.startswith(PROBES)]
        except OSError:  # a file, or a folder that is removed at this moment
            continue
        stamps += [f"{folder.name}/{name} {at.st_size} {at.st_mtime_ns}" for name, at in sorted(about)]
    return hashlib.sha256("\n".join(stamps).encode("utf-8", "surrogateescape")).hexdigest()[:16]


class Live:
    """The page of a store, made again only when the store has changed.

    Args:
        make: makes the report.
        state: what changes when the report does.
    """

    def __init__(self, make: Callable[[], Page], state: Callable[[], str]) -> None:
        self._make = make
        self.state = state
        self._lock = threading.Lock()
        self._of = ""
        self._page = b""

    def page(self) -> bytes:
        """The page as it is now."""
        with self._lock:
            now = self.state()
            if now != self._of:
                self._page = html.render(self._make(), state=now, seconds=SECONDS).encode()
                self._of = now
            return self._page


def server(live: Live, port: int = 0) -> ThreadingHTTPServer:
    """A server of the page on 127.0.0.1; ``serve_forever`` starts it.

    Args:
        port: 0 takes a free one.

    Raises:
        RequestError: the port is taken, or may not be used.
    """

    class Handler(_Handler):
        shown = live

    try:
        return ThreadingHTTPServer((ADDRESS, port), Handler)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "is taken" if taken else f"cannot be used: {error}"
        raise RequestError(f"port: {port} {reason}; name another, or leave it out for a free one") from None


class _Handler(BaseHTTPRequestHandler):
    """Answers "/" with the page and "/state" with its state; everything else with an error."""

    shown: Live

    def do_GET(self) -> None:
        """Answer a question of the page or of a browser."""
        # a foreign page may have its name resolved to this machine; it is told nothing
        if self.headers.get("Host", "").rpartition(":")[0] not in (ADDRESS, "localhost"):
            self._answer(HTTPStatus.FORBIDDEN, b"only for this machine\n", "text/plain")
        elif self.path == "/state":
            self._answer(HTTPStatus.OK, self.shown.state().encode(), "text/plain")
        elif self.path == "/":
            try:
                page = self.shown.page()
            except (ValueError, OSError, RuntimeError, LookupError) as error:  # a training writes at the same time
                words = f"{error}; this page is loaded again in {SECONDS:g} seconds\n"
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, words.encode(), "text/plain")
                return
            self._answer(HTTPStatus.OK, page, "text/html")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"not here\n", "text/plain")

    do_HEAD = do_GET

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            if status is HTTPStatus.SERVICE_UNAVAILABLE:
                self.send_header("Refresh", f"{SECONDS:g}")  # no script of ours is there to ask again
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
        except ConnectionError:  # the browser has left
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""
