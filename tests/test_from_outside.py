"""Commands from outside the package: what an installed package declares is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = '''
def hello(name: str = "you") -> int:
    """Say hello."""
    print("hello", name)
    return 0
'''


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder as pip leaves it, with a package that has two commands; the name of one is taken."""
    about = tmp_path / "toy-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[didact.commands]\nhello = toy_commands:hello\nshow = toy_commands:hello\n")
    (tmp_path / "toy_commands.py").write_text(COMMAND)
    return tmp_path


def didact(installed: Path, *words: str) -> tuple[int, str]:
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "didact", *words]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_command_of_an_installed_package_runs_and_stands_in_the_help(installed: Path) -> None:
    assert didact(installed, "hello", "--name", "Ann") == (0, "hello Ann\n")
    assert "Say hello." in didact(installed, "--help")[1]
    code, text = didact(installed, "show", "--help")
    assert code == 0 and "One run of the store" in text  # a command of didact keeps its name
