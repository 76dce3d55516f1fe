"""``didact report --serve``: the page of a store while runs begin, go on and end."""

from __future__ import annotations

from collections.abc import Callable
from http.server import ThreadingHTTPServer

import pytest

from didact.cli import served, studied
from didact.cli.main import main
from didact.cli.served import SoFar
from didact.files.checked import file_checksum
from didact.measure import similarity
from didact.runs.run import Run
from didact.store.answers.results import Results
from didact.store.record import Record
from didact.store.store import Store
from didact.tables.page.parts import Page, shown
from didact.tables.page.trained import latest
from didact.tables.table import Table, text
from support.reported import Elements, begun, metrics
from support.studied import CRD, finish, runs

SFTN = "sftn --table 8 --scale digits --pairs resnet14/resnet8 --method kd --seeds 2"


def test_the_live_page(
    two: list[Run],
    tiny: Callable[..., Run],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    begun(store, tiny("ce", seed=2), metrics(40.0, 1))
    folder = begun(store, tiny("ce", seed=3), metrics(30.0, 1))
    (folder / "spec.json").write_text('{"half":')  # as a kill may leave it
    pages: list[bytes] = []

    def once(self: ThreadingHTTPServer) -> None:
        pages.append(self.RequestHandlerClass.shown.page())  # type: ignore[union-attr]
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", once)
    assert main(["report", "--serve", "--store", str(store.root)]) == 0
    assert "is shown at http://127.0.0.1:" in capsys.readouterr().out
    page = Elements(pages[0].decode())
    texts = [text for _, text in page.texts]
    assert any(text.startswith("2 finished runs, 1 unfinished;") for text in texts)
    assert "alone (ce), seed 2 (epoch 1 of 2)" in texts


def test_ctrl_c_ends_it_as_soon_as_it_is_named(
    tiny: Callable[..., Run], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        raise KeyboardInterrupt

    monkeypatch.setattr(served, "say", say)
    begun(store, tiny("ce"), metrics(40.0, 1))
    assert main(["report", "--serve", "--store", str(store.root)]) == 0 and said[0].endswith("until Ctrl-C")


def titles(page: Page) -> list[str]:
    return [section.title for section in page.sections]


def tables(page: Page) -> list[Table]:
    """The first section's tables."""
    return [part for part in page.sections[0].parts if isinstance(part, Table)]


def test_tables_of_studies_grow_with_their_runs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.computes = False
    so_far = SoFar(store, 300, "cpu")
    planned = runs(CRD)
    for run in planned:
        if run.seed == 0:
            finish(store, CRD, run, 60.0)
    page = so_far.page()
    assert titles(page)[:3] == ["Study", "Published figures", "Results"]
    own, compared = tables(page)[:2]
    assert {row[0]: text(row[1]) for row in own.rows} == {"teacher": "60.00", "kd": "60.00", "at": "60.00 (+0.00)"}
    assert {str(cell) for cell in compared.rows[-1]} >= {"cannot tell"}

    monkeypatch.setattr(studied, "sections", lambda *_, **__: pytest.fail("made again, and no run has ended"))
    begun(store, next(run for run in planned if run.seed == 1), metrics(40.0, 1), command=f"didact study {CRD}")
    again = so_far.page()
    assert tables(again) == tables(page) and ", 1 unfinished;" in again.lines[0]


def test_a_second_study_has_tables_of_its_own(both: list[str], store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.computes = False
    page = SoFar(store, 300, "cpu").page()
    own = ["Study crd", "Published figures of crd", "Study simkd"]  # of single cells no whole published tables
    assert titles(page)[:4] == [*own, "Results"]
    found = latest(store, 300)
    whole = studied.sections(studied.typed(store, found, "cpu"), store, "cpu", asked=False)
    assert page.sections[:3] == shown(whole)


def test_nothing_is_measured_for_the_page_and_what_was_is_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "load", lambda *_: pytest.fail("a live page has loaded images"))
    monkeypatch.setattr(similarity, "answers", lambda *_: pytest.fail("a live page has measured"))
    store.computes = False
    so_far, planned = SoFar(store, 300, "cpu"), runs(SFTN)
    for run in planned:
        finish(store, SFTN, run, 60.0)
    assert tables(so_far.page())[0].rows == (("mean", "", ""),)

    for run in planned:
        if run.teacher is not None and run.seed == 0:
            of = Record.at(store.folder(run))
            assert of is not None
            question = {"teacher": run.teacher.digest, "version": similarity.VERSION}
            seal = file_checksum(store.folder(run.teacher) / "record.json")
            Results(of).put("similarity", question, {"kl": 0.5, "cka": 0.75, "agreement": 80.0, "record": seal})
    divergence = tables(so_far.page())[0]
    assert [text(cell) for cell in divergence.rows[0]] == ["kd", "0.500", "0.500 (+0.000)"]
