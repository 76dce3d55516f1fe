"""Stores that lack what need not be there: answers are shown all the same, and a line says what is missing."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from didact.cli.main import main
from didact.data import DataError, Split
from didact.data.sets.digits import Digits
from didact.measure import similarity
from didact.report.figures import canvas
from didact.runs.run import Run
from didact.store.answers import results
from didact.store.store import Store

Said = pytest.CaptureFixture[str]

STUDENT, TEACHER = "basic-8-1x8-1x16", "basic-16-1x16-1x32"
TRAIN = [*("train", "--net", STUDENT, "--teacher.net", TEACHER, "--teacher.method", "standard,sftn", "--method", "kd")]
TRAIN += [
    *("--epochs", "1", "--data.classes", "2", "--data.per_class", "5", "--recipe.batch_size", "10"),
    "--precision",
    "fp32",
]


WRITES = {
    "similarity": ["compare"],
    "layers": ["look", "{student}", "--layers", "--images", "16"],
    "probe-*": ["probe", "{student}", "--data", "digits", "--fraction", "0.1"],
}
"""By what is kept beside the student, a command that reads it, and writes it where it is not there."""


@pytest.fixture(scope="module", autouse=True)
def few(all_digits: tuple[Split, Split, tuple[str, ...]]) -> Iterator[None]:
    """Only 200 images, of which 40 are of two classes, to test on, for everything here."""
    train, test, names = all_digits
    small = test.take(torch.arange(200))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Digits, "read", lambda _: (train, small, names))
        yield


@pytest.fixture(scope="module")
def trained(few: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two teachers and a student of each; beside the student of the standard one, all that can be kept."""
    root = tmp_path_factory.mktemp("trained") / "store"
    assert main([*TRAIN, "--store", str(root)]) == 0
    for command in WRITES.values():
        assert main(filled(command, root)) == 0
    return root


@pytest.fixture
def store(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "store"))


def run_of(root: Path, way: str) -> Run:
    """The student of the teacher that was trained in this way."""
    return next(run for run, _ in Store(root).runs() if run.teacher is not None and run.teacher.method.name() == way)


def kept(root: Path, name: str) -> Path:
    """The file of this name beside the student of the standard teacher."""
    (path,) = Store(root).folder(run_of(root, "ce")).glob(f"{name}.json")
    return path


def filled(command: list[str], root: Path) -> list[str]:
    return [part.replace("{student}", run_of(root, "ce").digest) for part in command] + ["--store", str(root)]


def shown(command: list[str], root: Path, capsys: Said) -> tuple[str, list[str]]:
    """Standard output, and the lines of standard error, of a command that ends well; without the line
    that these students, of one epoch, only guess."""
    capsys.readouterr()
    assert main(filled(command, root)) == 0
    said = capsys.readouterr()
    return said.out, [line for line in said.err.splitlines() if "no better than guessing" not in line]


def digit(path: Path) -> None:
    text = path.read_text()
    at = text.index("answer")
    path.write_text(text[:at] + text[at:].translate(str.maketrans("123456789", "234567891")))


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


# the others are in studies/test_results.py
DAMAGES: dict[str, Callable[[Path], object]] = {
    "null": lambda path: path.write_text("null"),
    "digits": digit,
    "a directory": directory,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", WRITES)
def test_what_is_damaged_is_computed_again(name: str, damage: str, store: Path, capsys: Said) -> None:
    before, quiet = shown([*WRITES[name], "--json"], store, capsys)
    assert not quiet
    path = kept(store, name)
    DAMAGES[damage](path)
    after, said = shown([*WRITES[name], "--json"], store, capsys)
    assert json.loads(after) == json.loads(before)
    lines = [line for line in said if not line.startswith("  ")]  # a probe says what it looks at
    assert [f"{path} " in line or f"{path}:" in line for line in lines] == [True] * (2 if damage == "a directory" else 1)
    assert lines[0].endswith("it is not used, and computed again")


@pytest.mark.parametrize("damage", DAMAGES)
def test_show_believes_no_damaged_similarity(damage: str, store: Path, capsys: Said) -> None:
    whole = json.loads(shown(["show", "{student}", "--json"], store, capsys)[0])["similarity"]
    assert whole.keys() == {"kl", "cka", "agreement"}
    DAMAGES[damage](path := kept(store, "similarity"))
    found, said = shown(["show", "{student}", "--json"], store, capsys)
    assert json.loads(found)["similarity"] is None and [str(path) in line for line in said] == [True]


def test_show_has_no_similarity_of_another_run(store: Path, capsys: Said) -> None:
    other = Store(store).folder(run_of(store, "sftn"))
    shutil.copy(kept(store, "similarity"), other / "similarity.json")
    found, said = shown(["show", other.name, "--json"], store, capsys)
    assert json.loads(found)["similarity"] is None and ["is of another Record" in line for line in said] == [True]


def test_what_cannot_be_kept_is_shown(store: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, data: bytes) -> None:
        raise OSError(errno.EROFS, f"cannot write {path}")

    monkeypatch.setattr(results, "write", refused)
    for name, command in (*WRITES.items(), ("similarity", TRAIN)):
        before, _ = shown([*command, "--json"], store, capsys)
        for path in store.glob(f"runs/*/{name}.json"):
            path.unlink()
        after, said = shown([*command, "--json"], store, capsys)
        assert json.loads(after) == json.loads(before)
        lines = [line for line in said if not line.startswith(("  ", "In ", "No trial ", "WARNING"))]  # progress and advice
        assert [f"cannot be kept in {store / 'runs'}: " in line for line in lines] == [True]


@pytest.fixture(params=["missing", "damaged"])
def incomplete(request: pytest.FixtureRequest, store: Path) -> Path:
    """A store without the standard teacher."""
    teacher = run_of(store, "ce").teacher
    assert teacher is not None
    folder = Store(store).folder(teacher)
    if request.param == "missing":
        shutil.rmtree(folder)
    else:
        (folder / "weights.safetensors").write_bytes(b"")
    return store


def told(root: Path, said: list[str]) -> None:
    """One line names the teacher, and the command that trains it."""
    teacher = run_of(root, "ce").teacher
    assert teacher is not None
    (line,) = [line for line in said if line.startswith("the teacher")]
    assert teacher.digest in line and f"didact train --net {TEACHER} --method ce --data digits" in line


@pytest.mark.parametrize("measured", [True, False])
def test_compare_without_a_teacher(measured: bool, incomplete: Path, capsys: Said, tmp_path: Path) -> None:
    if not measured:
        for path in incomplete.glob("runs/*/similarity.json"):
            path.unlink()
    found, said = shown(["compare", "--json"], incomplete, capsys)
    told(incomplete, said)
    (table,) = [table for table in json.loads(found) if STUDENT in table["title"].split()[0]]
    teacher = run_of(incomplete, "ce").teacher
    assert teacher is not None and table["teachers"]["sftn"] > 0
    has_figures = Store(incomplete).folder(teacher).exists()  # its weights are damaged, its figures are not
    assert (table["teachers"]["standard"] is not None) is has_figures
    (row,) = table["rows"]
    assert row["top1"]["standard"]["mean"] >= 0 and row["kl"]["sftn"]["mean"] >= 0
    assert (row["kl"]["standard"]["mean"] is not None) is measured
    if not measured:
        found, said = shown(["compare", "--picture", str(tmp_path / "who.png")], incomplete, capsys)
        told(incomplete, said)
        assert "-" in found.split("the teacher")[1].split("kd")[0] and "nan" not in found
        assert (tmp_path / "who.png").stat().st_size > 10_000


@pytest.mark.parametrize("measured", [True, False])
def test_look_without_a_teacher(measured: bool, incomplete: Path, capsys: Said, tmp_path: Path) -> None:
    figures = json.loads(kept(incomplete, "similarity").read_text())["answers"][0]["answer"]
    if not measured:
        kept(incomplete, "similarity").unlink()
    found, said = shown(["look", "{student}", "--layers", "--json"], incomplete, capsys)
    told(incomplete, said)
    plain = json.loads(found)
    assert plain["own"]["accuracy"] >= 0 and plain["other"] is plain["cka"] is plain["disagreement"] is None
    assert (plain["kl"], plain["agreement"]) == ((figures["kl"], figures["agreement"]) if measured else (None, None))
    if measured:
        return
    found, said = shown(["look", "{student}", "--picture", str(tmp_path / "who.png")], incomplete, capsys)
    told(incomplete, said)
    assert "teacher: accuracy -, ECE -" in found and "nan" not in found
    assert [path.name for path in tmp_path.glob("who-*")] == ["who-reliability.png"]
    assert [line.partition(":")[0] for line in said if "picture" in line] == [
        "no picture of layers",
        "no picture of disagreement",
    ]


def test_show_and_probe_without_a_teacher(incomplete: Path, capsys: Said) -> None:
    found, said = shown(["show", "{student}", "--json"], incomplete, capsys)
    told(incomplete, said)
    assert json.loads(found)["similarity"]["agreement"] >= 0  # it was measured when the teacher was there
    kept(incomplete, "probe-*").unlink()
    found, _ = shown([*WRITES["probe-*"], "--json"], incomplete, capsys)
    assert json.loads(found)["answers"][0]["top1"][0] >= 0


def test_compare_without_the_images(store: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*given: object) -> None:
        raise DataError("the images are on another machine")

    monkeypatch.setattr(similarity, "load", missing)
    for path in store.glob("runs/*/similarity.json"):
        path.unlink()
    found, said = shown(["compare", "--json"], store, capsys)
    (table,) = [table for table in json.loads(found) if STUDENT in table["title"].split()[0]]
    assert table["teachers"]["standard"] > 0 and table["rows"][0]["kl"]["standard"]["mean"] is None
    assert ["the images are on another machine" in line for line in said] == [True]


def test_the_table_is_printed_before_the_picture_is_drawn(
    store: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "who.png")

    monkeypatch.setattr(canvas, "save", full)
    for command, word in ((["compare"], "the teacher"), (["look", "{student}"], "agreement")):
        capsys.readouterr()
        assert main([*filled(command, store), "--picture", str(store / "who.png")]) == 1
        said = capsys.readouterr()
        assert word in said.out and "No space left on device" in said.err


def test_a_picture_of_nothing(store: Path, capsys: Said, tmp_path: Path) -> None:
    command = ["look", "{student}", "--against", "{student}", "--images", "16", "--picture", str(tmp_path / "same.png")]
    found, said = shown(command, store, capsys)
    assert "same-layers.png" in found and "same-disagreement.png" not in found
    assert said == ["no picture of disagreement: the two networks answer every image alike"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["look", "x", "--images", "2"], "--images is for the comparison of layers: add --layers, or leave --images out"),
        (["look", "x", "--images", "3"], "--images is for the comparison of layers"),
        (["look", "x", "--kind", "rbf"], "--kind is for the comparison of layers"),
        (["look", "x", "--biased"], "--biased is for the comparison of layers"),
        (["look", "{student}", "--layers", "--images", "2"], "at least 4 are needed to compare layers, found 2"),
        (["compare"], "--json and --format csv are two forms of the same tables; leave one of them out"),
        (["probe", "x"], "--json and --format csv are two forms"),
        (["list", "nets"], "--json and --format csv are two forms"),
        (["study", "sftn"], "--json and --format csv are two forms"),
    ],
)
def test_options_that_would_do_nothing_are_refused(asked: list[str], said: str, store: Path, capsys: Said) -> None:
    forms = ["--json", "--format", "csv"] if "forms" in said else []
    assert main([*filled(asked, store), *forms]) == 2
    assert said in capsys.readouterr().err
