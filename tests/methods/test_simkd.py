"""SimKD: the loss against NumPy, a step, the study's variants. (Projector and deployment: ``test_simkd_projector.py``.)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from didact.method import Clock, Method, MetricsContext, Pair, StepContext
from didact.methods import simkd
from didact.seeds import seeded, stream
from didact.spec import choose
from didact.tensors import Batch, Outputs

random = np.random.default_rng(8)


@pytest.fixture
def reference(pooled: Callable) -> Callable[..., float]:
    def loss(fs: np.ndarray, ft: np.ndarray, counted: Any = None, kind: str = "l2") -> float:
        size = min(fs.shape[2], ft.shape[2])
        fs, ft = pooled(fs, size), pooled(ft, size)
        each = []
        for s, t in zip(fs, ft, strict=True):
            if kind == "l2":
                each.append(((s - t) ** 2).mean())
                continue
            p, q = (np.exp(x) / np.exp(x).sum(0) for x in (t, s))
            each.append((p * np.log(p / q)).sum(0).mean())
        kept = [x for x, c in zip(each, [True] * len(fs) if counted is None else counted, strict=True) if c]
        return float(np.mean(kept)) if kept else 0.0

    return loss


def told(own: Any, teacher: Any, logits: Tensor | None = None, labels: Any = None) -> StepContext:
    """What a method sees of these features."""
    size = len(own[0])
    given = torch.zeros(size, dtype=torch.long) if labels is None else torch.tensor(labels)
    return StepContext(
        Batch(torch.zeros(size, 3, 8, 8), given, torch.arange(size)),
        Outputs(logits=torch.zeros(size, 5), features=tuple(own)),
        Outputs(logits=logits, features=tuple(teacher)),
        Clock(0, 1, 0, 1, 0),
        stream(0),
    )


def reused(method: simkd.SimKD, two: Pair) -> simkd.Reused:
    with seeded(0, "extras"):
        extras = method.build(two)
    assert isinstance(extras, simkd.Reused)
    return extras


# ------------------------------------------------------------------------------------------------ the loss


def test_the_loss_by_hand() -> None:
    fs, ft = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.tensor([[[[1.0, 0.0], [3.0, 0.0]]]])
    assert simkd.loss(fs, ft).item() == 5
    assert simkd.loss(fs, torch.tensor([[[[2.0]]]])).item() == 0.25
    three = torch.tensor([1.0, 2.0, 5.0])[:, None, None, None]
    assert simkd.loss(three, torch.zeros_like(three), torch.tensor([True, True, False])).item() == 2.5
    # 3/4 and 1/4 of the teacher against 1/2 and 1/2, whatever is added to both channels
    ft = torch.tensor([3.0, 1.0]).log()[None, :, None, None].expand(1, 2, 2, 2)
    expected = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert simkd.loss(torch.full((1, 2, 2, 2), 7.0), ft, kind="kl").item() == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["l2", "kl"])
@pytest.mark.parametrize(("student", "teacher"), [(4, 4), (3, 5), (5, 3), (1, 2)])
@pytest.mark.parametrize("counted", [None, (True, False, True), (False, False, False)])
def test_the_loss_and_its_gradient(
    reference: Callable, slope: Callable, kind: Any, student: int, teacher: int, counted: Any
) -> None:
    fs, ft = (random.normal(size=(3, 4, n, n)) for n in (student, teacher))
    own = torch.tensor(fs, requires_grad=True)
    value = simkd.loss(own, torch.tensor(ft), None if counted is None else torch.tensor(counted), kind=kind)
    value.backward()
    assert value.item() == pytest.approx(reference(fs, ft, counted, kind), rel=1e-10)
    assert own.grad is not None
    np.testing.assert_allclose(own.grad, slope(lambda x: reference(x, ft, counted, kind), fs), atol=1e-8)


@pytest.mark.parametrize("kind", ["l2", "kl"])
def test_empty_maps_large_values_and_half_precision(kind: Any) -> None:
    own = torch.zeros(2, 3, 4, 4, requires_grad=True)
    value = simkd.loss(own, torch.zeros(2, 3, 4, 4), kind=kind)
    value.backward()
    assert value.item() == 0 and own.grad is not None and own.grad.abs().max() < 1e-8
    fs, ft = (torch.randn(2, 30, 4, 4, dtype=torch.bfloat16).mul(60).requires_grad_() for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        found = simkd.loss(fs, ft.detach(), kind=kind)
    found.backward()
    assert found.dtype == torch.float32 and found.isfinite()
    assert fs.grad is not None and fs.grad.isfinite().all()


def test_channels_must_agree() -> None:
    with pytest.raises(ValueError, match="2 channels are to meet 4: put a projector between them"):
        simkd.loss(torch.ones(1, 2, 4, 4), torch.ones(1, 4, 4, 4))


# ------------------------------------------------------------------------------------------------ a step


@pytest.mark.parametrize(("teacher", "net"), [("resnet20", "resnet8"), ("vgg13", "resnet8"), ("wrn_16_2", "mobilenet_v2")])
@pytest.mark.parametrize("kind", ["l2", "kl"])
def test_the_term(pair: Callable[..., Pair], reference: Callable, teacher: str, net: str, kind: Any) -> None:
    two = pair(teacher, net)
    assert two.teacher_shapes is not None
    method = simkd.SimKD(beta=3.0, kind=kind)
    extras = reused(method, two).double()
    own, taught = (
        [torch.randn(2, *s, dtype=torch.float64) for s in shapes.features] for shapes in (two.shapes, two.teacher_shapes)
    )
    found = method.terms(extras, told(own, taught))
    projected = extras.projectors[0](own[-1]).detach().numpy()
    assert found == {"feature": found["feature"]}
    assert found["feature"].item() == pytest.approx(3 * reference(projected, taught[-1].numpy(), kind=kind), rel=1e-9)


@pytest.mark.parametrize(
    ("blocks", "two"), [(1, [0]), (2, [0, 1]), (3, [1, 2]), (4, [2, 3]), (5, [2, 4]), (6, [3, 5]), (9, [5, 8])]
)
def test_where_the_projectors_are(blocks: int, two: list[int]) -> None:
    assert simkd.SimKD().projected(blocks) == [blocks - 1]
    assert simkd.SimKD(projectors="two").projected(blocks) == two
    assert simkd.SimKD(projectors="all").projected(blocks) == list(range(blocks))


@pytest.mark.parametrize(
    ("teacher", "net", "preset", "pairs"),
    [
        ("resnet20", "resnet8", "two", ((1, 1), (2, 2))),
        ("resnet20", "resnet8", "all", ((0, 0), (1, 1), (2, 2))),
        ("resnet8x4", "mobilenet_v2_x2", "two", ((2, 2), (3, 2))),
        ("resnet8x4", "mobilenet_v2_x2", "all", ((0, 1), (1, 2), (2, 2), (3, 2))),
        ("mobilenet_v2", "resnet8", "all", ((0, 0), (1, 0), (2, 3))),  # the last one always meets the last
    ],
)
def test_more_projectors(
    pair: Callable[..., Pair], reference: Callable, teacher: str, net: str, preset: str, pairs: tuple[tuple[int, int], ...]
) -> None:
    two = pair(teacher, net, size=32)
    assert two.teacher_shapes is not None
    method = choose(Method, f"simkd+{preset}")
    assert isinstance(method, simkd.SimKD)
    extras = reused(method, two).double()
    assert extras.pairs == pairs and len(extras.projectors) == len(pairs)
    convolutions = [m for m in extras.projectors.modules() if isinstance(m, nn.Conv2d)]
    assert all((conv.bias is not None) == (preset == "two") for conv in convolutions)
    own, taught = (
        [torch.randn(2, *s, dtype=torch.float64) for s in shapes.features] for shapes in (two.shapes, two.teacher_shapes)
    )
    found = method.terms(extras, told(own, taught))["feature"].item()
    expected = [
        reference(projector(own[s]).detach().numpy(), taught[t].numpy())
        for projector, (s, t) in zip(extras.projectors, pairs, strict=True)
    ]
    assert found == pytest.approx(sum(expected), rel=1e-9)
    deployed = method.deployed(extras, two.net)
    assert list(deployed)[-1] is extras.projectors[-1] and len(deployed) == len(two.net) + 1


def test_gated_samples(pair: Callable[..., Pair], reference: Callable) -> None:
    two = pair("resnet20", "resnet8")
    assert two.teacher_shapes is not None
    method = choose(Method, "simkd+gated")
    assert isinstance(method, simkd.SimKD) and method.needs.teacher == {"logits", "features"}
    extras = reused(method, two).double()
    own, taught = (
        [torch.randn(3, *s, dtype=torch.float64) for s in shapes.features] for shapes in (two.shapes, two.teacher_shapes)
    )
    logits = torch.eye(5)[[1, 2, 3]] * 60
    projected = extras.projectors[0](own[-1]).detach().numpy()
    for labels, counted in [([1, 0, 3], (True, False, True)), ([1, 2, 3], None), ([0, 0, 0], (False,) * 3)]:
        found = method.terms(extras, told(own, taught, logits, labels))["feature"]
        assert found.item() == pytest.approx(reference(projected, taught[-1].numpy(), counted), rel=1e-9)
        found.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in extras.projectors.parameters())


@pytest.mark.parametrize("preset", ["two", "all", "gated", "kl"])
def test_every_variant_trains_what_it_moves(pair: Callable[..., Pair], preset: str) -> None:
    two = pair("wrn_16_2", "mobilenet_v2", size=32)
    assert two.teacher is not None
    method = choose(Method, f"simkd+{preset}")
    extras = method.build(two)
    images, labels = torch.randn(4, 3, 32, 32), torch.arange(4)
    with torch.no_grad():
        taught = two.teacher.outputs(images, method.needs.teacher)
    batch = Batch(images, labels, labels)
    if taught.logits is not None:
        batch = Batch(images, taught.logits.argmax(1), labels)
    own = two.net.outputs(images, method.needs.own)
    method.terms(extras, StepContext(batch, own, taught, Clock(0, 1, 0, 1, 0), stream(0)))["feature"].backward()
    (stage,) = method.stages()
    named = {f"net.{k}": p for k, p in two.net.named_parameters()} | {f"extras.{k}": p for k, p in extras.named_parameters()}
    for key, p in named.items():
        moves = key.startswith(stage.moves)
        assert moves == (not key.startswith(("net.head.", "extras.head.")))
        assert (p.grad is not None) == moves, key


def test_the_students_own_logits_are_not_scored(pair: Callable[..., Pair]) -> None:
    two = pair("resnet20", "resnet8")
    extras = reused(simkd.SimKD(), two)
    own = Outputs(logits=torch.zeros(1, 5))
    assert simkd.SimKD().metrics(extras, MetricsContext("step", own)) == {}


def test_the_defaults_are_the_authors(pair: Callable[..., Pair]) -> None:
    method = simkd.SimKD()
    assert (method.beta, method.reduction, method.kind, method.projectors) == (1, 2, "l2", "last")
    assert not method.bias and not method.gated
    assert method.needs.own == {"features"} and method.needs.teacher == {"features"}
    with torch.device("meta"):
        method.build(pair("resnet20", "resnet8"))
    with pytest.raises(ValueError, match=r"reduction: expected 2, 4 or 8 \(found 3\)"):
        simkd.SimKD(reduction=3)  # type: ignore[arg-type]
