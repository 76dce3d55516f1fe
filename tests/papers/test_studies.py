"""Every study that 'didact list studies' names: it has a plan, runs to its end, reuses runs that
others made, and is not trained twice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from didact.cli.main import main
from didact.papers.listing import COLUMNS, known, studies
from didact.tables.table import Table

TINY = "--scale digits --data.per_class 2 --epochs 2 --seeds 1 --precision fp32 --device cpu"
PAIR, KD = "--pairs resnet8/resnet8", "--method kd"
GTN = "--pool basic-8-1x8-1x8,basic-8-1x8-1x16 --students 1 --teacher resnet8"
OPTIONS = {
    "crd": f"{PAIR} --method kd,crd",
    "gtn-cifar100": GTN,
    "gtn-cost": GTN,
    "gtn-imagenet200": GTN,
    "gtn-memory": "--pool basic-8-1x8-1x8,basic-8-1x8-1x16 --students 2",
    "sftn-1": f"{PAIR} {KD}",
    "sftn-2": f"{PAIR} {KD}",
    "sftn-3": f"{PAIR} {KD} --sftn.kl_weight 3",
    "sftn-4": f"{PAIR} --long false --route.anchors 2",
    "sftn-5": f"{PAIR} --temperatures [1]",
    "sftn-6": f"{PAIR} --weights [1]",
    "sftn-7": f"{PAIR} {KD} --transfer digits",
    "sftn-8": f"{PAIR} {KD}",
    "sftn-9": f"{PAIR} {KD} --branches resnet8,resnet8,basic-8-1x8-1x16-1x32",
    "sftn-fig3": f"{PAIR} {KD}",
    "sftn-fig4": PAIR,
    "sftn-fig5": PAIR,
    "simkd": f"{PAIR} --only rate=0.01 --method labels~kl",
}
"""What makes each small enough for a test. A ~ stands for a space within a word."""
IDLE = {"gtn-memory": ["--data.per_class", "--epochs", "--seeds", "--precision"], "gtn-cost": ["--seeds"]}
"""What a study that trains nothing, or no student, has no use for, and refuses."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the studies find the runs of one another."""
    return tmp_path_factory.mktemp("studies") / "store"


def words(name: str, store: Path) -> list[str]:
    options = [word.replace("~", " ") for word in f"{OPTIONS[name]} {TINY}".split()]
    for idle in IDLE.get(name, ()):
        at = options.index(idle)
        del options[at : at + 2]
    return ["study", name, *options, "--store", str(store)]


def asked(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("name", OPTIONS)
def test_plan_run_and_again(name: str, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store" if name == "sftn-4" else shared  # its route wants checkpoints of the teacher's training
    plan = [*words(name, store), "--plan", "--throughput", "10"]
    missing = {digest for job in asked(plan, capsys)["jobs"] for digest in job["runs"]}
    told = asked(words(name, store), capsys)
    assert told["tables"] and all(table["figures"] for table in told["tables"] if "devices" not in table["title"])
    made = {path.parent.name.rpartition(".")[2] for path in store.glob("runs/*/record.json")}
    assert missing <= made
    assert asked(plan, capsys)["jobs"] == []


@pytest.mark.usefixtures("few_digits")
def test_teachers_of_several_seeds(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The runs of the first seeds are those of the study above."""
    given = words("crd", shared)
    given[given.index("--seeds") + 1] = "2"
    told = asked([*given, "--teacher-seeds", "2"], capsys)["tables"]
    assert "over teacher seeds, each the mean over its students' seeds" in told[1]["note"]
    figures = told[1]["figures"]["crd"]["resnet8/resnet8"]
    assert sorted(figures["difference"]["seeds"]) == [[0, 0], [0, 1], [1, 0], [1, 1]] and figures["n"] == 4
    assert told[0]["figures"]["teacher"]["resnet8/resnet8"]["n"] == 2
    assert asked([*given, "--teacher.seeds", "2"], capsys)["tables"] == told


def test_every_study_is_tried() -> None:
    assert {name for name, _, _ in known()} == set(OPTIONS)


@pytest.mark.parametrize(("name", "option"), [(name, option) for name, options in IDLE.items() for option in options])
def test_what_a_study_has_no_use_for_is_refused(
    name: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = "fp32" if option == "--precision" else "2"
    assert main(["study", name, *OPTIONS[name].split(), option, value, "--store", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{option.removeprefix('--')}: the table of" in said and "has no use for it; leave it out" in said
    assert main(["study", name, *OPTIONS[name].split(), "--export", "onnx", "--store", str(tmp_path)]) == 2
    assert "export: this study trains no student" in capsys.readouterr().err


def test_what_each_needs() -> None:
    listing = studies()
    assert isinstance(listing.table, Table) and listing.table.columns == COLUMNS
    rows = {str(row[0]): row for row in listing.table.rows}
    assert set(rows) == set(OPTIONS)
    # Tables 1 and 2: 8 pairs x 2 teachers x 12 methods x 3 seeds; 6 students alone; 2 standard and 6 SFTN teachers ...
    assert rows["sftn-fig3"][4] == 608 and rows["gtn-memory"][4] == 0
    assert rows["sftn-fig5"][4:7] == (8, 8 * 240, round(8 * 240 * 50_000 / 1e6))
    assert rows["simkd"][4] == 1 + 8 * 5 * 3
    assert all("https://" in str(row[-1]) for row in rows.values())


def test_they_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    names = list(known())
    monkeypatch.setattr(
        "didact.papers.listing.known", lambda: iter([one for one in names if one[0] in ("simkd", "sftn-fig5")])
    )
    assert main(["list", "studies", "--format", "csv"]) == 0
    assert "simkd" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sftn-11", "table: unknown '11'; available: 1, 2"),
        ("sftn4", "unknown study 'sftn4'; did you mean 'sftn-4'"),
        ("crd-1", "unknown study 'crd-1'; did you mean 'crd'"),
        ("gtn-x", "table: unknown 'x'"),
        ("sftn-", "unknown study 'sftn-'; did you mean 'sftn-"),
        ("nosuch-1", "unknown study 'nosuch-1'"),
    ],
)
def test_no_such_table(name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", name, "--store", str(tmp_path)]) == 2
    assert f"didact: {message}" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_a_table_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "sftn-4", "--table", "8"]) == 2
    assert "table: the study's name says 4" in capsys.readouterr().err
