"""Latency: what is timed, what is restored, misuse. The figures themselves are the machine's."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor, nn

from didact import nets
from didact.deploy import latency as module
from didact.deploy.latency import latency


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[tuple[int, ...], bool, int, bool]] = []

    def forward(self, x: Tensor) -> Tensor:
        state = (tuple(x.shape), self.training, torch.get_num_threads(), torch.is_grad_enabled())
        self.seen.append(state)
        return x + self.weight


def test_what_is_timed() -> None:
    net = Counting()
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    found = latency(net, (3, 5, 4), threads=2, repeats=7, warm_up=3)
    assert net.seen == [((1, 3, 5, 4), False, 2, False)] * 10
    assert net.training and torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert (found.threads, found.repeats) == (2, 7)
    assert 0 <= found.low <= found.median <= found.high and found.spread == found.high - found.low


def test_median_and_quartiles(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter([99.0, 5.0, 1.0, 2.0, 4.0, 3.0])
    monkeypatch.setattr(module, "_once", lambda net, images: next(taken))
    found = latency(Counting(), (1, 2, 2), repeats=5, warm_up=1)
    assert (found.low, found.median, found.high) == (2.0, 3.0, 4.0)


def test_milliseconds() -> None:
    class Sleeping(Counting):
        def forward(self, x: Tensor) -> Tensor:
            time.sleep(0.005)
            return x

    median = latency(Sleeping(), (1, 2, 2), repeats=3, warm_up=0).median
    assert 5 <= median < 5000  # these would be its microseconds; a busy machine wakes it late


def test_a_network() -> None:
    assert latency(nets.create("resnet8", 10), (3, 16, 16), repeats=3).median > 0


def test_threads_are_restored_after_a_failure() -> None:
    before, net = torch.get_num_threads(), nets.create("resnet8", 10)
    with pytest.raises(RuntimeError):
        latency(net, (4, 16, 16), threads=2)
    assert torch.get_num_threads() == before and net.training


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"repeats": 1}, {"warm_up": -1}])
def test_misuse(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="latency needs threads >= 1, repeats >= 2"):
        latency(Counting(), (3, 4, 4), **wrong)
