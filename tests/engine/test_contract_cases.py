"""The special cases that the contract carries: views, peers, another deployed network. (Stages: ``test_stages.py``.)"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from didact.data import Data, evaluation_batches, load
from didact.engine.evaluate import evaluate
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.method import Method, MetricsContext, StepContext
from didact.nets.blocks import BlockNet
from didact.spec import spec
from didact.tensors import Needs, Outputs, reads
from support.training import Ear, learner, run, taught

DATASET = load(Data(per_class=4))


def make(method: Method, seed: int = 0, label: str = "one", epochs: int = 2) -> Learner:
    recipe = Recipe(epochs=epochs, batch_size=16, schedule="one-cycle")
    return learner(method, "resnet8", DATASET, recipe, seed=seed, label=label)


@spec
class Rotated(Method):
    """Reads the rotated views of both networks."""

    @property
    def needs(self) -> Needs:
        return reads("logits pooled", teacher="logits", views="rotations")

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        view = context.views["rotations"]
        assert view.own.logits is not None
        assert view.teacher is not None
        assert view.teacher.logits is not None
        assert context.own.logits is not None
        assert len(view.own.logits) == len(view.teacher.logits) == 4 * len(context.batch)
        assert not view.teacher.logits.requires_grad
        return {
            "ce": functional.cross_entropy(context.own.logits, context.batch.labels),
            "view": view.own.logits.pow(2).mean(),
        }


def test_views_are_shown_to_both() -> None:
    teacher = taught("resnet8", DATASET.image)
    one = learner(Rotated(), "resnet8", DATASET, Recipe(epochs=2, batch_size=16), teacher=teacher)
    run((one,), dataset=DATASET, teacher=teacher[0])
    assert one.done


@spec
class Mutual(Method):
    """Cross entropy and the distance to the peers' logits."""

    @property
    def needs(self) -> Needs:
        return reads("logits", peers="logits")

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None
        assert len(context.peers) == 1
        peer = context.peers[0].logits
        assert peer is not None
        assert not peer.requires_grad
        return {
            "ce": functional.cross_entropy(context.own.logits, context.batch.labels),
            "peer": (context.own.logits - peer).pow(2).mean(),
        }


def test_peers_see_each_other_and_order_does_not_matter() -> None:
    """Both look before either moves, so the pair ends the same whichever is named first."""
    a, b = make(Mutual(), 0, "a"), make(Mutual(), 1, "b")
    run((a, b), dataset=DATASET)
    c, d = make(Mutual(), 1, "c"), make(Mutual(), 0, "d")
    run((c, d), dataset=DATASET)
    for x, y in ((a, d), (b, c)):
        assert all(torch.equal(p, q) for p, q in zip(x.net.parameters(), y.net.parameters(), strict=True))


class Doubled(nn.Module):
    def __init__(self, net: BlockNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return -self.net(images)


@spec
class Other(Method):
    """Hands on another network than the one that learns, and shows a further classifier."""

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None
        return {"ce": functional.cross_entropy(context.own.logits, context.batch.labels)}

    def deployed(self, extras: nn.Module, net: BlockNet) -> nn.Module:
        return Doubled(net)

    def metrics(self, extras: nn.Module, context: MetricsContext) -> dict[str, Tensor]:
        if context.moment != "test":
            return super().metrics(extras, context)
        assert context.own.logits is not None
        return {"itself": context.own.logits}


def test_the_deployed_network_is_the_one_that_is_tested() -> None:
    one = make(Other())
    run((one,), dataset=DATASET)
    row = evaluate([one], evaluation_batches(DATASET, DATASET.test), "test")[0]
    batch = next(evaluation_batches(DATASET, DATASET.test, len(DATASET.test)))
    with torch.no_grad():
        logits = one.net(batch.images)
    for name, z in (("test_top1", -logits), ("test_itself_top1", logits)):
        assert row[name] == pytest.approx(100 * float((z.argmax(1) == batch.labels).double().mean()))
    assert not one.net.training


@spec
class Sideways(Method):
    """Shows its network the rotations only, and says which rows are to be scored."""

    @property
    def needs(self) -> Needs:
        return reads("logits", views="rotations", main=False)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own == Outputs()
        logits = context.views["rotations"].own.logits
        assert logits is not None
        return {"ce": functional.cross_entropy(logits[::4], context.batch.labels)}

    def metrics(self, extras: nn.Module, context: MetricsContext) -> dict[str, Tensor]:
        logits = context.views["rotations"].own.logits if context.moment == "step" else None
        return {} if logits is None else {"": logits[::4]}


def test_a_method_may_read_a_view_instead_of_the_batch() -> None:
    one, rows = make(Sideways(), epochs=3), []

    run((one,), dataset=DATASET, ear=Ear(lambda _, row: rows.append(row)))
    assert rows[-1]["train_top1"] > rows[0]["train_top1"]
