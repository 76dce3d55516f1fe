"""Streams: the same for the same name, independent of one another and of the global generator."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from didact.seeds import derive, deterministic, preserved, seeded, stream

names = st.lists(st.one_of(st.integers(0, 9), st.sampled_from(["net", "order", "crops"])), max_size=3)


def draw(generator: torch.Generator) -> torch.Tensor:
    return torch.rand(8, generator=generator)


def test_derived_seeds_stay_what_they_are() -> None:
    assert derive(0) == 3456079177858693020
    assert derive(0, "net") == 4177070130767583765
    assert derive(3, "order", 7) == 8403337869328738062


@given(st.integers(0, 2**63 - 1), names)
def test_a_derived_seed_fits_63_bits(seed: int, path: list[str | int]) -> None:
    assert 0 <= derive(seed, *path) < 2**63
    assert derive(seed, *path) == derive(seed, *path)


def test_different_names_give_different_streams() -> None:
    paths = [(), ("net",), ("order",), ("order", 1), ("order", 2), (1,), (1, 2), (12,), ("crops", 1, 2)]
    seen = {derive(seed, *path) for seed in (0, 3, 12) for path in paths}
    assert len(seen) == 3 * len(paths)
    assert derive(1, 2, 3) != derive(1, 23)


def test_streams_do_not_disturb_each_other() -> None:
    alone = draw(stream(5, "a"))
    a, b = stream(5, "a"), stream(5, "b")
    draw(b)
    torch.rand(100)
    assert torch.equal(draw(a), alone)
    assert not torch.equal(draw(stream(5, "b")), alone)
    assert not torch.equal(draw(stream(6, "a")), alone)
    assert not torch.equal(draw(a), alone)  # it goes on


def test_streams_ignore_and_leave_the_global_generator() -> None:
    torch.manual_seed(1)
    first = draw(stream(5, "a"))
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(draw(stream(5, "a")), first)
    torch.manual_seed(1)
    draw(stream(5, "a"))
    assert torch.equal(torch.get_rng_state(), state)


def test_seeded_starts_the_global_generator_and_restores_it() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with seeded(5, "net"):
        first = torch.rand(3), torch.nn.Linear(2, 2).weight.detach()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(10)
    with seeded(5, "net"):
        again = torch.rand(3), torch.nn.Linear(2, 2).weight.detach()
    with seeded(5, "extras"):
        other = torch.rand(3)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other)
    assert torch.equal(first[0], torch.rand(3, generator=stream(5, "net")))


def test_seeded_restores_after_an_error_and_nests() -> None:
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="on purpose"), seeded(5):
        raise RuntimeError("on purpose")
    assert torch.equal(torch.get_rng_state(), before)
    with seeded(5):
        torch.rand(1)
        middle = torch.get_rng_state()
        with seeded(6):
            torch.rand(7)
        assert torch.equal(torch.get_rng_state(), middle)


def flags() -> tuple[bool, bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
    )


def test_deterministic_restores_what_was() -> None:
    before = flags()
    torch.backends.cudnn.benchmark = True
    try:
        with deterministic():
            assert flags() == (True, True, False)
        assert flags() == (*before[:2], True)
        with pytest.raises(RuntimeError, match="on purpose"), deterministic():
            raise RuntimeError("on purpose")
        assert flags() == (*before[:2], True)
    finally:
        torch.backends.cudnn.benchmark = before[2]


def test_seeded_starts_and_restores_numpy_and_python_too() -> None:
    with preserved():
        random.seed(1), np.random.seed(1)
        before = random.getstate(), np.random.rand()
        with seeded(5, "net"):
            first = random.random(), np.random.rand()
        with seeded(5, "net"):
            assert (random.random(), np.random.rand()) == first
        assert random.getstate() == before[0]
        np.random.seed(1)
        assert np.random.rand() == before[1]
