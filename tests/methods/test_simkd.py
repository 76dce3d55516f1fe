"""SimKD: the loss against NumPy, the projector against the published counts, what is deployed, the study's variants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from didact import nets
from didact.method import Clock, Method, Pair, Seen
from didact.methods import simkd
from didact.nets.blocks import BlockNet, Head, join, macs, parameters
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


def told(own: Any, teacher: Any, logits: Tensor | None = None, labels: Any = None) -> Seen:
    """What a method sees of these features."""
    size = len(own[0])
    given = torch.zeros(size, dtype=torch.long) if labels is None else torch.tensor(labels)
    return Seen(
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


# ------------------------------------------------------------------------------------------------ the projector

# student | parameters and million multiply-accumulates for f = 2, 4, 8, with a teacher resnet32x4, whose classifier is
# among the multiply-accumulates. Measured on SimKD's projector.
TABLE = """
resnet8x4 | 214,016 / 13.66 | 70,400 / 4.48 | 26,240 / 1.66
vgg8 | 246,784 / 3.96 | 86,784 / 1.40 | 34,432 / 0.57
mobilenet_v2_x2 | 222,208 / 0.91 | 74,496 / 0.32 | 28,288 / 0.14
mobilenet_v2 | 201,728 / 0.83 | 64,256 / 0.28 | 23,168 / 0.12
shufflenet_v1 | 304,128 / 4.88 | 115,456 / 1.86 | 48,768 / 0.80
shufflenet_v2 | 240,640 / 3.86 | 83,712 / 1.35 | 32,896 / 0.54
shufflenet_v2_x1_5 | 271,360 / 4.35 | 99,072 / 1.60 | 40,576 / 0.66
resnet38 | 189,440 | 58,112 | 20,096
resnet14x2 | 197,632 | 62,208 | 22,144
resnet38x2 | 197,632 | 62,208 | 22,144
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_projector_costs_what_is_published(row: list[str]) -> None:
    with torch.device("meta"):
        net = nets.create(row[0], 100)
    source = net.shapes((3, 32, 32)).features[-1]
    for reduction, cell in zip([2, 4, 8], row[1:], strict=True):
        params, _, millions = cell.partition(" / ")
        projector = simkd.Projector(source, (256, 8, 8), reduction, False, activate=True)
        assert parameters(projector) == int(params.replace(",", ""))
        with torch.device("meta"):
            tail = join(projector, BlockNet(None, (), Head(256, 100)))
        assert not millions or f"{macs(tail, source) / 1e6:.2f}" == millions


def test_the_layers_of_the_projector() -> None:
    def kinds(projector: simkd.Projector) -> list[str]:
        return [type(m).__name__ for m in (*projector.body, projector.act)]  # type: ignore[misc]

    plain = ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU"]
    same = simkd.Projector((6, 4, 4), (8, 4, 4), 2, False, activate=True)
    assert kinds(same) == plain
    assert [m.kernel_size for m in same.modules() if isinstance(m, nn.Conv2d)] == [(1, 1), (3, 3), (1, 1)]
    larger = simkd.Projector((6, 7, 8), (8, 4, 4), 2, True, activate=False)
    assert kinds(larger) == ["AdaptiveAvgPool2d", *plain[:-1], "Identity"]
    assert larger(torch.randn(2, 6, 7, 8)).shape == (2, 8, 4, 4)
    assert all(m.bias is not None for m in larger.modules() if isinstance(m, nn.Conv2d))
    smaller = simkd.Projector((6, 3, 3), (8, 4, 4), 2, False, activate=True)
    assert kinds(smaller) == plain and smaller(torch.randn(2, 6, 3, 3)).shape == (2, 8, 3, 3)
    simkd.Projector((6, 3, 3), (2, 4, 4), 8, False, activate=True)(torch.randn(2, 6, 3, 3))


@pytest.mark.parametrize(
    ("teacher", "activated"),
    [("resnet20", True), ("vgg13", True), ("shufflenet_v2", True), ("wrn_16_2", False), ("mobilenet_v2", False)],
)
def test_the_last_relu_is_there_where_the_teacher_has_one(pair: Callable[..., Pair], teacher: str, activated: bool) -> None:
    last = reused(simkd.SimKD(), pair(teacher, "resnet8")).projectors[-1]
    assert isinstance(last, simkd.Projector) and isinstance(last.act, nn.ReLU if activated else nn.Identity)


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
        taught = two.teacher.look(images, method.needs.teacher)
    batch = Batch(images, labels, labels)
    if taught.logits is not None:
        batch = Batch(images, taught.logits.argmax(1), labels)
    own = two.net.look(images, method.needs.own)
    method.terms(extras, Seen(batch, own, taught, Clock(0, 1, 0, 1, 0), stream(0)))["feature"].backward()
    (stage,) = method.stages()
    named = {f"net.{k}": p for k, p in two.net.named_parameters()} | {f"extras.{k}": p for k, p in extras.named_parameters()}
    for key, p in named.items():
        moves = key.startswith(stage.moves)
        assert moves == (not key.startswith(("net.head.", "extras.head.")))
        assert (p.grad is not None) == moves, key


# ------------------------------------------------------------------------------------------------ what is deployed


@pytest.mark.parametrize(
    ("teacher", "net"),
    [("resnet20", "resnet8"), ("wrn_16_2", "shufflenet_v1"), ("mobilenet_v2", "vgg8"), ("resnet8x4", "mobilenet_v2")],
)
def test_the_teachers_head_classifies(pair: Callable[..., Pair], teacher: str, net: str) -> None:
    two = pair(teacher, net, size=32)
    assert two.teacher is not None and two.teacher.head is not None and two.net.head is not None
    method = simkd.SimKD()
    extras = reused(method, two)
    deployed = method.deployed(extras, two.net).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        feature = two.net.look(images, frozenset({"features"})).features[-1]
        expected = two.teacher.head(extras.projectors[0](feature))
        assert torch.equal(deployed(images), expected)
    trunk = parameters(two.net) - parameters(two.net.head)
    assert parameters(deployed) == trunk + parameters(extras.projectors) + parameters(two.teacher.head)
    assert macs(deployed, two.image) - macs(two.net.slice(0, len(two.net)), two.image) == macs(
        join(list(deployed)[-1], BlockNet(None, (), two.teacher.head)),  # type: ignore[arg-type]
        two.shapes.features[-1],
    )
    shared = {id(p) for p in (*two.net.parameters(), *extras.parameters())}
    assert all(id(p) in shared for p in deployed.parameters())
    if teacher == "resnet20":
        assert deployed.shapes(two.image).pooled == (64,)


def test_the_head_is_a_frozen_part_of_the_extras(pair: Callable[..., Pair]) -> None:
    two = pair("wrn_16_2", "resnet8")
    assert two.teacher is not None and two.teacher.head is not None
    extras = reused(simkd.SimKD(), two)
    kept = {k.removeprefix("head.part."): v for k, v in extras.state_dict().items() if k.startswith("head.")}
    theirs = two.teacher.head.state_dict()
    assert kept.keys() == theirs.keys() and all(torch.equal(kept[k], theirs[k]) for k in kept)
    assert not any(p.requires_grad for p in extras.head.parameters())
    assert not any(part.training for part in extras.train().head.modules())
    other = reused(simkd.SimKD(), pair("wrn_16_2", "resnet8"))
    with torch.no_grad():
        for p in other.parameters():
            p += 1
    other.load_state_dict(extras.state_dict())
    images = torch.randn(2, 3, 16, 16)
    first, second = (simkd.SimKD().deployed(e, two.net).eval()(images) for e in (extras, other.eval()))
    assert torch.equal(first, second)


def test_the_students_own_logits_are_not_scored(pair: Callable[..., Pair]) -> None:
    two = pair("resnet20", "resnet8")
    extras = reused(simkd.SimKD(), two)
    assert simkd.SimKD().scored(extras, told([torch.zeros(1, 1, 1, 1)], [])) is None


def test_the_defaults_are_the_authors(pair: Callable[..., Pair]) -> None:
    method = simkd.SimKD()
    assert (method.beta, method.reduction, method.kind, method.projectors) == (1, 2, "l2", "last")
    assert not method.bias and not method.gated
    assert method.needs.own == {"features"} and method.needs.teacher == {"features"}
    with torch.device("meta"):
        method.build(pair("resnet20", "resnet8"))
    with pytest.raises(ValueError, match="Input should be 2, 4 or 8"):
        simkd.SimKD(reduction=3)  # type: ignore[arg-type]
