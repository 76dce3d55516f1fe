"""The commands of every page are run in their order, at toy scale."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
from pathlib import Path

import pytest

from didact import Execution, Store, execute, plan
from didact.cli.commands import app
from didact.cli.main import main
from support.documents import Command, Document, documents
from support.workplace import words

NOT_RUN = {
    r"--streams": "a GPU; tests/execution/test_gpu.py",
    r"--on ": "a Ray cluster; tests/execution/executors has one",
    r"--workers|quickstart": "starts processes, or takes minutes; tests/execution and tests/cli do",
    r"(timm|torchvision|hf):|--library": "networks of libraries; tests/nets has them",
    r"--(teacher\.)?(weights|start) (?!large)|my-student": "files for other data; tests/files and tests/cli/test_share.py",
    r"--push|hf:": "a hub; tests/cli/test_share.py has one",
    r"--files|didact bench": "files of several students; tests/cli/test_bench.py and test_fit.py have some",
    r"didact runs (rm|gc|import|merge)": "asks, or takes another store; tests/cli/test_runs.py",
    r"--serve|didact report (sftn|crd|mine)": "runs until it is stopped, or wants a finished study; tests/cli/test_report.py",
    r"--track": "libraries of trackers; tests/track has them",
    r"--drop all|list cuts $": "kept answers, or a network, of which the sentence speaks",
    r"--trained": "students trained alike from the pool; tests/cli/test_search.py has some",
    r"--teacher\.engine": "ONNX Runtime; tests/execution/test_engines.py",
    r"--to (executorch|tflite)": "a Python of its own; tests/sharing/test_export.py, where the variables name one",
    r"bench |--files ": "exported files of the reader's; tests/cli/test_bench.py and tests/deploy/test_measured.py",
    r"head\.example": "a machine of the reader's",
    r"imagenet|--net a ": "networks too large for a toy",
    r"--(help|version)": "says the settings",
}
"""What is parsed and planned (test_commands.py), but not run here, and why."""

QUICK = ("docs/methods/others.md",)
"""Pages that are run at every change; the others are marked slow."""

SCALED = (
    "--data.classes --data.per_class --data.fraction --epochs --seeds --recipe --recipe.batch_size --recipe.learning_rate "
)
SCALED += (
    "--teacher.recipe.epochs --teacher.seeds --precision --test-every --cohort-size --throughput --devices --scale --size "
)
SCALED += "--pilot --format --target"
"""Settings that the toy has its own values for, or has no use for."""

OPTIONAL = re.compile(r" ?\[(--|,)[^]]*\]")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A store with a student, its teacher and a generic teacher, and the digests of the first and the last."""
    store = tmp_path_factory.mktemp("kept") / "store"
    common = {"epochs": 1, "precision": "fp32", "recipe": {"batch_size": 16}}
    student = {**common, "net": "resnet8", "teacher": {"net": "resnet14"}, "method": "kd", "data": {"per_class": 6}}
    pool = {"name": "gtn", "pool": "tiny", "after": [0, 1, 2]}
    generic = {**common, "net": "resnet20", "method": pool, "data": {"per_class": 8, "validation": 0.25}}
    runs = [*plan(student), *plan(generic)]
    assert not execute(runs, Store(store), Execution()).failures
    return store, runs[0].digest, runs[1].digest


def without(given: list[str], options: str) -> list[str]:
    """The words less these options and their values."""
    found: list[str] = []
    for at, word in enumerate(given):
        if word not in options.split() and not (at and given[at - 1] in options.split() and not word.startswith("--")):
            found.append(word)
    return found


def toy(given: list[str], store: Path, student: str, generic: str) -> list[str]:
    """The same command for a store of few digits: small settings in place of its own."""
    name = given[0]
    given = [word.replace("DIGEST", generic if name == "search" else student) for word in given]
    own = any(word.startswith(("mine:", "folder:")) for word in given)
    if name in ("train", "advise", "study"):
        given = without(given, SCALED + ("" if own else " --data --data.size"))
        given = without(given, "--export --bits") if name == "study" else given
        epochs = "4" if "--route" in given or name == "study" else "1"
        given += ["--epochs", epochs, "--seeds", "1", "--recipe.batch_size", "16", "--precision", "fp32"]
        given += [] if own or name == "advise" else ["--data.per_class", "6"]
        given += ["--plan", "--throughput", "100"] if name == "study" else []
        own_pairs = "--only" in given or any(word.endswith(".py") for word in given)  # which the scale of digits has not
        given += ["--scale", "digits"] if name == "study" and not own_pairs else []
        given = [word for at, word in enumerate(given) if word != "--plan" or "--plan" not in given[:at]]
    elif name == "probe":
        given = without(given, "--size --probe --fraction --seeds" + ("" if own else " --data"))
        given += ["--size", "16"] if own else ["--data", "digits", "--size", "8"]
    given = [word.replace("data=cifar100", "data=digits") for word in given]
    given = [word.replace("4,7,8", "4,8") for word in given]  # table 7 probes on data of three channels
    has_store = "store" in inspect.signature(app[name].default_command).parameters
    return [*given, "--store", str(store)] if has_store else given


def pages() -> list[object]:
    """Every page with commands to run; but the quick ones they are slow."""
    found = [page for page in documents() if any(runs(command) for command in page.commands)]
    marks = {page.name: [] if page.name in QUICK else [pytest.mark.slow] for page in found}
    return [pytest.param(page, id=page.name, marks=marks[page.name]) for page in found]


def runs(command: Command) -> bool:
    """Whether the command is complete and can be run here."""
    complete = not command.inline or len(command.words) > 1 or command.words == ["answers"]
    return complete and not any(re.search(pattern, f"{command.text} ") for pattern in NOT_RUN)


@pytest.mark.parametrize("page", pages())
def test_every_command_of_a_page_runs(
    page: Document,
    kept: tuple[Path, str, str],
    there: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    few_digits: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, store = tmp_path / "folder", tmp_path / "store"
    shutil.copytree(there, folder)
    shutil.copytree(kept[0], store)
    monkeypatch.chdir(folder)
    failed = []
    for command in page.commands:
        if not runs(command) or (command.words[0] in ("export", "predict") and not importlib.util.find_spec("onnxruntime")):
            continue
        shorter = Command(page.name, command.line, OPTIONAL.sub("", command.text), command.inline)
        given = toy(words(shorter), store, *kept[1:])
        for file in (*folder.glob("resnet*bit.*"), *folder.glob("report.html")):  # as commands that name none call them
            file.unlink()
        if main(given):
            failed.append(f"{command.place}: didact {' '.join(given)}: {capsys.readouterr().err[-600:]}")
    assert failed == []


def test_every_exception_is_needed() -> None:
    commands = [f"{command.text} " for page in documents() for command in page.commands]
    assert [pattern for pattern in NOT_RUN if not any(re.search(pattern, text) for text in commands)] == []


def test_most_commands_are_run() -> None:
    commands = [command for page in documents() for command in page.commands if not command.inline]
    assert sum(map(runs, commands)) > len(commands) / 2


def test_options_are_left_out_with_their_values() -> None:
    given = ["train", "--epochs", "9", "--net", "a", "--plan", "--seeds", "2"]
    assert without(given, "--epochs --plan --seeds") == ["train", "--net", "a"]
