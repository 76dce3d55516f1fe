"""RCO's routes: which epochs, which anchor when, and the greedy choice."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from didact.method import Method, Teacher
from didact.nets.blocks import BlockNet
from didact.spec import SpecError, catalogue, from_json
from didact.teaching.route import Along, Route, divergence
from didact.tensors import Batch


class Says(BlockNet):
    """Answers the same logits for every image."""

    def __init__(self, *logits: float) -> None:
        super().__init__(None, [], None)
        self.logits = torch.tensor(logits, dtype=torch.float64)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits.expand(len(images), -1)


def batches(*sizes: int) -> Iterable[Batch]:
    return [Batch(torch.zeros(n, 1, 2, 2), torch.zeros(n, dtype=torch.long), torch.arange(n)) for n in sizes]


@pytest.mark.parametrize(
    ("anchors", "length", "epochs"),
    [(4, 240, (60, 120, 180, 240)), (2, 5, (2, 5)), (3, 3, (1, 2, 3)), (3, 10, (3, 6, 10))],
)
def test_anchors_lie_at_equal_intervals(anchors: int, length: int, epochs: tuple[int, ...]) -> None:
    assert Route(anchors=anchors).epochs(length) == epochs


@pytest.mark.parametrize(
    ("anchors", "epochs", "shown"),
    [
        (2, 4, [0, 0, 1, 1]),
        (3, 7, [0, 0, 0, 1, 1, 2, 2]),
        (4, 4, [0, 1, 2, 3]),
    ],
)
def test_all_anchors_teach_for_an_equal_share(anchors: int, epochs: int, shown: list[int]) -> None:
    loaded: list[int] = []

    def load(epoch: int) -> BlockNet:
        loaded.append(epoch)
        return Says(epoch)

    along = Along(Route(anchors=anchors), range(10, 10 + anchors), epochs, load)
    assert isinstance(along, Teacher)
    assert [int(along.at(epoch).logits) for epoch in range(epochs)] == [10 + position for position in shown]
    assert loaded == list(range(10, 10 + anchors))  # each once, one at a time
    assert int(along.at(0).logits) == 10  # a student that goes on after an interruption asks for any epoch


def test_divergence_is_the_mean_over_images() -> None:
    """KL of (3/4, 1/4) from (1/2, 1/2), whatever the batches."""
    expected = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert divergence(Says(np.log(3), 0), Says(0, 0), batches(3, 5, 1)) == pytest.approx(expected, rel=1e-6)
    half = [Says(np.log(3), 0), Says(0, 0)]

    class Mixed(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return half[len(images) % 2](images)

    assert divergence(Mixed(), Says(0, 0), batches(6, 3)) == pytest.approx(expected * 6 / 9, rel=1e-6)


def test_greedy_moves_on_when_the_student_is_near() -> None:
    """Anchors that are ever surer; a student on its way. Those that it is near to already are passed by; the last one stays."""
    sure = [0.0, 1.0, 2.0, 4.0]
    along = Along(
        Route(schedule="greedy", anchors=4, threshold=0.1), (1, 2, 3, 4), 9, lambda epoch: Says(sure[epoch - 1], 0)
    )
    student = batches(4)

    def kl(a: float, b: float) -> float:
        p, q = (np.array([np.exp(x), 1]) / (1 + np.exp(x)) for x in (a, b))
        return float((p * np.log(p / q)).sum())

    assert along.at(0).logits[0] == 0
    assert along.move(Says(-2.0, 0), student) == pytest.approx(kl(0, -2))
    assert along.position == 0 and kl(0, -2) > 0.1  # too far
    assert along.move(Says(0.5, 0), student) == pytest.approx(kl(0, 0.5))
    assert kl(0, 0.5) < 0.1 and kl(1, 0.5) < 0.1 < kl(2, 0.5)
    assert along.position == 2  # past the second, which it is near to
    assert along.at(8).logits[0] == 2  # not by the clock
    along.move(Says(4.0, 0), student)
    assert along.position == 2  # beyond is not near
    along.move(Says(2.0, 0), student)
    assert along.position == 3
    assert along.move(Says(4.0, 0), student) == pytest.approx(0, abs=1e-6)
    assert along.position == 3


def test_a_route_has_metrics_of_its_own() -> None:
    """The anchor that taught; of a greedy route also the KL and the next anchor. Draws begin anew before each batch."""
    anchors = {10: Says(0.0, 0), 20: Says(2.0, 0)}
    equal = Along(Route(anchors=2), (10, 20), 2, anchors.__getitem__)
    for epoch, anchor in enumerate((10, 20)):
        equal.at(epoch)
        assert equal.end_epoch(epoch, lambda: Says(0.0, 0)) == {"anchor": anchor}
    route, drawn = Route(schedule="greedy", anchors=2, threshold=0.1), list[tuple[int, int]]()
    greedy = Along(
        route, (10, 20), 9, anchors.__getitem__, lambda: batches(2, 2), lambda epoch, batch: drawn.append((epoch, batch))
    )
    first = greedy.end_epoch(5, lambda: Says(-2.0, 0))
    assert first == {"anchor": 10, "anchor_kl": pytest.approx(first["anchor_kl"]), "next_anchor": 10}
    assert first["anchor_kl"] > 0.1 and drawn == [(5, -1), (5, 0), (5, 1)]
    assert greedy.end_epoch(6, lambda: Says(0.0, 0)) == {"anchor": 10, "anchor_kl": pytest.approx(0), "next_anchor": 20}


def test_what_a_route_cannot_be() -> None:
    for wrong, message in (
        ({"schedule": "greedy"}, "takes a threshold"),
        ({"threshold": 0.5}, "takes a threshold"),
        ({"anchors": 1}, "anchors"),
        ({"schedule": "random"}, "schedule"),
        ({"anchor": 3}, "did you mean 'anchors'"),
        ({"schedule": "greedy", "threshold": 0}, "threshold"),
    ):
        with pytest.raises(SpecError, match=message):
            from_json(Route, wrong)
    with pytest.raises(ValueError, match="a route of 4 anchors through 3 epochs of the teacher; take 3 at most"):
        Route().epochs(3)


def test_a_route_is_no_method() -> None:
    assert "route" not in catalogue(*Method.homes)
    assert "sftn" in catalogue("didact.teaching")
