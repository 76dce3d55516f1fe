"""``didact runs``: list, rm, gc, note."""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from didact.cli.main import main
from didact.report import text
from didact.request.plan import plan
from didact.request.tokens import parse
from didact.store.upkeep.locks import locked
from didact.tables import runs as tables
from didact.tables.listing import Listing
from support.shelf import Shelf, shelf


@pytest.fixture
def full(tmp_path: Path) -> Shelf:
    return shelf(tmp_path)


class Console(io.StringIO):
    """A terminal with a person who types."""

    def isatty(self) -> bool:
        return True


Read = pytest.CaptureFixture[str]


def runs(full: Shelf, *words: str) -> int:
    return main(["runs", *words, "--store", str(full.store.root)])


def listed(full: Shelf, capsys: Read, *words: str) -> list[dict[str, object]]:
    assert runs(full, *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_a_list_is_filtered_and_sorted_and_shows_what_was_asked(full: Shelf, capsys: Read) -> None:
    assert [one["run"] for one in listed(full, capsys)] == [one["run"] for one in listed(full, capsys, "list")]
    assert main(["list", "runs", "--store", str(full.store.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == listed(full, capsys)
    found = listed(full, capsys, "--where", "data=digits and method~kd and recipe.batch_size=16", "--sort", "-seed")
    assert [one["run"] for one in found] == ["resnet8.kd.s1", "resnet8.kd.s0"]
    assert found[0]["recipe.batch_size"] == 16
    assert runs(full, "--where", "seed=5", "--format", "csv") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert listed(full, capsys, "--where", "seed=6") == []
    assert runs(full, "--where", "method=kdd or seed=6") == 0
    said = capsys.readouterr().err
    assert "no run fits; method is 'ce', 'kd'" in said and "no run fits; seed is '" in said
    assert [one["run"] for one in listed(full, capsys, full.loner.digest[:7], "resnet14")] == [
        "resnet14.ce.s100",
        "resnet8.ce.s5",
    ]
    assert len(listed(full, capsys, "list", "resnet8", "--where", "method=kd")) == 2
    fields = {one["field"]: one["such as"] for one in listed(full, capsys, "--fields")}
    assert fields["data.per_class"] == 6 and fields["teacher.net"] == "resnet14" and "top1" in fields


def test_a_run_is_one_or_two_lines_of_80_columns_and_one_of_a_pipe(
    full: Shelf, capsys: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = listed(full, capsys)
    assert runs(full) == 0
    _, *rows = capsys.readouterr().out.splitlines()
    digests = [row.split()[0] for row in rows]
    assert digests == [one["digest"] for one in found]
    assert [float(row.split()[-1]) for row in rows] == [one["test top-1 (%)"] for one in found]
    monkeypatch.setattr(text, "stdout", lambda: text.Screen(width=80, force_terminal=True, color_system=None))
    assert runs(full) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and lines[0].startswith("┏")
    assert sum(line.startswith("│") for line in lines) <= 2 * len(found)
    assert all(any(digest in line for line in lines) for digest in digests)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "metod=kd"], "no run has a field 'metod'; did you mean 'method'"),
        (["--where", "method"], "one of = != ~"),
        (["--where", "top1>abc"], "top1 is a number, found 'abc'; write a number, such as top1>5"),
        (["--where", "top1>=abc"], "top1 is a number, found 'abc'; write a number, such as top1>=5"),
        (["--where", "method=nothing and top1=abc"], "top1 is a number, found 'abc'; write a number, such as top1="),
        (["rm", "--where", "method=kdd"], "fits 'method=kdd'; method is '"),
        (["--fields", "--where", "seed=1"], "leave these out"),
        (["rm"], "name runs by their digests, or by --where"),
        (["rm", "zzzz"], "'zzzz' fits no run"),
        (["rm", ""], "fits no run"),
        (["rm", "--where", "seed=77"], "no finished run"),
        (["note", "resnet8", "text"], "fits 3 runs"),
        (["note", "resnet14", "x" * 3000], "at most 2000 characters"),
        (["note", "resnet14", "text", "--clear"], "two things to do"),
        (["gc", "--abandoned", "-1"], "0 or more"),
        (["rmm"], "'rmm' is the beginning of no run"),
        (["rmm"], "did you mean 'didact runs rm'?"),
        (["zzzz"], "commands: "),
        ([""], "is the beginning of no run"),
        (["--fields", "resnet8"], "leave these out"),
        (["--unfinished", "--where", "seed=1"], "unfinished: --fields, --where and --sort are for finished runs"),
        (["--unfinished", "--fields"], "leave these out"),
    ],
)
def test_wrong_requests_are_refused_and_remove_nothing(full: Shelf, words: list[str], said: str, capsys: Read) -> None:
    assert runs(full, *words) == 2
    assert said in capsys.readouterr().err
    assert len(full.store.folders()) == 4


def test_a_removal_asks_and_says_what_it_frees(full: Shelf, capsys: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    name = full.loner.digest[:8]
    assert runs(full, "rm", name) == 2
    assert "nobody to ask; add --yes" in capsys.readouterr().err
    for typed, code in (("n\n", 1), ("", 1), ("y\n", 0)):
        monkeypatch.setattr(sys, "stdin", Console(typed))
        assert runs(full, "rm", name) == code
        said = capsys.readouterr()
        assert "remove 1 run? [y/N]" in said.err and (code == 1) == ("nothing is removed" in said.out)
    assert "removed 1 run" in said.out and "MB are free" in said.out
    assert full.store.get(full.loner) is None and len(full.store.folders()) == 3


def test_a_teacher_goes_only_when_told(full: Shelf, capsys: Read) -> None:
    assert runs(full, "rm", full.teacher.digest, "--yes") == 2
    said = capsys.readouterr()
    assert "1 run of these is needed by runs that stay" in said.err and all(one.digest in said.out for one in full.students)
    assert runs(full, "rm", full.teacher.digest, "--even-needed", "--yes") == 0
    assert len(full.store.folders()) == 3
    assert runs(full, "rm", "--where", "method=kd and seed=0", "-y") == 0
    assert len(full.store.folders()) == 2


def test_students_go_with_their_teacher(full: Shelf, capsys: Read) -> None:
    assert runs(full, "rm", full.teacher.digest, "--with-students", "--yes") == 0
    assert "removed 3 runs" in capsys.readouterr().out and len(full.store.folders()) == 1


def test_leftovers_are_shown_first(full: Shelf, capsys: Read) -> None:
    path = full.folder(full.teacher) / "checkpoint.safetensors"
    path.write_bytes(b"x" * 2_000_000)
    assert runs(full, "gc") == 0
    said = capsys.readouterr()
    assert "checkpoint of a finished run" in said.out and "1 item, 2.00 MB" in said.out and "--yes removes" in said.err
    assert path.exists()
    assert listed(full, capsys, "gc", "--yes")[0]["MB"] == 2.0
    assert not path.exists() and listed(full, capsys, "gc") == []


def test_unfinished_runs_are_listed_with_what_goes_on_with_them(full: Shelf, capsys: Read) -> None:
    assert listed(full, capsys, "--unfinished") == []
    assert runs(full, "--unfinished") == 0 and capsys.readouterr().out == f"no unfinished run in {full.store.root}\n"
    assert runs(full) == 0 and "unfinished" not in capsys.readouterr().out
    for run in (full.loner, full.teacher):
        (full.folder(run) / "record.json").rename(full.folder(run) / "checkpoint.safetensors")
    reason = {"reason": "epoch 2: term 'ce' was not finite", "run": full.loner.digest}
    (full.folder(full.loner) / "failed.json").write_text(json.dumps(reason))
    with locked(full.store, [full.teacher]):
        teacher, loner = listed(full, capsys, "--unfinished")
    assert (teacher["digest"], teacher["state"], teacher["command"]) == (full.teacher.digest, "in training", None)
    assert (loner["epoch"], loner["epochs"], loner["state"]) == (1, 2, "failed")
    assert loner["reason"] == reason["reason"]
    command = shlex.split(str(loner["command"]))
    assert command[:2] == ["didact", "train"] and command[-3:] == ["--store", str(full.store.root), "--retry"]
    assert [run.digest for run in plan(parse(command[2:-3]))] == [full.loner.digest]
    for words in (["runs"], ["runs", "--unfinished"], ["list", "runs"]):
        assert main([*words, "--store", str(full.store.root)]) == 0
        said = capsys.readouterr().out
        assert "1 of 2" in said and f"failed: {reason['reason']}" in said and str(loner["command"]) in said
    assert runs(full, "--where", "method=kd") == 0 and "unfinished" not in capsys.readouterr().out
    assert len(listed(full, capsys)) == 2  # for programs, finished ones only
    assert [one["digest"] for one in listed(full, capsys, "--unfinished", full.loner.digest)] == [full.loner.digest]
    assert main(["show", full.loner.digest, "--store", str(full.store.root)]) == 2
    assert f"has stopped: {reason['reason']}; --retry" in capsys.readouterr().err
    assert runs(full, "rm", full.loner.digest, "-y") == 0 and "removed 1 run" in capsys.readouterr().out
    assert [one["state"] for one in listed(full, capsys, "--unfinished")] == ["stopped"]


def test_a_note_is_printed_wherever_the_run_is(full: Shelf, capsys: Read) -> None:
    name, folder = full.loner.digest, full.folder(full.loner)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert runs(full, "note", name, "the one\x1b[2J in the paper") == 0
    assert f"{full.loner.label} ({name}): the one\\x1b[2J in the paper" in capsys.readouterr().out
    assert runs(full, "note", name) == 0
    assert "the one\\x1b[2J in the paper" in capsys.readouterr().out
    (one,) = (one for one in listed(full, capsys) if "note" in one)
    assert one["digest"] == name and listed(full, capsys, "--where", "note~paper") == [one]
    assert main(["show", full.loner.digest, "--store", str(full.store.root), "--json"]) in (0, 2)
    capsys.readouterr()
    assert all((folder / file).read_bytes() == data for file, data in before.items())
    assert runs(full, "note", name, "--clear") == 0 and runs(full, "note", name) == 0
    assert "no note" in capsys.readouterr().out
    (folder / "note.json").write_text("[" * 10**5)
    assert runs(full, "note", name) == 0


def test_a_store_that_cannot_be_written_is_an_error_in_words(
    full: Shelf, capsys: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    from didact.store import notes

    def denied(path: Path, value: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(notes, "write_json", denied)
    assert runs(full, "note", full.loner.digest, "text") == 1
    assert "Permission denied" in capsys.readouterr().err


def test_a_run_that_ends_between_the_two_tables_is_in_one_of_them(
    full: Shelf, capsys: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = full.folder(full.loner)
    seal = (folder / "record.json").read_bytes()
    (folder / "record.json").unlink()
    (folder / "checkpoint.safetensors").write_bytes(b"x")

    def ends_after(table: Callable[..., Listing]) -> Callable[..., Listing]:
        def listed(*words: object) -> Listing:
            found = table(*words)
            (folder / "record.json").write_bytes(seal)
            return found

        return listed

    for name in ("runs", "unfinished"):
        monkeypatch.setattr(tables, name, ends_after(getattr(tables, name)))
    assert runs(full) == 0 and full.loner.digest in capsys.readouterr().out
