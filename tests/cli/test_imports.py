"""What a command imports before it has anything to compute: torch alone takes a second or two."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from didact.cli.commands import app
from didact.cli.main import main
from didact.engine.recipes import RECIPES
from support.shelf import shelf

HEAVY = ("torch", "numpy", "scipy", "sklearn", "matplotlib", "PIL")

WITH_TORCH = ("train",)
"""Commands whose help lists settings of methods, which are classes beside their networks."""

CODE = f"""
import contextlib, json, os, sys
from didact.cli.main import main
with open(os.devnull, "w") as nowhere:
    for words in json.loads(sys.argv[1]):
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            code = main(words)
        print(json.dumps([words, code, [name for name in {HEAVY} if name in sys.modules]]))
"""


def check(asked: Sequence[Sequence[str]], code: int, folder: Path) -> None:
    """Each command line ends with the exit code, and none imports anything heavy. All run in one
    fresh process, one after the other."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(asked)], capture_output=True, text=True, cwd=folder, check=True
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == [[words, code, []] for words in asked]


def test_help_and_version_import_nothing_heavy(tmp_path: Path) -> None:
    groups = [[name] for name in app if not name.startswith("-")]
    below = [["runs", name] for name in app["runs"] if not name.startswith("-")]
    assert len(groups) >= 17 and len(below) >= 7
    asked = [words for words in [[], *groups, *below] if words[:1] not in [[name] for name in WITH_TORCH]]
    check([["--version"], *([*words, "--help"] for words in asked)], 0, tmp_path)


def test_a_wrong_word_is_refused_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    wrong = ["trian", "list", "list netz", "fit --bit 8", "runs rm --yess", "quickstart --nonsense"]
    check([words.split() for words in wrong], 2, tmp_path)


def test_runs_of_a_store_are_listed_without_anything_heavy(tmp_path: Path) -> None:
    full = shelf(tmp_path)
    store = ["--store", str(full.store.root)]
    assert main(["runs", *store]) == 0  # what it reads of Records it remembers
    asked = [["runs"], ["list", "runs"], ["runs", "--where", "seed=1", "--sort", "-top1"], ["runs", "--fields"]]
    asked += [["runs", "gc"], ["runs", "note", full.loner.digest], ["runs", "export", "-o", str(tmp_path / "runs.tar")]]
    asked += [["runs", "rm", full.loner.digest, "--yes"], ["answers"]]
    check([[*words, *store] for words in asked], 0, tmp_path)


def test_devices_and_recipes_are_described_without_anything_heavy(tmp_path: Path) -> None:
    recipes = [["explain", name, *more] for name in RECIPES for more in ([], ["--json"])]
    assert len(recipes) >= 8
    check([["list", "devices"], ["list", "recipes"], *recipes], 0, tmp_path)


def test_a_store_that_is_not_there_is_refused_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    check([["runs"], ["list", "runs"], ["show", "1f0c"], ["runs", "rm", "1f0c"], ["report"]], 2, tmp_path)
