"""``didact report --serve``: a store's page on this machine, with what is unfinished. Measures and
writes nothing."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from didact.cli import studied
from didact.spec import SpecError
from didact.streams import say

if TYPE_CHECKING:
    from didact.measure.similarity import Similarity
    from didact.store.store import Store
    from didact.tables.page.parts import Page, Section
    from didact.tables.page.trained import Trained


def check(what: Sequence[str], others: Mapping[str, object]) -> None:
    """Raise SpecError for what a served page does not have."""
    name = next((f"--{name}" for name, value in others.items() if value is not None), what[0] if what else None)
    if name is not None:
        raise SpecError(f"serve: shows the whole store as it is, measures and writes nothing; leave {name} out")


def serve(store: Store, port: int, most: int, device: str) -> int:
    """Serve the store's page until Ctrl-C.

    Args:
        port: 0 takes a free one.
        most: largest number of runs on the page, without their teachers.
        device: for which the settings of studies are read.
    """
    from didact.report import live
    from didact.report.page import library

    library.check_installed()
    store.computes = False
    so_far = SoFar(store, most, device)
    page = live.Live(so_far.page, lambda: live.state(store))
    with live.server(page, port) as server, contextlib.suppress(KeyboardInterrupt):  # from the line on that names Ctrl-C
        say(f"{store.root} is shown at http://{live.ADDRESS}:{server.server_port}/ until Ctrl-C")
        sys.stdout.flush()
        server.serve_forever()
    return 0


class SoFar:
    """The report of a store's runs so far.

    Args:
        store: one that computes nothing.
        most: largest number of runs, without their teachers.
        device: for which the settings of studies are read.
    """

    def __init__(self, store: Store, most: int, device: str) -> None:
        self._store = store
        self._most = most
        self._device = device
        self._of: object = None
        self._studies: tuple[Section, ...] = ()

    def page(self) -> Page:
        """The page as it is now."""
        from didact.tables.page.trained import latest
        from didact.tables.page.whole import page

        runs = latest(self._store, self._most)
        title = f"Runs in {self._store.root.absolute().name}, live"
        return page(self._store, title, runs, self._similar(runs), before=self._tables(runs))

    def _similar(self, found: Sequence[Trained]) -> dict[str, Similarity]:
        from didact.files.checked import DamagedError
        from didact.measure.similarity import known

        similar: dict[str, Similarity] = {}
        for one in found:
            with contextlib.suppress(DamagedError):
                figures = known(self._store, one.run, one.record) if one.record is not None else None
                similar |= {} if figures is None else {one.digest: figures}
        return similar

    def _tables(self, found: Sequence[Trained]) -> tuple[Section, ...]:
        """The tables of the studies that have trained the runs, made again only when a run has ended
        or was measured, since that reads every Record of a study and checks its sums."""
        now = [(one.digest, _stamps(one)) for one in found if one.record is not None]
        if now != self._of:
            studies = studied.typed(self._store, found, self._device)
            self._studies = studied.sections(studies, self._store, self._device, asked=False)
            self._of = now
        return self._studies


def _stamps(one: Trained) -> list[tuple[str, int]]:
    """Names and times of the files beside a Record: its seal, and what was measured since."""
    assert one.record is not None
    with os.scandir(one.record.folder) as files:
        return sorted((file.name, file.stat().st_mtime_ns) for file in files if file.name.endswith(".json"))
