"""The GTN branches: where they enter the students, one step worked by hand, and how it grows with paths and warm-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from didact import nets
from didact.method import MetricsContext, Pair
from didact.nets.architecture import parse
from didact.nets.blocks import BlockNet
from didact.seeds import seeded
from didact.teaching import gtn, sftn
from support.branches import context
from support.spaces import THREE_STAGES

PAIRS = [
    # teacher, student: those of SFTN's branches, and students that are spelt out
    ("resnet20", "resnet8"),
    ("wrn_16_2", "shufflenet_v1"),
    ("vgg13", "vgg8"),
    ("resnet8x4", "mobilenet_v2"),
    ("vgg8", "resnet8"),
    ("resnet8", "vgg8"),
    ("vgg8", "basic-8-1x8-1x12-1x16"),
    ("resnet20", "inverted-8s2-1x8e1-1x12-1x16-1x24-h20"),
]


def built(
    pair: Callable[..., Pair], teacher: str, pool: Any, size: int = 16, **fields: Any
) -> tuple[gtn.GTN, Pair, gtn.Conditioning]:
    method = gtn.GTN(pool=pool, **fields)
    two = pair(None, teacher, size=size)
    with seeded(0, "extras"):
        extras = method.build(two)
    assert isinstance(extras, gtn.Conditioning)
    return method, two, extras


@pytest.mark.parametrize(("teacher", "student"), PAIRS)
def test_branches_enter_where_sftns_do(pair: Callable[..., Pair], teacher: str, student: str) -> None:
    _, two, extras = built(pair, teacher, student, size=32)
    with torch.device("meta"):
        other = sftn.SFTN(student=student).build(two)
    assert isinstance(other, sftn.Branches)
    assert extras.after == tuple(range(1, len(two.net)))
    assert extras.pool.networks == (student,)
    assert extras.entries == [tuple(int(next(iter(b.net.blocks))) - 1 for b in other.branches)]
    kept = extras.supernet.nets[0]
    assert isinstance(kept, BlockNet) and kept.stem is None and list(kept.blocks) == list(other.branches[0].net.blocks)
    for branch, layer in zip(other.branches, extras.transforms[0], strict=True):  # type: ignore[arg-type]
        shapes = {k: v.shape for k, v in branch.transform.state_dict().items()}
        assert {k: v.shape for k, v in layer.state_dict().items()} == shapes
    for branch, feature in enumerate(context(two).own.features[:-1]):
        assert extras.run(branch, student, feature).shape == (4, 5)


@pytest.mark.parametrize("student", ["resnet8", "basic-8-1x8-1x12k5-1x16"])
@pytest.mark.parametrize("alpha", [0.5, 3.0])
def test_one_step_by_hand(pair: Callable[..., Pair], student: str, alpha: float) -> None:
    method, two, extras = built(pair, "resnet20", student, alpha=alpha, temperature=1.0)
    shown = context(two)
    found = method.terms(extras, shown)
    assert list(found) == ["teacher_ce", "student_ce", "student_kl"]
    kept = extras.supernet.nets[0]
    assert isinstance(kept, BlockNet)
    (transforms,), (entries,) = extras.transforms, extras.entries
    logits = []
    for i in range(2):
        x = transforms[i](shown.own.features[i])  # type: ignore[index]
        for block in range(entries[i], 3):
            x = kept.blocks[str(block + 1)](x)
        logits.append(kept.head(x))  # type: ignore[misc]
    zt, y = shown.own.logits, shown.batch.labels
    assert zt is not None
    cross = torch.nn.functional.cross_entropy
    p, log_p = zt.softmax(1), zt.log_softmax(1)
    kl = [(p * (log_p - z.log_softmax(1))).sum(1).mean() for z in logits]
    torch.testing.assert_close(found["teacher_ce"], cross(zt, y))
    torch.testing.assert_close(found["student_ce"], (cross(logits[0], y) + cross(logits[1], y)) / 2)
    torch.testing.assert_close(found["student_kl"], alpha * (kl[0] + kl[1]) / 2)


def test_a_drawn_student_is_cut_from_transform_and_supernet(pair: Callable[..., Pair]) -> None:
    """A branch gives what the student's own layers give with corners of the shared weights, at any width before it."""
    _, two, extras = built(pair, "resnet20", THREE_STAGES, after=[0, 1, 2])
    extras.eval()
    shown = context(two)
    for name in THREE_STAGES.draw(6, 0):
        whole = extras.supernet.extract(name)
        assert torch.equal(extras.run(0, name, shown.batch.images), whole(shown.batch.images))
        for branch in (1, 2):
            width = parse(name).stages[branch - 1].width
            layer = extras.transforms[0][branch]  # type: ignore[index]
            x = shown.own.features[branch - 1]
            expected = whole.run(layer(x)[:, :width], branch)
            torch.testing.assert_close(extras.run(branch, name, x), expected)


@pytest.mark.parametrize("teacher", ["resnet20", "vgg8", "resnet8x4"])
def test_after_the_last_block_or_before_all(pair: Callable[..., Pair], teacher: str) -> None:
    """0: whole students from images, which lets them be taken out; the last block: a student's own last one remains."""
    _, two, extras = built(pair, teacher, THREE_STAGES, after=[0, len(pair(None, teacher).net)])
    assert extras.entries[0] == (0, 2)
    shown = context(two)
    name = THREE_STAGES.largest
    expected = extras.eval().supernet.extract(name)(shown.batch.images)
    assert torch.equal(extras.run(0, name, shown.batch.images), expected)
    assert extras.run(1, name, shown.own.features[-1]).shape == (4, 5)
    with pytest.raises(ValueError, match=r"cannot be extracted.*after=\[0, ...\]"):
        built(pair, "resnet20", THREE_STAGES)[2].supernet.extract(name)


def test_every_kind_of_student_in_one_pool(pair: Callable[..., Pair]) -> None:
    members = ["resnet8", "basic-8-1x8-1x12-1x16", "basic-4-1x12-1x8-1x8k5", "inverted-8-1x8e1-1x12", "shufflenet_v2"]
    method, two, extras = built(pair, "resnet20", members, paths=4)
    assert len(extras.entries) == len(extras.supernet.nets) == 4
    for branch, feature in enumerate(context(two).own.features[:-1]):
        for name in members:
            assert extras.run(branch, name, feature).shape == (4, 5)
    terms = method.terms(extras, context(two))
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in two.net.parameters())


@pytest.mark.parametrize(("paths", "sampling"), [(1, "uniform"), (3, "uniform"), (2, "sandwich"), (4, "sandwich")])
def test_terms_are_the_formula_of_the_drawn_students_logits(pair: Callable[..., Pair], paths: int, sampling: str) -> None:
    method, two, extras = built(pair, "resnet20", THREE_STAGES, paths=paths, sampling=sampling, alpha=2.0, temperature=3.0)
    shown = context(two)
    drawn = [[name for name, _ in extras.draw(method, branch, shown.clock)] for branch in range(2)]
    assert [len(names) for names in drawn] == [paths, paths]
    if sampling == "sandwich":
        assert all(names[:2] == [THREE_STAGES.smallest, THREE_STAGES.largest] for names in drawn)
    logits = [extras.run(branch, name, shown.own.features[branch]) for branch in range(2) for name in drawn[branch]]
    assert shown.own.logits is not None
    expected = gtn.terms(shown.own.logits, logits, shown.batch.labels, 2.0, 3.0)
    found = method.terms(extras, shown)
    assert list(found) == list(expected)
    assert all(torch.equal(found[k], expected[k]) for k in expected)
    assert method.metrics(extras, MetricsContext("epoch")) == {}


@pytest.mark.parametrize(
    ("epoch", "step", "share"), [(0, 0, 0), (0, 2, 0.1), (2, 2, 0.5), (4, 3, 0.95), (5, 0, 1), (9, 3, 1)]
)
def test_warm_up_raises_both_terms_of_the_students(pair: Callable[..., Pair], epoch: int, step: int, share: float) -> None:
    method, two, extras = built(pair, "resnet20", "resnet8", warmup=0.5)
    plain = gtn.GTN(pool=method.pool).terms(extras, context(two))
    found = method.terms(extras, context(two, epoch=epoch, step=step))
    assert torch.equal(found["teacher_ce"], plain["teacher_ce"])
    for name in ("student_ce", "student_kl"):
        assert found[name].item() == pytest.approx(share * plain[name].item(), rel=1e-5)


def test_the_kl_draws_the_teacher_and_the_branches_are_dropped(pair: Callable[..., Pair]) -> None:
    method, two, extras = built(pair, "resnet20", THREE_STAGES, sampling="sandwich", paths=2)
    method.terms(extras, context(two))["student_kl"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in two.net.parameters())
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in extras.parameters())  # the largest uses all
    assert method.deployed(extras, two.net) is two.net
    assert nets.resolve(THREE_STAGES.largest) == THREE_STAGES.largest
