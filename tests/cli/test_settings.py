"""Settings of the command line: what a person can write, and what is refused before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import torch

from didact.cli.advise import advise
from didact.cli.main import main
from didact.cli.report import report
from didact.cli.study import study
from didact.cli.train import train
from didact.request.tokens import FLAGS, parse
from didact.spec import SpecError

BASE = ["--net", "resnet8", "--data", "digits", "--data.classes", "2", "--data.per_class", "5", "--precision", "fp32"]
TAUGHT = ["--teacher.net", "resnet14"]
PEERS = ["--peers.net", "resnet14", "--method", "dml"]


USABLE = "cpu or cuda" if torch.cuda.is_available() else "cpu, or leave it out"


@pytest.mark.parametrize(
    ("tokens", "tree"),
    [
        (["--method.alpha", "0.5", "--method", "kd"], {"method": {"name": "kd", "alpha": 0.5}}),
        (["--teacher", "resnet14", "--teacher.method", "sftn"], {"teacher": {"net": "resnet14", "method": "sftn"}}),
        (
            ["--teacher", "resnet14", "--teacher.method", "sftn", "--teacher.method.warmup=0.5"],
            {"teacher": {"net": "resnet14", "method": {"name": "sftn", "warmup": 0.5}}},
        ),
        (["--recipe", '{"name":"paper"}', "--recipe.epochs", "3"], {"recipe": {"name": "paper", "epochs": 3}}),
        (["--recipe.batch-size", "3", "--data", "{}"], {"recipe": {"batch_size": 3}, "data": {}}),
        (
            ["--a", "true", "--b", "None", "--c", "[1,2.5]", "--d", "1_000"],
            {"a": True, "b": None, "c": [1, 2.5], "d": "1_000"},
        ),
    ],
)
def test_a_tree_of_settings(tokens: list[str], tree: object) -> None:
    assert parse(tokens) == tree


@pytest.mark.parametrize(
    ("tokens", "line"),
    [
        (
            ["--teacher", "a", "--teacher.net", "b"],
            "teacher.net: is given twice, by --teacher and --teacher.net; write it once",
        ),
        (["--seed", "1", "--seed", "1"], "seed: is given twice; write it once"),
        (["--a.b", "1", "--a", '{"b": 2}'], "a.b: is given twice, by --a and --a.b; write it once"),
        (["--a", '{"b": 1, "b": 2}'], 'a.b: is given twice in \'{"b": 1, "b": 2}\'; write it once'),
        (["--a-b", "1", "--a_b", "2"], "a_b: is given twice, by --a_b and --a-b; write it once"),
        (["--a", "5", "--a.b", "1"], "a: is 5, which has no settings of its own, and has settings below it"),
        (["--a", "null", "--a.b", "1"], "a: is null, which has no settings of its own, and has settings below it"),
        (["--jsxon"], "--jsxon needs a value; did you mean --json, which takes none?"),
        (["--copmile"], "--copmile needs a value; did you mean --compile, which takes none?"),
        (["--a", "--b", "1"], "--a needs a value"),
        (["--a..b", "1"], "--a..b: expected names with dots between them, such as --recipe.epochs"),
        (["--" + ".".join("a" * 21), "1"], ".".join("a" * 21) + ": settings are at most 20 levels deep"),
        (["--seed", '{"a":' * 100_000 + "1" + "}" * 100_000], "seed: settings are at most 20 levels deep"),
        (["--seed", "[" * 100_000], "seed: settings are at most 20 levels deep"),
    ],
)
def test_a_tree_that_cannot_be_meant(tokens: list[str], line: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(tokens)
    assert str(caught.value) == line


TRAIN = ["train", "--data", "digits", "--net", "resnet8"]


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (["train", "--data", "digits", "--bogus"], "bogus: no such setting; known: data, data_seed, epochs, "),
        ([*TRAIN, "--bogus", "--epochs", "3"], "bogus: no such setting; known: data, "),
        ([*TRAIN, "--data-sed"], "data_sed: no such setting; did you mean 'data_seed'"),
        ([*TRAIN, "--recipe.epochz"], "recipe.epochz: no such setting; did you mean 'epochs'"),
        ([*TRAIN, "--teacher", "resnet20", "--teacher.bogus"], "teacher.bogus: no such setting; did you mean "),
        ([*TRAIN, "--teacher", "resnet20", "--method.temprature"], "method.temprature: no such setting; did you mean 'temp"),
        ([*TRAIN, "--recipe", "--recipe.epochs", "3"], "--recipe needs a value"),
        ([*TRAIN, "--seeds"], "--seeds needs a value"),
        ([*TRAIN, "--jsxon"], "--jsxon needs a value; did you mean --json, which takes none?"),
        (["study", "crd", "--bogus"], "bogus: no such setting; known: base, data, "),
        (["study", "crd", "--seeds"], "--seeds needs a value"),
        (["study", "gtn", "--bogus", "--scale", "small"], "bogus: no such setting; known: data, "),
        (["advise", "--bogus"], "bogus: no such setting; known: data, "),
        (["report", "crd", "--bogus"], "bogus: no such setting; known: base, data, "),
    ],
)
def test_a_name_that_nobody_knows_needs_no_value(
    asked: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Last on the line or before another option, in every command that takes settings; as with a value."""
    (tmp_path / "runs").mkdir()
    where = ["--store", str(tmp_path)] + (["-o", str(tmp_path / "new.html")] if asked[0] == "report" else [])
    assert main([asked[0], *where, *asked[1:]]) == 2
    assert capsys.readouterr().err.removeprefix("didact: ").startswith(line)


def test_an_option_that_is_misspelt_is_not_only_taken_for_a_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*TRAIN, "--store", str(tmp_path), "--test-evry", "5", "--seds=2"]) == 2
    *_, said = capsys.readouterr().err.splitlines()
    assert said == "--test-evry: did you mean the option --test-every?"
    assert main(["study", "crd", "--wrokers", "2"]) == 2
    assert "--wrokers: did you mean the option --workers?" in capsys.readouterr().err
    assert main([*TRAIN, "--epcohs", "2"]) == 2
    assert "option" not in capsys.readouterr().err


@pytest.mark.parametrize("command", [train, study, advise, report])
def test_options_without_a_value_are_known(command: Callable[..., int]) -> None:
    """A misspelt one is not said to need a value."""
    hints = {name: get_args(hint) for name, hint in get_type_hints(command, include_extras=True).items()}
    flags = {name: about for name, (kind, *about) in ((n, h) for n, h in hints.items() if h) if kind is bool}
    spelt = {(about[0].name or (f"--{name}".replace("_", "-"),))[0].removeprefix("--") for name, about in flags.items()}
    assert spelt and spelt <= set(FLAGS)


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        (["train"], "--net resnet8x4"),
        (["train", "--net", "resnet8", "--teacher.seed", "1"], "--teacher.net resnet32x4"),
        (["train", "--net", "resnet8", "--peers.seed", "1", "--method", "dml"], "--peers.net resnet20"),
        (["train", "--net", "resnet8", "--method", "dml"], "--peers.net resnet20"),
        (["train", "--net", "resnet8", "--method", "kd"], "--teacher.net resnet20"),
        (["advise", "--net", "resnet8"], "--teacher.net resnet20"),
    ],
)
def test_a_network_that_is_missing_is_asked_for_by_its_option(
    asked: list[str], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked) == 2
    assert f"e.g. {option}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (["--method", "true"], "method: expected a name, or settings such as method.name; found true"),
        (["--method", "NaN"], "method: expected a name, or settings such as method.name; found nan"),
        (["--recipe", "[1,2]"], "recipe: expected a name, or names separated by commas, found [1, 2]"),
        (
            [*TAUGHT, "--teacher.method", "[1,2]"],
            "teacher.method: expected a name, or names separated by commas, found [1, 2]",
        ),
        (
            [*TAUGHT, "--teacher.recipe", "5"],
            "teacher.recipe: expected a name, or settings such as teacher.recipe.name; found 5",
        ),
        ([*TAUGHT, "--teacher.method", '{"name":5}'], "teacher.method.name: expected a name, found 5"),
        ([*TAUGHT, "--route", "NaN"], "route: expected a name, or settings such as route.name; found nan"),
        ([*TAUGHT, "--method", "kd,"], "method: expected a name, or names separated by commas, found 'kd,'"),
        ([*TAUGHT, "--method.temperature", "1e300"], "method.temperature: expected at most 1e+09 (found 1e+300)"),
        (
            [*PEERS, "--peers.method", "1.5"],
            "peers.method: expected a name, or settings such as peers.method.name; found 1.5",
        ),
        ([*PEERS, "--peers.method", '{"name":1}'], "peers.method.name: expected a name, found 1"),
        (["--peers.net", "", "--method", "dml"], "peers.net: expected a name, or names separated by commas, found ''"),
        (["--recipe.name", "null"], "recipe.name: expected a name, found null"),
        (["--recipe.name.x", "1"], "recipe.name: expected a name, found {'x': 1}"),
        (["--recipe.name", "[]"], "recipe.name: expected a name, or names separated by commas, found []"),
        (["--recipe.milestones", "0.5"], "recipe.milestones: expected a list, such as [0.625,0.75,0.875] (found 0.5)"),
        (["--recipe.weight_decay", "true"], "recipe.weight_decay: expected a number (found true)"),
        (["--recipe.learning_rate", "1e300"], "recipe.learning_rate: expected at most 1e+09 (found 1e+300)"),
        (["--epochs", "true"], "recipe.epochs: expected a whole number (found true)"),
        (["--epochs", "1" + "0" * 30], "recipe.epochs: expected at most 1000000 (found 1" + "0" * 30 + ")"),
        (
            ["--epochs", "\N{ARABIC-INDIC DIGIT ONE}"],
            "recipe.epochs: expected a whole number (found '\N{ARABIC-INDIC DIGIT ONE}')",
        ),
        (["--data.per_class", "1.5"], "data.per_class: expected a whole number (found 1.5)"),
        (["--seeds", "1000000000"], "seeds: expected at most 1000 (found 1000000000)"),
        (["--seeds", "true"], "seeds: expected a whole number (found true)"),
        (["--seed", "true"], "seed: expected a whole number (found true)"),
    ],
)
def test_a_wrong_value_is_refused_with_its_setting(
    asked: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = [word for word in BASE if not ({"--data.per_class"} & set(asked) and word in ("--data.per_class", "5"))]
    store = tmp_path / "store"
    assert main(["train", *base, *asked, "--store", str(store)]) == 2
    assert capsys.readouterr().err == f"didact: {line}\n"
    assert not store.exists()


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (["quickstart", "--seeds", "1.5"], "Invalid value for --seeds: expected a whole number (found 1.5)"),
        (["train", "--test-every", "0x10"], "Invalid value for --test-every: expected a whole number (found '0x10')"),
        (["train", "--workers", "many"], "Invalid value for --workers: expected a whole number (found 'many'), or auto"),
        (["train", "--workers", "0"], "Invalid value for --workers: expected 1 or more (found 0), or auto"),
        (["train", "--cohort-size", "true"], "Invalid value for --cohort-size: expected a whole number (found true)"),
        (["fit", "--pool", "tiny", "--students", "-1"], "Invalid value for --students: expected 0 or more (found -1)"),
        (["fit", "--pool", "tiny", "--draw", "-1"], "Invalid value for --draw: expected 0 or more (found -1)"),
        (["search", "x", "--bits", "8.5"], "Invalid value for --bits: expected a whole number (found 8.5)"),
        (["look", "x", "--images", "0"], "Invalid value for --images: expected 1 or more (found 0)"),
        (["look", "x", "--images", "3"], "--images is for the comparison of layers: add --layers, or leave --images out"),
        (["probe", "x", "--size", "100000"], "Invalid value for --size: expected at most 1024 (found 100000)"),
        (["probe", ","], "runs: expected a name, or names separated by commas, found ','"),
        (["probe", "x", "--data", ""], "data: expected a name, or names separated by commas, found ''"),
        (
            ["compare", "--json", "--format", "csv"],
            "--json and --format csv are two forms of the same tables; leave one of them out",
        ),
        (["train", "--device", "meta"], f"device 'meta' cannot be used here: unknown processor; write {USABLE}"),
        (["train", "--device", "cpu:7"], "device 'cpu:7': there is one cpu; write cpu"),
    ],
)
def test_options_of_the_commands_are_as_strict(
    asked: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = [] if asked[0] == "fit" else ["--store", str(tmp_path / "store")]
    assert main([*asked, *store]) == 2
    assert capsys.readouterr().err == f"didact: {line}\n"


def test_a_file_of_devices_is_bounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, said in (
        ("[" * 100_000, "too many brackets within brackets"),
        ('[{"name": "a", "what": "b", "memory": "' + "9" * 400 + ' GB"}]', "device 1.memory: a number of bytes"),
        (" " * 1_000_001, "has more than 1,000,000 characters"),
    ):
        path = tmp_path / "my.json"
        path.write_text(text)
        assert main(["fit", "--pool", "resnet8", "--devices", str(path)]) == 2
        shown = capsys.readouterr().err
        assert said in shown and len(shown) < 400
    assert main(["fit", "--pool", "resnet8", "--devices", str(tmp_path)]) == 2
    assert "it is no file" in capsys.readouterr().err
