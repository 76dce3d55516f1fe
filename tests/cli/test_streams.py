"""What reaches the terminal, a pipe or a file: in any encoding, with nobody who reads, and without a disk to write to."""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.table import Table

import didact.cli
from didact import streams
from didact.cli.main import main
from didact.execution.progress import JobBegins, JobEnds
from didact.report import text
from didact.tables import table
from didact.track import terminal

pytestmark = pytest.mark.usefixtures("few_digits")

TINY = ["--net", "basic-8-1x8-1x16", "--data.classes", "2", "--data.per_class", "5", "--epochs", "1", "--precision", "fp32"]
FULL = Path("/dev/full")


def written(encoding: str, monkeypatch: pytest.MonkeyPatch, name: str = "stdout") -> io.BytesIO:
    """Make a stream of this encoding standard output; returns what will have been written."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, name, io.TextIOWrapper(raw, encoding))
    return raw


@pytest.fixture
def gone() -> Iterator[io.TextIOWrapper]:
    """A pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stream:
        yield stream


# ---------------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize(("encoding", "holds"), [("cp1252", "yes"), ("ascii", "yes"), ("utf-8", "✓")])
def test_ticks_of_a_fit_in_any_encoding(encoding: str, holds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = written(encoding, monkeypatch)
    assert main(["fit", "--pool", "resnet8", "--bits", "8,32", "--target", "edge-tpu"]) == 0
    (row,) = (line for line in raw.getvalue().decode(encoding).splitlines() if line.startswith("edge-tpu"))
    lacks = "✗" if encoding == "utf-8" else "no:"
    assert re.split("  +", row) == ["edge-tpu", holds, f"{lacks} not in 32 bit"]


def test_a_training_in_ascii_shows_its_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = written("ascii", monkeypatch)
    assert main(["train", *TINY, "--seeds", "2", "--store", str(tmp_path / "s")]) == 0
    head, row = raw.getvalue().decode("ascii").splitlines()[1:3]
    assert " +- " in row
    assert len(head) == len(row)  # what is replaced is as wide as its column


def test_every_character_has_a_form() -> None:
    assert streams.fitted("3 ± 1, a × b, ✓, ✗, é, 日", "ascii") == r"3 +- 1, a x b, yes, no:, \xe9, \u65e5"
    assert streams.fitted("3 ± 1 ✓ 日", "cp1252") == r"3 ± 1 yes \u65e5"
    assert streams.fitted("a\udcff", "utf-8") == r"a\udcff"


def test_help_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = written("ascii", monkeypatch)
    assert main(["train", "--help"]) == 0
    assert "--recipe.batch_size" in raw.getvalue().decode("ascii")


def test_bars_in_ascii(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = written("ascii", monkeypatch, "stderr")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["train", *TINY, "--store", str(tmp_path / "s")]) == 0
    assert "seeds 0 - digits 2 classes 5 per class" in " ".join(
        raw.getvalue().decode("ascii").replace("\x1b[0m", "").split()
    )


# ---------------------------------------------------------------------------------------------- names of other people


def test_what_controls_a_terminal_is_shown_and_not_sent() -> None:
    assert streams.lines("a\x1b]0;owned\x07\x1b[2Jb") == r"a\x1b]0;owned\x07\x1b[2Jb"
    assert streams.lines("right\u202eleft\nnext\r\x00\x9b") == "right\\u202eleft\nnext\\r\\x00\\x9b"
    assert streams.lines("größe ± 日本 [red] %s") == "größe ± 日本 [red] %s"


def test_names_in_tables_lines_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    name = "[red]mine[/red]:\x1b[2Jnet :warning: [/]"
    with streams.prepared():
        text.print_table(text.stdout(), table.Table((name,), ((name,),), name))
        drawn = Table(name)
        drawn.add_row(name)
        text.stdout().print(drawn)
        text.print_details({"net": name, "several": [name], "below": {"a": name}})
        text.stderr().print(name)
    shown = capsys.readouterr()
    assert shown.out.count("[red]mine[/red]:\\x1b[2Jnet :warning: [/]") == 8
    assert shown.err == "[red]mine[/red]:\\x1b[2Jnet :warning: [/]\n"
    assert main(["explain", name]) == 2
    assert "\\x1b[2J" in capsys.readouterr().err


def test_bars_show_names_as_they_are() -> None:
    from didact.request.plan import plan

    run = plan({"net": "resnet8", "epochs": 1})[0]
    raw = io.StringIO()
    bars = terminal.Bars(text.Screen(file=raw, force_terminal=True, color_system=None, width=200))
    object.__setattr__(run, "net", "[red]mine[/red]\x1b[2J")
    bars(JobBegins(0, (run,), None))
    bars(JobEnds(0))
    assert "1 x [[red]mine[/red]\\x1b[2J ce], seeds 0 · digits" in raw.getvalue()


def test_the_commands_print_by_way_of_streams() -> None:
    """A bare ``print`` would send what controls a terminal."""
    sources = list(Path(didact.cli.__file__).parent.glob("*.py"))
    assert len(sources) >= 15
    for path in sources:
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        bare = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
        assert len(bare) == (path.name == "streams.py"), path.name


# ---------------------------------------------------------------------------------------------- nobody reads, no disk


def test_a_reader_that_leaves_ends_the_output_only(
    gone: io.TextIOWrapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", gone)
    for command in (["explain", "kd"], ["list", "data"], ["list", "--help"]):
        assert main(command) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", gone)  # as by "2>&1 | head"
    assert main(["train", *TINY, "--store", str(tmp_path / "s")]) == 0
    assert len(list((tmp_path / "s").glob("runs/*/record.json"))) == 1


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_below_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["explain", "kd"], ["list", "data"], ["list", "--help"]):
        with open(FULL, "w") as full, monkeypatch.context() as here:
            here.setattr(sys, "stdout", full)
            assert main(command) == 1
        assert capsys.readouterr().err == "didact: No space left on device: standard output\n"
    with open(FULL, "w") as full, monkeypatch.context() as here:
        here.setattr(sys, "stderr", full)
        assert main(["train", *TINY, "--store", str(tmp_path / "s")]) == 0
    assert "alone (ce)" in capsys.readouterr().out


def test_closed_streams_stop_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["list", "data"]) == 0
    assert main(["explain", "nosuch"]) == 2
    assert main(["train", *TINY, "--store", str(tmp_path / "s")]) == 0
    assert len(list((tmp_path / "s").glob("runs/*/record.json"))) == 1
    assert (sys.stdout, sys.stderr) == (None, None)


def test_a_process_without_streams_and_with_traps_beside_it(tmp_path: Path) -> None:
    """``>&- 2>&-`` where the working directory has files that are called like libraries, and a network of one's own."""
    for name in ("rich", "torch", "numpy", "filelock", "matplotlib", "pooch", "statistics", "pydantic", "cyclopts"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('imported instead of the library')")
    lines = ["from torch import nn", "from didact.nets import Block, BlockNet, Head"]
    lines.append("def net(k, c): return BlockNet(nn.Identity(), [('1', Block(nn.Conv2d(c, 4, 1)))], Head(4, k))")
    (tmp_path / "own_network_here.py").write_text("\n".join(lines))
    asked = " ".join([*TINY, "--net", "own_network_here:net"][2:])
    command = f'"{sys.executable}" -m didact train {asked} --store s <&- >&- 2>&-'
    source = str(Path(didact.cli.__file__).parents[2])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": source}
    assert subprocess.run(command, shell=True, cwd=tmp_path, env=environment).returncode == 0
    assert len(list(tmp_path.glob("s/runs/*/record.json"))) == 1
