"""The forms of tables: every command that prints one takes the same."""

from __future__ import annotations

import csv
import json

import pytest

from didact.cli.main import app, main

Said = pytest.CaptureFixture[str]

TABLES = ("compare", "fit", "list", "look", "probe", "quickstart", "search", "study", "train")


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("markdown", "| paper |"),
        ("csv", "paper,"),
        ("latex", "    paper & "),
        ("html", '<tr><th scope="row">paper</th><td>'),
        ("text", "│ paper    │"),
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
