"""What the command line tells of methods, and chains of teachers asked for on it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from didact.cli.main import main
from didact.engine.recipes import RECIPES
from didact.method import Method
from didact.nets.supernet import SPACES
from didact.request.plan import plan
from didact.request.tokens import parse
from didact.spec import SpecError, catalogue

pytestmark = pytest.mark.usefixtures("few_digits")

Said = pytest.CaptureFixture[str]


def plain(asked: list[str], capsys: Said) -> Any:
    assert main([*asked, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_list_methods_for_a_pair(capsys: Said) -> None:
    rows = plain(["list", "methods"], capsys)
    assert [row["name"] for row in rows] == list(catalogue(*Method.homes))
    fitnet = next(row for row in rows if row["name"] == "fitnet")
    assert fitnet["year"] == 2015
    assert fitnet["link"].startswith("https://")
    assert fitnet["reads"] == {"own": ["logits", "features"], "teacher": ["features"], "peers": [], "views": []}
    assert [stage["name"] for stage in fitnet["stages"]] == ["train"]
    assert {"name": "beta", "type": "float", "default": "100.0", "meaning": "Weight of the hint."} in fitnet["settings"]
    assert fitnet["presets"] == {"kd": {"alpha": 1.0}}
    assert fitnet["adds"]["parameters"] == 128 * 128 + 128 + 2 * 128
    other = plain(["list", "methods", "--net", "resnet-8", "--teacher", "vgg13", "--data", "CIFAR-10"], capsys)
    adds = next(row for row in other if row["name"] == "fitnet")["adds"]
    assert (adds["net"], adds["teacher"], adds["data"]) == ("resnet8", "vgg13", "cifar10")
    assert main(["list", "methods"]) == 0
    shown = capsys.readouterr().out
    assert "resnet8x4 from resnet32x4 on cifar100 (50,000 images)" in shown
    assert "FitNets: a hint" in shown


def test_a_method_that_cannot_serve_the_pair_says_why_in_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    lines = ["from torch import nn", "from didact.nets import Block, BlockNet, Head"]
    lines.append("def one(k, c): return BlockNet(nn.Identity(), [('1', Block(nn.Conv2d(c, 4, 1)))], Head(4, k))")
    (tmp_path / "own_single.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    rows = plain(["list", "methods", "--net", "own_single:one"], capsys)
    assert len(rows) == len(catalogue(*Method.homes))
    refused = {row["name"]: row["adds"].get("refused") for row in rows}
    assert refused["kd"] is None
    assert refused["fitnet"] == "not for this pair: hint after block 2, but the network has 1 blocks"
    assert main(["list", "methods", "--net", "own_single:one"]) == 0
    assert "not for this pair: hint" in " ".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.parametrize("name", [*catalogue(*Method.homes), "fitnet+kd"])
def test_explain_tells_everything(name: str, capsys: Said) -> None:
    assert main(["explain", name]) == 0
    shown = capsys.readouterr().out
    told = plain(["explain", name], capsys)
    assert shown.startswith(f"{name}: {told['label']}")
    assert told["link"] in shown
    for formula in told["formulas"]:
        assert formula.splitlines()[0] in shown
    for setting in told["settings"]:
        assert f"--{told['option']}.{setting['name']}  [{setting['type']}, default {setting['default']}]" in shown
        assert setting["meaning"].replace("``", "`") in shown
    for preset in told["presets"]:
        assert f"  {name.partition('+')[0]}+{preset}: " in shown
    assert f"Command:\n  {told['command']}\n" in shown
    assert "Reads: " in shown
    assert "Stages: " in shown


@pytest.mark.parametrize("name", RECIPES)
def test_explain_tells_of_a_recipe(name: str, capsys: Said) -> None:
    assert main(["explain", name]) == 0
    shown = capsys.readouterr().out
    told = plain(["explain", name], capsys)
    assert shown.startswith(f"{name}: {told['what']}\n\n{told['source']}")
    for key, value in told["settings"].items():
        assert re.search(rf"--recipe\.{key}  \[.*, here {re.escape(str(value))}\]\n", shown)


def test_a_misspelt_recipe_is_suggested_by_explain(capsys: Said) -> None:
    assert main(["explain", "imagnet"]) == 2
    assert "a recipe is called 'imagenet'" in capsys.readouterr().err
    assert main(["explain", "fitnte"]) == 2
    assert "recipe" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet8", "'resnet8' is a network: didact list nets"),
        ("ResNet-8", "'ResNet-8' is a network"),
        ("timm:resnet18", "'timm:resnet18' is a network"),
        ("CIFAR-100", "is a data set: didact list data"),
        ("pico-2", "is a device: didact list devices"),
        ("recipe.epochs", "is a setting: didact list settings"),
        (sorted(SPACES)[0], "is a pool of networks: didact list pools"),
        ("gtn-cost", "is a study: didact list studies"),
    ],
)
def test_explain_says_what_else_a_name_stands_for(name: str, said: str, capsys: Said) -> None:
    assert main(["explain", name]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "a method or a recipe is explained: didact list methods" in told


def test_explain_a_method_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    lines = ["from didact.method import Method", "from didact.spec import Positive, spec", "@spec", "class Mine(Method):"]
    lines += ["    scale: Positive = 2.0", "    def terms(self, extras, context): ..."]
    (tmp_path / "own_method.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "own_method:Mine"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("own_method:Mine: Mine\n")
    assert "--method.scale  [float, default 2.0]" in shown


def test_the_guides_method_of_ones_own_is_explained_and_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    guide = (Path(__file__).parents[2] / "docs/methods.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if block.startswith("# mine.py"))
    (tmp_path / "guide_mine.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "guide_mine:Cosine"]) == 0
    shown = capsys.readouterr().out
    assert "--method.alpha  [float, default 0.0]\n        Weight of KD" in shown
    assert "Reads: its own logits, pooled; the teacher's pooled" in shown
    names = "guide_mine:Cosine,guide_mine:Cosine+kd"
    asked = ["train", "--net", "resnet8", "--teacher.net", "resnet14", "--method", names, "--data.per_class", "2"]
    assert main([*asked, "--epochs", "1", "--test-every", "9", "--store", "store"]) == 0
    assert "done resnet8.guide_mine:Cosine+kd" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["explain", "fitnt"], "unknown method 'fitnt'; did you mean 'fitnet'"),
        (["explain", "fitnet+kx"], "fitnet has no preset 'kx'; did you mean 'kd'"),
        (["explain", "nowhere:M"], "cannot import 'nowhere'"),
        (["list", "methods", "--net", "resnt8"], "unknown network 'resnt8'; did you mean 'resnet8'"),
        (["list", "methods", "--net", "nowhere:net"], "cannot import 'nowhere'"),
        (["list", "methods", "--teacher", "vgg31"], "unknown network 'vgg31'"),
        (["list", "methods", "--data", "cifra100"], "did you mean 'cifar100'"),
        (["list", "nets", "--teacher", "vgg13"], "--teacher: is for 'didact list methods'"),
        (["train", "--net", "resnet8", "--teacher.net", "resnet14", "--teacher.method", "kd"], "teacher.teacher.net: "),
        (
            ["train", "--net", "resnet8", "--teacher.net", "resnet14", "--teacher.teacher.net", "resnet20"],
            "teacher.teacher: ",
        ),
    ],
)
def test_wrong_requests(asked: list[str], said: str, capsys: Said) -> None:
    assert main(asked) == 2
    assert said in capsys.readouterr().err


def test_a_chain_of_teachers_from_the_command_line(tmp_path: Path, capsys: Said) -> None:
    store = ["--store", str(tmp_path / "store")]
    asked = ["--net", "resnet8", "--data.per_class", "2", "--epochs", "1", "--test-every", "9", *store]
    chain = ["--teacher.net", "resnet14", "--teacher.method", "kd", "--teacher.method.temperature", "2"]
    assert main(["train", *asked, *chain, "--teacher.teacher.net", "resnet20", "--teacher.teacher.method", "sftn"]) == 0
    shown = capsys.readouterr()
    assert "training 1 x [resnet8 kd] from resnet14 by kd (temperature=2.0) from resnet20 (sftn)" in shown.err
    runs = plain(["list", "runs", *store], capsys)
    assert {run["run"]: run["teacher"] for run in runs} == {
        "resnet8.kd.s0": "resnet14 by kd (temperature=2.0) from resnet20 (sftn)",
        "resnet14.kd.s0": "sftn resnet20",
        "resnet20.sftn.s0": "",
    }
    told = plain(["show", "resnet8.kd", *store], capsys)
    assert told["teacher"].endswith("resnet14 by kd (temperature=2.0) from resnet20 (sftn)")
    assert told["deployed"]["parameters"] == 77754


def test_show_counts_the_deployed_network(tmp_path: Path, capsys: Said) -> None:
    """SimKD deploys the student's blocks, a projector and the teacher's head; SFTN's teacher leaves its branches behind."""
    store = ["--store", str(tmp_path / "store")]
    asked = ["--net", "resnet8", "--data.per_class", "2", "--epochs", "1", "--test-every", "9", *store]
    assert main(["train", *asked, "--teacher.net", "resnet8x4", "--teacher.method", "sftn", "--method", "kd,simkd"]) == 0
    capsys.readouterr()
    sizes = {name: plain(["show", name, *store], capsys)["deployed"] for name in ("resnet8.kd", "resnet8.simkd")}
    assert sizes["resnet8.simkd"]["parameters"] > sizes["resnet8.kd"]["parameters"] == 77754
    assert sizes["resnet8.simkd"]["MACs"] > sizes["resnet8.kd"]["MACs"]
    teacher = plain(["show", "resnet8x4.sftn", *store], capsys)["deployed"]
    net = next(row for row in plain(["list", "nets"], capsys) if row["net"] == "resnet8x4")
    assert teacher["parameters"] < net["parameters"]  # fewer classes, no branches


@pytest.mark.parametrize(
    "asked",
    [
        "--net resnet8 --method dml",
        "--net resnet8 --method kd",
        "--net resnet8 --method ce --peers.net resnet14",
        "--net resnet8 --method dml --peers.seed 1",
        "--net resnet8 --peers.net resnet14 --method kdcl --method.target general",
        "--net resnet8 --teacher.net resnet14 --teacher.method kd",
        "--net resnet8 --teacher.net resnet14 --teacher.teacher.net resnet20",
        "--net resnet8 --teacher.net resnet14 --teacher.method dml",
        "--net resnet8 --teacher.net resnet14 --start branches",
        "--net resnet8 --teacher.net resnet14 --teacher.start standard",
        "--net resnet8 --teacher.net resnet14 --teacher.method sftn --teacher.start x",
        "--net resnet8 --route equal --epochs 4",
    ],
)
def test_what_a_message_says_to_write_works_behind_two_dashes(asked: str) -> None:
    tokens = asked.split()
    with pytest.raises(SpecError) as refused:
        plan(parse(tokens))
    hint = r"(?:--)?([a-z_.]+[= ]\w+(?:\.\d+)?)"
    hints = re.search(rf"(?:e\.g\.|such as|write) {hint}(?: and {hint})?", str(refused.value).replace("write e.g.", "e.g."))
    assert hints is not None, refused.value
    settings = dict(zip(tokens[::2], tokens[1::2], strict=True))
    settings |= {f"--{name}": value for name, value in (re.split("[= ]", hint) for hint in hints.groups() if hint)}
    assert plan(parse([token for setting in settings.items() for token in setting]))
