"""The committed pages are what the methods' files give."""

from __future__ import annotations

from pathlib import Path

import pytest

from didact.catalogue import pages
from didact.method import Method
from didact.spec import catalogue

FOLDER = Path(__file__).parents[2] / "docs"


def test_the_committed_pages_are_up_to_date() -> None:
    made = pages.pages()
    files = [*FOLDER.glob("methods/*"), FOLDER / "settings.md"]
    committed = {str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8") for path in files if path.is_file()}
    stale = sorted(name for name in made.keys() | committed.keys() if made.get(name) != committed.get(name))
    assert not stale, f"docs: {', '.join(stale)} differ from the code; run: {pages.COMMAND}"


def test_every_method_has_a_section_and_a_row() -> None:
    made = pages.pages()
    text = "".join(text for name, text in made.items() if name not in ("methods/README.md", "settings.md"))
    for name in catalogue(*Method.homes):
        assert text.count(f"\n## {name}\n") == 1
        assert made["methods/README.md"].count(f"#{name})") == 1


def test_a_method_without_a_family_is_among_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pages.FAMILIES, "logits", ("", "dkd"))
    assert "\n## kd\n" in pages.pages()["methods/others.md"]


def test_families_name_every_method_once() -> None:
    named = " ".join(names for _, names in pages.FAMILIES.values()).split()
    assert sorted(named) == list(catalogue(*Method.homes))


def test_the_index_says_how_many_there_are_and_of_what() -> None:
    """By the folders: methods/ holds the labels alone beside those for a student of a teacher."""
    students, peers, teachers = (len(catalogue(home)) for home in Method.homes)
    text = pages.pages()["methods/README.md"].replace("\n", " ")
    assert f"{students + peers + teachers} methods, presets not counted: {students - 1} for a student of a teacher" in text
    assert f"{peers} (`dml`, `kdcl`) for networks among peers, {teachers} (`sftn`, `gtn`) for the teacher itself" in text
    assert "1 (`ce`) by the labels alone" in text


def test_every_setting_of_a_request_is_on_its_page() -> None:
    text = pages.pages()["settings.md"]
    settings = (
        "net",
        "seeds",
        "teacher.method",
        "teacher.teacher",
        "peers.net",
        "route.anchors",
        "data.size",
        "recipe.epochs",
    )
    for setting in settings:
        assert text.count(f"\n| `{setting}` |") == 1


def test_prose_is_not_taken_for_markup() -> None:
    assert pages._prose("a*b* lambda_T ||x||_F ``_F`` [0, 1] x < 1") == "a\\*b\\* lambda_T ||x||\\_F `_F` \\[0, 1\\] x \\< 1"


def test_the_command_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pages.main([str(tmp_path / "new")]) == 0
    written = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*.md")}
    assert written == set(pages.pages())
    assert pages.main([]) == 2
    assert pages.COMMAND in capsys.readouterr().err
