"""SimKD's projector against the published counts, and the network that is deployed: blocks, projector, the teacher's head."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from didact import nets
from didact.method import Pair
from didact.methods import simkd
from didact.nets.blocks import BlockNet, Head, join, macs, parameters
from didact.seeds import seeded


def reused(method: simkd.SimKD, two: Pair) -> simkd.Reused:
    with seeded(0, "extras"):
        extras = method.build(two)
    assert isinstance(extras, simkd.Reused)
    return extras


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
        feature = two.net.outputs(images, frozenset({"features"})).features[-1]
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
