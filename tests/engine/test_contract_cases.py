"""The special cases that the contract carries: stages, views, peers, another deployed network, memory by index."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from didact import data
from didact.engine.evaluate import evaluate
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.records import read_tensors, write_tensors
from didact.engine.train import Cohort, Fixed, train
from didact.method import Method, Pair, Seen, Stage
from didact.nets import create
from didact.nets.blocks import BlockNet
from didact.seeds import seeded
from didact.spec import spec
from didact.tensors import Needs, Outputs, reads

DATA = data.Data(name="digits", per_class=4)


def make(method: Method, seed: int = 0, epochs: int = 2, label: str = "one") -> Learner:
    image = data.facts(DATA).image
    with seeded(seed, "net"):
        net = create("resnet8", 10, 1)
        extras = method.build(Pair(net, net.shapes(image), image, 10, torch.arange(40) % 10, 16))
    recipe = Recipe(epochs=epochs, batch_size=16, schedule="one-cycle")
    return Learner(label=label, net=net, method=method, extras=extras, recipe=recipe, seed=seed)


def run(*groups: tuple[Learner, ...], teacher: BlockNet | None = None) -> None:
    dataset = data.load(DATA)
    views = frozenset().union(*(one.needs.views for group in groups for one in group))
    loader = data.Loader(dataset, batch_size=16, data_seed=0, views=views)
    train(Cohort(groups, loader, Fixed(teacher) if teacher else None), dataset, [], test_every=99)


class Memory(nn.Module):
    """A linear layer, a memory addressed by the images' index, and a part that is never trained."""

    def __init__(self, width: int, samples: int) -> None:
        super().__init__()
        self.probe = nn.Linear(width, 10)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
        self.seen: Tensor
        self.register_buffer("seen", torch.zeros(samples))


@spec
class Staged(Method):
    """Two epochs of its probe alone at a constant rate, then everything."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("probe", epochs=2, moves=("extras.probe",), learning_rate=0.01), Stage())

    @property
    def needs(self) -> Needs:
        return reads("logits pooled")

    def build(self, pair: Pair) -> nn.Module:
        return Memory(pair.shapes.pooled[0], pair.samples)

    def terms(self, extras: nn.Module, seen: Seen) -> dict[str, Tensor]:
        assert isinstance(extras, Memory)
        assert seen.own.logits is not None
        assert seen.own.pooled is not None
        extras.seen[seen.batch.index] += 1
        noise = torch.rand((), generator=seen.random)  # the learner's own stream, kept with its state
        probed = functional.cross_entropy(extras.probe(seen.own.pooled), seen.batch.labels)
        if seen.clock.stage == "probe":
            return {"probe": probed * (1 + noise)}
        return {"ce": functional.cross_entropy(seen.own.logits, seen.batch.labels), "probe": probed * noise}


def test_a_stage_moves_only_what_it_names() -> None:
    learner = make(Staged())
    before = {k: v.clone() for k, v in learner.net.named_parameters()}
    probe = learner.extras.probe.weight.clone()  # type: ignore[union-attr]
    frozen = learner.extras.frozen.weight.clone()  # type: ignore[union-attr]
    rows = []

    class Ear:
        def epoch_begins(self, *_: object) -> None: ...
        def step_ends(self) -> None: ...
        def failed(self, learner: Learner) -> None: ...
        def learned(self, learner: Learner, row: dict[str, object]) -> None:
            rows.append(row)
            if row["epoch"] == 2:
                assert all(torch.equal(before[k], v) for k, v in learner.net.named_parameters())
                assert not torch.equal(probe, learner.extras.probe.weight)  # type: ignore[union-attr, arg-type]

    dataset = data.load(DATA)
    loader = data.Loader(dataset, batch_size=16, data_seed=0)
    train(Cohort(((learner,),), loader), dataset, [Ear()], test_every=99)
    assert [(r["epoch"], r["stage"]) for r in rows] == [(1, "probe"), (2, "probe"), (3, "train"), (4, "train")]
    assert rows[0]["rate"] == 0.01
    assert not all(torch.equal(before[k], v) for k, v in learner.net.named_parameters())
    assert torch.equal(frozen, learner.extras.frozen.weight)  # type: ignore[union-attr, arg-type]
    assert torch.equal(learner.extras.seen, torch.full((40,), 4.0))  # type: ignore[arg-type]


def test_resumed_in_the_middle_of_a_stage_it_ends_the_same(tmp_path: Path) -> None:
    """Through a file, at every epoch boundary of both stages: weights, memory, momentum and random stream come back."""
    whole = make(Staged(), epochs=3)
    run((whole,))
    for stop in range(1, 5):
        first = make(Staged(), epochs=3)

        class Stop(BaseException): ...

        class Ear:
            def epoch_begins(self, *_: object) -> None: ...
            def step_ends(self) -> None: ...
            def failed(self, learner: Learner) -> None: ...
            def learned(self, learner: Learner, row: dict[str, object], stop: int = stop, end: type = Stop) -> None:
                if row["epoch"] == stop:
                    write_tensors(tmp_path / "state", *learner.state())
                    raise end

        dataset = data.load(DATA)
        with contextlib.suppress(Stop):
            train(Cohort(((first,),), data.Loader(dataset, batch_size=16, data_seed=0)), dataset, [Ear()], test_every=99)
        second = make(Staged(), seed=0, epochs=3)
        second.restore(*read_tensors(tmp_path / "state"))
        run((second,))
        for part in ("net", "extras"):
            a, b = getattr(whole, part).state_dict(), getattr(second, part).state_dict()
            assert all(torch.equal(a[k], b[k]) for k in a), (stop, part)


@spec
class Rotated(Method):
    """Reads the rotated views of both networks."""

    @property
    def needs(self) -> Needs:
        return reads("logits pooled", teacher="logits", views="rotations")

    def terms(self, extras: nn.Module, seen: Seen) -> dict[str, Tensor]:
        view = seen.views["rotations"]
        assert view.own.logits is not None
        assert view.teacher is not None
        assert view.teacher.logits is not None
        assert seen.own.logits is not None
        assert len(view.own.logits) == len(view.teacher.logits) == 4 * len(seen.batch)
        assert not view.teacher.logits.requires_grad
        return {"ce": functional.cross_entropy(seen.own.logits, seen.batch.labels), "view": view.own.logits.pow(2).mean()}


def test_views_are_shown_to_both() -> None:
    learner = make(Rotated())
    run((learner,), teacher=create("resnet8", 10, 1).eval().requires_grad_(False))
    assert learner.done


@spec
class Mutual(Method):
    """Cross entropy and the distance to the peers' logits."""

    @property
    def needs(self) -> Needs:
        return reads("logits", peers="logits")

    def terms(self, extras: nn.Module, seen: Seen) -> dict[str, Tensor]:
        assert seen.own.logits is not None
        assert len(seen.peers) == 1
        peer = seen.peers[0].logits
        assert peer is not None
        assert not peer.requires_grad
        return {
            "ce": functional.cross_entropy(seen.own.logits, seen.batch.labels),
            "peer": (seen.own.logits - peer).pow(2).mean(),
        }


def test_peers_see_each_other_and_order_does_not_matter() -> None:
    """Both look before either moves, so the pair ends the same whichever is named first."""
    a, b = make(Mutual(), 0, label="a"), make(Mutual(), 1, label="b")
    run((a, b))
    c, d = make(Mutual(), 1, label="c"), make(Mutual(), 0, label="d")
    run((c, d))
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

    def terms(self, extras: nn.Module, seen: Seen) -> dict[str, Tensor]:
        assert seen.own.logits is not None
        return {"ce": functional.cross_entropy(seen.own.logits, seen.batch.labels)}

    def deployed(self, extras: nn.Module, net: BlockNet) -> nn.Module:
        return Doubled(net)

    def shows(self, extras: nn.Module, own: Outputs) -> dict[str, Tensor]:
        assert own.logits is not None
        return {"itself": own.logits}


def test_the_deployed_network_is_the_one_that_is_tested() -> None:
    learner = make(Other(), epochs=2)
    run((learner,))
    dataset = data.load(DATA)
    row = evaluate([learner], data.evaluation_batches(dataset, dataset.test), "test")[0]
    batch = next(data.evaluation_batches(dataset, dataset.test, len(dataset.test)))
    with torch.no_grad():
        logits = learner.net(batch.images)
    for name, z in (("test_top1", -logits), ("test_itself_top1", logits)):
        assert row[name] == pytest.approx(100 * float((z.argmax(1) == batch.labels).double().mean()))
    assert not learner.net.training


@spec
class Apart(Method):
    """A quarter of the recipe's epochs, with a falling rate, in which only the teacher is looked at; then the labels."""

    def stages(self) -> tuple[Stage, ...]:
        alone = reads("", teacher="pooled")
        first = Stage("probe", share=0.25, moves=("extras.",), learning_rate=0.04, drops=(0.5,), needs=alone)
        return (first, Stage(moves=("net.",)))

    @property
    def needs(self) -> Needs:
        return reads("logits")

    def build(self, pair: Pair) -> nn.Module:
        return Memory(pair.shapes.pooled[0], pair.samples)

    def terms(self, extras: nn.Module, seen: Seen) -> dict[str, Tensor]:
        assert isinstance(extras, Memory)
        if seen.clock.stage == "probe":
            assert seen.own == Outputs()
            assert seen.teacher is not None
            assert seen.teacher.pooled is not None
            return {"probe": functional.cross_entropy(extras.probe(seen.teacher.pooled), seen.batch.labels)}
        assert seen.teacher is None
        assert seen.own.logits is not None
        return {"ce": functional.cross_entropy(seen.own.logits, seen.batch.labels)}


def test_a_network_that_a_stage_does_not_read_is_not_run() -> None:
    learner = make(Apart(), epochs=8)
    before = {k: v.clone() for k, v in learner.net.state_dict().items()}
    rows: list[dict[str, object]] = []

    class Ear:
        def epoch_begins(self, *_: object) -> None: ...
        def step_ends(self) -> None: ...
        def failed(self, learner: Learner) -> None: ...
        def learned(self, learner: Learner, row: dict[str, object]) -> None:
            rows.append(row)
            if row["stage"] == "probe":
                assert all(torch.equal(before[k], v) for k, v in learner.net.state_dict().items())  # statistics included

    dataset = data.load(DATA)
    teacher = create("resnet8", 10, 1).eval().requires_grad_(False)
    train(Cohort(((learner,),), data.Loader(dataset, batch_size=16, data_seed=0), Fixed(teacher)), dataset, [Ear()])
    assert [row["stage"] for row in rows] == ["probe"] * 2 + ["train"] * 8
    assert [row["rate"] for row in rows[:2]] == pytest.approx([0.04, 0.004])
    assert ["train_top1" in row for row in rows] == [False] * 2 + [True] * 8
    assert not all(torch.equal(before[k], v) for k, v in learner.net.named_parameters())


@pytest.mark.parametrize(
    ("stage", "length", "rates"),
    [
        (Stage(), 12, [None, None]),
        (Stage(epochs=3), 3, [None, None]),
        (Stage(share=0.125), 2, [None, None]),
        (Stage(share=0.01, drops=()), 1, [0.1, 0.1]),
        (Stage(epochs=4, learning_rate=0.5, drops=(0.5, 0.75)), 4, [0.5, 0.5, 0.05, 0.005]),
    ],
)
def test_a_stages_length_and_rate(stage: Stage, length: int, rates: list[float | None]) -> None:
    assert stage.length(12) == length
    assert [stage.rate(epoch, length, 0.1) for epoch in range(len(rates))] == [r and pytest.approx(r) for r in rates]


@spec
class Sideways(Method):
    """Shows its network the rotations only, and says which rows are to be scored."""

    @property
    def needs(self) -> Needs:
        return reads("logits", views="rotations", main=False)

    def terms(self, extras: nn.Module, seen: Seen) -> dict[str, Tensor]:
        assert seen.own == Outputs()
        logits = seen.views["rotations"].own.logits
        assert logits is not None
        return {"ce": functional.cross_entropy(logits[::4], seen.batch.labels)}

    def scored(self, extras: nn.Module, seen: Seen) -> Tensor | None:
        logits = seen.views["rotations"].own.logits
        return None if logits is None else logits[::4]


def test_a_method_may_read_a_view_instead_of_the_batch() -> None:
    learner, rows = make(Sideways(), epochs=3), []

    class Ear:
        def epoch_begins(self, *_: object) -> None: ...
        def step_ends(self) -> None: ...
        def failed(self, learner: Learner) -> None: ...
        def learned(self, learner: Learner, row: dict[str, object]) -> None:
            rows.append(row)

    dataset = data.load(DATA)
    loader = data.Loader(dataset, batch_size=16, data_seed=0, views=learner.views)
    train(Cohort(((learner,),), loader), dataset, [Ear()], test_every=99)
    assert rows[-1]["train_top1"] > rows[0]["train_top1"]
