"""A whole epoch on a device that holds no values: nothing is read from it, and nothing of the host is mixed with it.

The meta device stands in for a GPU. It has shapes alone, so ``.item()``, a mask as an index, a copy to the host and an operation
on tensors of both devices are errors there. What waits although its sizes are known (decompositions) is found by the tape of
tests/engine/test_captured.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from didact.data import Data, Dataset, Loader, MixedLoader, PartlyLabelled, load
from didact.data.mixing import Mixing
from didact.engine import learner as learners
from didact.engine import step as steps
from didact.engine import teach
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.tally import Tally
from didact.engine.whole import Steps
from didact.method import Method, StepContext
from didact.methods.ce import CE
from didact.nets.folded import folded
from didact.seeds import stream
from didact.spec import spec
from support.tape import NoWaits
from support.training import learner, taught
from support.walk import ALONE, made

DIGITS = load(Data(name="digits", per_class=2, classes=3))
RECIPE = Recipe(epochs=1, batch_size=4, clip=1.0, ema=0.9)
NET = "basic-8-1x8-1x12-1x16"


@pytest.fixture(autouse=True)
def meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """That device has neither generators nor autocast."""
    monkeypatch.setattr(learners, "stream", lambda seed, *names, device: stream(seed, *names))
    for module in (teach, steps):
        monkeypatch.setattr(module, "autocast", lambda device, precision: nullcontext())


def there(dataset: Dataset) -> Dataset:
    """The training images on the device without values."""
    return replace(dataset, train=dataset.train.to("meta"))


def epoch(
    groups: Sequence[Sequence[Method]], dataset: Dataset = DIGITS, loader: Any = None, recipe: Recipe = RECIPE
) -> None:
    """An epoch of every stage of some groups of learners, with all views that they read."""
    teacher = taught("resnet8", dataset.image, dataset.classes)
    made_groups: list[list[Learner]] = [
        [
            learner(m, NET, dataset, recipe, teacher=teacher, label=f"{g}.{n}", device="meta", foreign=False)
            for n, m in enumerate(group)
        ]
        for g, group in enumerate(groups)
    ]
    every = [one for group in made_groups for one in group]
    if loader is None:
        own = {one.label: 7 for one in every if one.own_images}
        views = frozenset[str]().union(*(one.views for one in every))
        loader = Loader(there(dataset), batch_size=recipe.batch_size, data_seed=0, views=views, renderings=own)
    shown = folded(teacher[0]).to("meta")
    while not any(one.done for one in every):
        tallies = {one.label: Tally(one.device) for one in every}
        take = Steps(made_groups, len(loader), tallies, shown)
        for one in every:
            one.train_mode()
        for step, batch in enumerate(loader.epoch(0)):
            assert {x.device.type for x in (batch.images, batch.labels, batch.index, *batch.views.values())} == {"meta"}
            take(batch, step)
        for one in every:
            assert {x.device.type for x in (*one.net.state_dict().values(), *one.extras.state_dict().values())} == {"meta"}
            one.end_epoch()


@pytest.mark.parametrize("name", [name for name in ALONE if name != "gtn"])
def test_a_step_reads_nothing_from_the_device(name: str) -> None:
    epoch([[made(name)]])


def test_gtn_draws_on_the_host_and_reads_nothing() -> None:
    epoch([[made("gtn", sampling="sandwich", paths=2)]])


@pytest.mark.parametrize("target", ["naive", "linear", "minlogit", "general", "mean"])
def test_peers_read_nothing(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method = made("kdcl", target=target)
    if target == "general":  # as its weights are after any epoch
        from didact.peers.kdcl import Mixture

        monkeypatch.setattr(type(method), "build", lambda self, pair: Mixture(2))
    epoch([[method, method]])


def test_peers_that_take_turns_read_nothing() -> None:
    epoch([[made("dml"), made("dml")]])


@spec
class Peeking(CE):
    """Reads a loss on the host."""

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        terms = super().terms(extras, context)
        return terms if terms["ce"] > 0 else {}


@spec
class Mixed(CE):
    """Weighs images by a tensor of the host."""

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        return {"ce": super().terms(extras, context)["ce"] * torch.ones(1)}


@pytest.mark.parametrize(("method", "message"), [(Peeking(), "meta tensors"), (Mixed(), "device")])
def test_what_reads_or_mixes_is_found(method: Method, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        epoch([[method]])


# ------------------------------------------------------------------------------------------------ batches


SHOWN: dict[str, dict[str, Any]] = {
    "plain": {"augment": "none"},
    "crop": {"augment": "crop-flip"},
    "resized": {"augment": "resized-crop-flip"},
    "erased": {"augment": "crop-flip", "erase": 0.5},
}


def shown(settings: dict[str, Any]) -> Dataset:
    return load(Data(name="digits", per_class=2, classes=3, **settings))


@pytest.mark.parametrize("name", SHOWN)
def test_images_are_changed_where_they_are(name: str) -> None:
    batches = list(Loader(there(shown(SHOWN[name])), batch_size=4, data_seed=0).epoch(0))
    assert [tuple(b.images.shape) for b in batches] == [(4, 1, 16, 16), (2, 1, 16, 16)]
    assert {b.images.device.type for b in batches} == {"meta"}


def test_mixed_images_are_mixed_there() -> None:
    for mixing in (Mixing(mixup=0.5, smoothing=0.1), Mixing(cutmix=1.0)):
        loader = MixedLoader(Loader(there(DIGITS), batch_size=4, data_seed=0), mixing, 3)
        epoch([[made("kd")]], loader=loader)


def test_images_without_labels_are_joined_there() -> None:
    split = DIGITS.train.to("meta")
    data = replace(DIGITS, train=split, unlabelled=split)
    epoch([[made("kd")]], loader=PartlyLabelled(data, batch_size=4, data_seed=0))


@pytest.mark.parametrize("name", ["plain", "crop", "erased"])
def test_nothing_waits_while_batches_are_made(name: str) -> None:
    """On the values of a processor: no operation whose size follows from values."""
    loader = Loader(shown(SHOWN[name]), batch_size=4, data_seed=0)
    with NoWaits():
        assert len(list(loader.epoch(0))) == 2
