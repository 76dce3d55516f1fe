"""Arguments of another kind, from Python: taken where the meaning is plain, otherwise refused with what is expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch
from torch import nn

from didact import Block, BlockNet, Data, Execution, Run, SpecError, Store, create, execute, join, load, plan
from didact.methods.ce import CE
from support.tiny import make

NET, IMAGES = create("resnet8", 10), torch.zeros(2, 3, 8, 8)
RUNS = "runs: a Run, or several, as didact.plan({...}) gives them, found "
A_RUN = "run: a Run; didact.store.choice.chosen(store, DIGEST)[0] finds one by its digest, found "


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("kind", [str, Path, Store])
@pytest.mark.parametrize(
    "given", [lambda run: run, lambda run: (run,), lambda run: iter([run])], ids=["one", "several", "iter"]
)
def test_what_is_meant_is_done(kind: Callable[[Path], Any], given: Callable[[Run], Any], store: Store) -> None:
    run = make()
    outcome = execute(given(run), kind(store.root))
    assert {*outcome.records} == {run.digest} and store.get(run) is not None


def test_a_data_set_by_its_name() -> None:
    named, described = load("digits"), load({"name": "digits", "per_class": 2})
    assert named.data == load(Data(name="digits")).data and len(described.train) == 20


def test_a_device_and_a_path() -> None:
    assert Execution(device=torch.device("cpu")) == Execution()
    with pytest.raises(SpecError, match=r"no_such\.pth does not exist"):
        plan({"net": "resnet8", "teacher": {"net": "resnet8", "weights": Path("no_such.pth")}})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda root: execute({"net": "resnet8"}, root), f"{RUNS}{{'net': 'resnet8'}}"),
        (lambda root: execute("resnet8", root), f"{RUNS}'resnet8'"),
        (lambda root: execute([make(), "resnet8"], root), f"{RUNS}'resnet8'"),
        (lambda root: execute(Store(root), [make()]), f"{RUNS}<didact.store.store.Store"),
        (lambda root: execute([make()], 3), "store: a Store, or the name of its folder, found 3"),
        (
            lambda root: execute([make()], root, "cpu"),
            "execution: an Execution, such as Execution(device='cpu'), found 'cpu'",
        ),
        (lambda root: execute([make()], root, Execution(), "bar"), "show: a function of an event, or None, found 'bar'"),
        (lambda root: Execution(device="gpu"), "device: cpu, cuda, cuda:1 ..., found 'gpu'"),
        (lambda root: Execution(device=0), "device: a text, such as cpu or cuda:1, found 0"),
        (lambda root: Execution(cohort_size="3"), "cohort-size: a whole number, found '3'"),
        (lambda root: Execution(decoders=0.5), "decoders: a whole number, found 0.5"),
        (lambda root: Execution(executor=3), "executor: an Executor, such as Workers(count=2), or its name, found 3"),
        (lambda root: Execution(keep=True), "keep: Keep(...) or None, found true"),
        (lambda root: Store(None), "store: the name of a folder, found null"),
        (lambda root: Store(Store(root)), "store: the name of a folder, found <didact.store.store.Store"),
        (lambda root: Store(root).get("1f0c"), f"{A_RUN}'1f0c'"),
        (lambda root: Store(root).deployed("1f0c"), f"{A_RUN}'1f0c'"),
        (lambda root: Store(root).opened([make()]), f"{A_RUN}[Run("),
        (lambda root: Store(root).failure(NET), f"{A_RUN}a value of the type BlockNet"),
        (lambda root: create(NET, 10), "net: the name of a network, such as resnet8, found a value of the type BlockNet"),
        (lambda root: create("resnet8", "10"), "num_classes: a whole number, found '10'"),
        (lambda root: create("resnet8", 10, 3.0), "in_channels: a whole number, found 3.0"),
        (lambda root: join("resnet8", NET), "part 1 of 2: a BlockNet or a Block, found 'resnet8'"),
        (lambda root: NET.slice("1"), "slice: a whole number, found '1'"),
        (lambda root: NET.shapes(32), "image: whole numbers (channels, height, width), such as (3, 32, 32), found 32"),
        (
            lambda root: NET.shapes((32, 32)),
            "image: whole numbers (channels, height, width), such as (3, 32, 32), found (32, 32)",
        ),
        (lambda root: NET.outputs(IMAGES, "logits"), 'parts: a set of names, such as {"logits", "features"}, found'),
        (lambda root: NET.outputs(IMAGES, {"logit"}), "parts: a network has no output 'logit'; did you mean 'logits'?"),
        (lambda root: Block("conv"), "body: a module, found 'conv'"),
        (lambda root: Block(nn.Identity(), nn.ReLU), "act: a module, such as nn.ReLU(), or None, found <class"),
        (lambda root: BlockNet("stem", [], None), "stem: a module or None, found 'stem'"),
        (
            lambda root: BlockNet(None, [Block(nn.ReLU())], None),
            'blocks: pairs such as ("1", Block(body, act)), found a value',
        ),
        (lambda root: load(None), "data: a data set, such as Data(name='digits'), or its name, found null"),
        (lambda root: load("digit"), "data.name: unknown data set 'digit'; did you mean 'digits'?"),
        (lambda root: Run(net=NET), "net: expected a text (found a value of the type BlockNet)"),
        (lambda root: Run(net="resnet8", method=CE), "method: expected the name of a method or its fields (found <class"),
    ],
)
def test_what_is_not_is_refused_with_what_is_expected(
    call: Callable[[Path], Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # which would refuse it first, in tests alone
    with pytest.raises(SpecError) as error:
        call(tmp_path)
    assert said in str(error.value) and "\n" not in str(error.value)
