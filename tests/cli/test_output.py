"""The forms of tables: every command that prints one takes the same."""

from __future__ import annotations

import csv
import json

import pytest

from didact.cli.commands import app
from didact.cli.main import main
from didact.report import text

Said = pytest.CaptureFixture[str]

TABLES = ("compare", "fit", "list", "look", "probe", "quickstart", "search", "study", "train")


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("markdown", "| paper |"),
        ("csv", "paper,"),
        ("latex", "    paper & "),
        ("html", '<tr><th scope="row">paper</th><td>'),
        ("text", "paper     240 epochs, "),
    ],
)
def test_a_list_in_every_form(form: str, line: str, capsys: Said) -> None:
    assert main(["list", "recipes", "--format", form]) == 0
    assert any(one.startswith(line) for one in capsys.readouterr().out.splitlines())


def test_figures_are_the_same_in_every_form(capsys: Said) -> None:
    assert main(["list", "recipes", "--format", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert main(["list", "recipes", "--format", "json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert [{key: str(value) for key, value in row.items()} for row in plain] == rows
    assert main(["list", "recipes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == plain


def test_an_unknown_form_is_refused_with_the_known_ones(capsys: Said) -> None:
    assert main(["list", "recipes", "--format", "xml"]) == 2
    said = capsys.readouterr().err
    assert 'Invalid value "xml" for --format' in said and '"latex"' in said


@pytest.mark.parametrize("command", TABLES)
def test_every_command_with_tables_has_the_option(command: str, capsys: Said) -> None:
    app([command, "--help"], result_action="return_value")
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--format" in shown and "markdown" in shown and "--json" in shown


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("what", ["nets", "pools", "methods", "data", "devices", "recipes"])
def test_a_list_is_a_table_on_every_terminal(what: str, width: int, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "stdout", lambda: text.Screen(width=width, force_terminal=True, color_system=None))
    assert main(["list", what]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.startswith("┏") for line in lines) == 1


def test_help_of_train_goes_on_at_its_own_indentation(capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["train", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    settings = lines[lines.index("Settings (each as --setting value):") + 1 :]
    assert len(settings) > 100 and all(line.startswith("  ") for line in settings if line)


def test_help_says_what_every_command_is_for(capsys: Said) -> None:
    assert main(["--help"]) == 0
    lines = [line.strip("│ ") for line in capsys.readouterr().out.splitlines()]
    named = [line for line in lines if line.partition(" ")[0] in app]
    assert len(named) >= 17 and all(" " in line for line in named)
