"""A user's own network or method works, or is refused before training with its name, what it raised and the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from didact.nets.blocks import macs
from didact.request.plan import plan
from didact.runs.dry_run import check
from didact.spec import SpecError
from support import owned

CODE = """
import sys
import torch
import torch.nn.functional as F
from didact import Method
from didact.method import Stage
from didact.spec import spec


def cross_entropy(context, **more):
    return F.cross_entropy(context.own.logits, context.batch.labels, **more)


@spec
class Rows(Method):
    def terms(self, extras, context):
        return {"ce": cross_entropy(context, reduction="none")}


@spec
class Nothing(Method):
    def terms(self, extras, context):
        return {}


@spec
class Bare(Method):
    def terms(self, extras, context):
        return cross_entropy(context)


@spec
class Number(Method):
    def terms(self, extras, context):
        return {"ce": cross_entropy(context), "extra": 0.0}


@spec
class Cut(Method):
    def terms(self, extras, context):
        return {"ce": cross_entropy(context).detach()}


@spec
class Raises(Method):
    def terms(self, extras, context):
        return {}["nothing"]  # line 47


@spec
class Deploys(Method):
    def terms(self, extras, context):
        return {"ce": cross_entropy(context)}

    def deployed(self, extras, net):
        return extras.student


@spec
class Later(Method):
    def stages(self):
        return (Stage("first", epochs=1), Stage("second"))

    def terms(self, extras, context):
        return {"ce": cross_entropy(context)} if context.clock.stage == "first" else {"ce": context.own.logits}


@spec
class Whole(Method):
    def terms(self, extras, context):
        return {"ce": (cross_entropy(context, reduction="none") * torch.ones(4)).mean()}


def raises(classes, channels):
    raise KeyError("no weights")  # line 75


def leaves(classes, channels):
    sys.exit(3)


class Figures(Method):
    moment = ""

    def terms(self, extras, context):
        return {"ce": cross_entropy(context)}

    def metrics(self, extras, context):
        return {"mine": torch.ones(4)} if context.moment == self.moment else {}


@spec
class Step(Figures):
    moment = "step"


@spec
class Test(Figures):
    moment = "test"


@spec
class Epoch(Figures):
    moment = "epoch"
"""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {
        "own_faults": CODE,
        "own_exit": "import sys; sys.exit(3)",
        "own_syntax": "def x(:",
        "own_raise": "raise RuntimeError('on purpose')",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)


def asked(net: str = "basic-8-1x8-1x16", method: str = "ce", **more: Any) -> None:
    data = {"name": "digits", "classes": 2, "per_class": 4}
    for run in plan({"net": net, "method": method, "epochs": 1, "precision": "fp32", "data": data, **more}):
        check(run)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("Rows", r"own_faults:Rows: its term 'ce' has the shape \(4,\); a term is a scalar, so take its mean"),
        ("Nothing", "own_faults:Nothing: its terms are an empty dict; terms are a dict of named scalars"),
        ("Bare", "own_faults:Bare: its terms are a value of type Tensor"),
        ("Number", "own_faults:Number: its term 'extra' is a float; a term is a scalar tensor"),
        ("Cut", r"own_faults:Cut: none of its terms \('ce'\) has a gradient"),
        ("Raises", r"own_faults:Raises fails in a first step on a few images: KeyError: 'nothing' \(own_faults.py:47\)"),
        ("Deploys", "own_faults:Deploys fails in a first step on a few images: AttributeError: .*'student'"),
        ("Later", r"own_faults:Later: its term 'ce' has the shape \(4, 2\); a term is a scalar"),
        ("Step", r"own_faults:Step: its metric 'mine' has the shape \(4,\); expected logits \(b, k\)"),
        ("Test", r"own_faults:Test: its metric 'mine' has the shape \(4,\); expected logits \(b, k\)"),
        ("Epoch", r"own_faults:Epoch: its metric 'mine' has the shape \(4,\); expected a scalar at the end of an epoch"),
        ("raises", "'own_faults:raises' is no Method, found a function"),
    ],
)
def test_a_method_that_breaks_its_contract_is_refused_before_training(method: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        asked(method=f"own_faults:{method}")


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ("own_faults:raises", r"own_faults:raises fails when it is called .*: KeyError: 'no weights' \(own_faults.py:75\)"),
        ("own_faults:leaves", r"own_faults:leaves fails when it is called .*: SystemExit: 3 \(own_faults.py:79\)"),
        ("own_faults:Rows", "'own_faults:Rows' is the class Rows, no network; a network is a function of"),
        ("own_exit:net", r"cannot import 'own_exit' for the network 'own_exit:net': SystemExit: 3 \(own_exit.py:1\)"),
        ("own_syntax:net", "cannot import 'own_syntax' for the network 'own_syntax:net': SyntaxError: invalid syntax"),
        ("own_raise:net", r"cannot import 'own_raise' .*: RuntimeError: on purpose \(own_raise.py:1\)"),
        ("own_faults:raise", "holds no function 'raise' for the network 'own_faults:raise'; did you mean 'raises'"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused_before_training(net: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        asked(net)


@pytest.mark.parametrize(
    ("net", "method", "more"),
    [
        ("support.owned:depths", "ce", {}),
        ("support.owned:scaled", "fitnet", {"teacher": {"net": "support.owned:scaled"}}),
        ("support.owned:depths", "at", {"teacher": {"net": "support.owned:always"}}),
        ("resnet8", "simkd", {"teacher": {"net": "support.owned:depths"}}),
        ("support.owned:dropped", "dml", {"peers": {"net": "support.owned:depths"}}),
        ("support.owned:dropped", "support.owned:Noisy", {"teacher": {"net": "resnet8"}}),
    ],
)
def test_own_networks_may_read_numbers_from_tensors(net: str, method: str, more: dict[str, Any]) -> None:
    asked(net, method, **more)


def test_blocks_that_answer_by_chance_are_told_of() -> None:
    (run,) = plan({"net": "support.owned:always", "method": "ce", "epochs": 1, "data": {"name": "digits"}})
    (line,) = check(run)
    assert line.startswith(
        "support.owned:always gives other logits for the same images each time, in eval mode, too (the first values that "
        "differ come from blocks.2.body.0, Always); random numbers belong to training mode"
    )


def test_blocks_whose_logits_are_not_finite_are_refused() -> None:
    with pytest.raises(
        SpecError, match=r"owned:unset gives NaN for images of noise \(.*come from blocks.2.body.1.0, Conv2d"
    ):
        asked("support.owned:unset")


@pytest.mark.parametrize(
    ("taught", "shown", "message"),
    [
        (
            {"name": "cifar10"},
            {"name": "digits"},
            r"cifar10, so it cannot be shown digits \(classes: .*; channels: 3 and 1;",
        ),
        (
            {"name": "cifar10"},
            {"name": "stl10"},
            r"cifar10, so it cannot be shown stl10 \(classes: 10 each, but not the same",
        ),
        ({"classes": 5}, {"classes": 2}, r"digits 5 classes, so it cannot be shown digits 2 classes \(classes: 5 and 2\)"),
    ],
)
def test_a_teacher_of_other_images_is_named_with_its_data(
    taught: dict[str, Any], shown: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match="resnet8.kd.s0: its teacher resnet14.ce.s0 is trained on " + message):
        asked("resnet8", "kd", teacher={"net": "resnet14", "data": taught}, data=shown)


def test_a_method_that_cannot_take_a_smaller_last_batch_is_refused_where_there_is_one() -> None:
    asked(method="own_faults:Whole", recipe={"batch_size": 4})
    with pytest.raises(SpecError, match=r"own_faults:Whole fails in a first step on a few images: RuntimeError: The size"):
        asked(method="own_faults:Whole", recipe={"batch_size": 6})


def test_shapes_and_costs_of_a_network_that_reads_numbers_from_tensors() -> None:
    net, plain = owned.scaled(3, 1), owned.network(3, 1, nn.Identity())
    before = torch.get_rng_state()
    assert net.shapes((1, 16, 16)) == plain.shapes((1, 16, 16)) and macs(net, (1, 16, 16)) == macs(plain, (1, 16, 16)) > 0
    assert (
        torch.equal(before, torch.get_rng_state())
        and net.training
        and int(dict(net.named_buffers())["blocks.2.body.0.calls"]) == 0
    )
