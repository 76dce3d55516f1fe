"""The SFTN branches: how many, where they enter, Table 12, their weights, and what a run sees of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from didact import nets
from didact.method import Method, MetricsContext, Pair
from didact.spec import SpecError, choose
from didact.teaching import sftn
from support.branches import context

PAIRS = [
    # teacher, student, the student's blocks that each branch runs (counted from 1)
    ("resnet20", "resnet8", [[2, 3], [3]]),
    ("wrn_16_2", "shufflenet_v1", [[2, 3], [3]]),
    ("vgg13", "vgg8", [[2, 3, 4], [3, 4], [4]]),
    ("resnet8x4", "mobilenet_v2", [[2, 3, 4], [2, 3, 4]]),  # 32, 16 meet 16, 16
    ("vgg8", "resnet8", [[3], [3], [3]]),  # 16, 8, 4 meet 16, 8, 8, and a branch keeps the last block
    ("resnet8", "vgg8", [[2, 3, 4], [2, 3, 4]]),  # 32, 16 meet 16, 16
]
pairs = pytest.mark.parametrize(("teacher", "student", "blocks"), PAIRS)


def built(pair: Callable[..., Pair], teacher: str, student: str, **fields: Any) -> tuple[sftn.SFTN, Pair, sftn.Branches]:
    method = sftn.SFTN(student=student, **fields)
    two = pair(None, teacher, size=32)
    extras = method.build(two)
    assert isinstance(extras, sftn.Branches)
    return method, two, extras


def layers(module: nn.Module, x: torch.Tensor) -> list[str]:
    """Every convolution, norm, ReLU, pool and linear layer that runs, in order, with the shape of its output."""
    ran: list[str] = []
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.Linear)

    def note(layer: nn.Module, _: Any, out: torch.Tensor) -> None:
        size = f" {layer.kernel_size[0]}x{layer.kernel_size[1]}" if isinstance(layer, nn.Conv2d) else ""
        ran.append(f"{type(layer).__name__}{size} {'x'.join(map(str, out.shape[1:]))}")

    hooks = [m.register_forward_hook(note) for m in module.modules() if isinstance(m, kinds)]
    module.eval()(x)
    for hook in hooks:
        hook.remove()
    return ran


@pairs
def test_branches_enter_the_student_where_the_feature_fits(
    pair: Callable[..., Pair], teacher: str, student: str, blocks: list[list[int]]
) -> None:
    _, two, extras = built(pair, teacher, student)
    shapes = nets.create(student, 5).shapes((3, 32, 32)).features
    assert len(extras.branches) == len(two.net) - 1 == len(blocks)
    features = context(two).own.features
    for branch, feature, expected in zip(extras.branches, features, blocks, strict=False):
        assert [int(name) for name in branch.net.blocks] == expected
        assert branch.net.stem is None and branch.net.head is not None
        assert tuple(branch.transform(feature).shape[1:]) == shapes[expected[0] - 2]
    assert [tuple(z.shape) for z in extras(features)] == [(4, 5)] * len(blocks)


@pairs
def test_every_branch_has_weights_of_its_own_that_fit_the_student(
    pair: Callable[..., Pair], teacher: str, student: str, blocks: list[list[int]]
) -> None:
    _, two, extras = built(pair, teacher, student)
    places = [p.data_ptr() for p in (*extras.parameters(), *two.net.parameters())]
    assert len(set(places)) == len(places)
    fresh = nets.create(student, 5)
    own = fresh.state_dict()
    for branch, kept in zip(extras.branches, blocks, strict=True):
        state = branch.net.state_dict()
        assert {k: v.shape for k, v in state.items()} == {k: own[k].shape for k in state}
        missing, unexpected = fresh.load_state_dict(state, strict=False)
        assert not unexpected
        assert not any(k.startswith(("head.", *(f"blocks.{i}." for i in kept))) for k in missing)
        shape = (2, *fresh.shapes((3, 32, 32)).features[kept[0] - 2])
        x = torch.randn(shape)
        assert torch.equal(fresh.eval().run(x, kept[0] - 1), branch.net.eval()(x))
    assert any("branches.0.net" in k for k in extras.state_dict())


def test_table_12(pair: Callable[..., Pair]) -> None:
    two = pair(None, "vgg13", classes=100, size=32)
    extras = sftn.SFTN(student="vgg8").build(two)

    def row(kernel: int, shape: str) -> list[str]:
        return [f"Conv2d {kernel}x{kernel} {shape}", f"BatchNorm2d {shape}", f"ReLU {shape}"]

    second = ["MaxPool2d 128x8x8", *row(3, "256x8x8")]
    third = ["MaxPool2d 256x4x4", *row(3, "512x4x4")]
    fourth = [*row(3, "512x4x4"), "Linear 100"]
    tables = [
        [*row(1, "128x16x16"), *second, *third, *fourth],
        [*row(1, "256x8x8"), *third, *fourth],
        [*row(1, "512x4x4"), *fourth],
    ]
    assert [tuple(s) for s in two.shapes.features[:3]] == [(128, 16, 16), (256, 8, 8), (512, 4, 4)]
    for branch, shape, expected in zip(extras.branches, two.shapes.features, tables, strict=False):
        assert layers(branch, torch.zeros(1, *shape)) == expected
    convolutions = [m for b in extras.branches for m in b.net.modules() if isinstance(m, nn.Conv2d)]
    assert all(c.stride == (1, 1) and c.padding == (1, 1) for c in convolutions)


def test_terms_are_the_formula_of_the_branches_logits(pair: Callable[..., Pair]) -> None:
    settings: dict[str, Any] = {"kl_weight": 2.0, "ce_weight": 0.5, "temperature": 4.0, "squared": True}
    method, two, extras = built(pair, "resnet20", "resnet8", direction="teacher||branch", **settings)
    shown = context(two)
    assert shown.own.logits is not None
    expected = sftn.terms(
        shown.own.logits, extras(shown.own.features), shown.batch.labels, direction="teacher||branch", **settings
    )
    found = method.terms(extras, shown)
    assert list(found) == ["teacher_ce", "branch_kl", "branch_ce"]
    assert all(torch.equal(found[k], expected[k]) for k in expected)


@pytest.mark.parametrize(
    ("epoch", "step", "share"), [(0, 0, 0), (0, 2, 0.1), (2, 2, 0.5), (4, 3, 0.95), (5, 0, 1), (9, 3, 1)]
)
def test_warm_up_raises_both_branch_terms(pair: Callable[..., Pair], epoch: int, step: int, share: float) -> None:
    method, two, extras = built(pair, "resnet20", "resnet8", warmup=0.5)
    plain = sftn.SFTN(student="resnet8").terms(extras, context(two))
    found = method.terms(extras, context(two, epoch=epoch, step=step))
    assert torch.equal(found["teacher_ce"], plain["teacher_ce"])
    for name in ("branch_kl", "branch_ce"):
        assert found[name].item() == pytest.approx(share * plain[name].item(), rel=1e-5)


def test_branches_are_shown_by_number(pair: Callable[..., Pair]) -> None:
    method, two, extras = built(pair, "vgg13", "vgg8")
    shown = context(two)
    found = method.metrics(extras.eval(), MetricsContext("test", shown.own))
    assert list(found) == ["branch1", "branch2", "branch3"]
    assert all(torch.equal(a, b) for a, b in zip(found.values(), extras(shown.own.features), strict=True))
    assert method.deployed(extras, two.net) is two.net


def test_the_kl_draws_the_teacher_through_the_branches(pair: Callable[..., Pair]) -> None:
    method, two, extras = built(pair, "resnet20", "resnet8", teacher_weight=0.0, ce_weight=0.0)
    method.terms(extras, context(two))["branch_kl"].backward()
    for module in (two.net, extras):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


def test_what_is_refused() -> None:
    with pytest.raises(SpecError, match=r"student: unknown network 'resnet9'.*'resnet8'"):
        choose(Method, {"name": "sftn", "student": "resnet9"})
    with pytest.raises(SpecError, match="student"):
        choose(Method, "sftn")
    with pytest.raises(SpecError, match="direction"):
        choose(Method, {"name": "sftn", "student": "resnet8", "direction": "sideways"})
    with pytest.raises(SpecError, match="warmup"):
        choose(Method, {"name": "sftn", "student": "resnet8", "warmup": 1.5})


def test_a_network_of_one_block_is_refused(pair: Callable[..., Pair]) -> None:
    two = pair(None, "resnet8")
    one = replace(two.shapes, features=two.shapes.features[:1])
    with pytest.raises(ValueError, match="a single block"):
        sftn.SFTN(student="resnet8").build(replace(two, shapes=one))
