"""SFTN with networks that are spelt out by their names, as students and as teachers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from didact.method import Clock, Method, Pair, StepContext
from didact.seeds import stream
from didact.spec import choose
from didact.teaching.sftn import Branches
from didact.tensors import Batch

STUDENTS = ["basic-8-1x8-1x12k5-1x16e0.5", "inverted-8-1x8e1-2x12-1x16-h20"]


@pytest.mark.parametrize(
    ("teacher", "student", "blocks"),
    [
        ("resnet20", STUDENTS[0], [["2", "3"], ["3"]]),
        ("vgg13", STUDENTS[1], [["3"], ["3"], ["3"]]),  # 16, 8, 4 meet 16, 8, 8
        (STUDENTS[0], STUDENTS[1], [["2", "3"], ["3"]]),
        (STUDENTS[1], "resnet8", [["2", "3"], ["3"]]),
    ],
)
def test_branches_of_spelt_out_networks(
    pair: Callable[..., Pair], teacher: str, student: str, blocks: list[list[str]]
) -> None:
    method = choose(Method, {"name": "sftn", "student": student.upper()})
    two = pair(None, teacher, size=32)
    extras = method.build(two)
    assert isinstance(extras, Branches)
    assert [list(branch.net.blocks) for branch in extras.branches] == blocks
    batch = Batch(torch.randn(4, *two.image), torch.tensor([0, 1, 2, 3]), torch.arange(4))
    own = two.net.outputs(batch.images, method.needs.own)
    terms = method.terms(extras, StepContext(batch, own, None, Clock(0, 1, 0, 1, 0), stream(0)))
    assert list(terms) == ["teacher_ce", "branch_kl", "branch_ce"]
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in (*two.net.parameters(), *extras.parameters()))
