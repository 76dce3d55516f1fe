"""Who is drawn, and what the drawn ones cost in the mean: against NumPy, by frequency, and over all students one by one."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from didact.nets.architecture import cost, parse
from didact.nets.blocks import parameters
from didact.nets.supernet import SPACES, Capacity, Distribution, Pool, Space
from didact.nets.zoo import create
from support.spaces import INVERTED, SMALL

random = np.random.default_rng(3)
POOL = Pool(members=("basic-8-1x8-2x16", "resnet8", "inverted-8-1x8e1-1x16"))
pools = pytest.mark.parametrize("pool", [SMALL, INVERTED, POOL], ids=["basic", "inverted", "list"])


def tilted(pool: Space | Pool, scale: float = 1.0) -> Distribution:
    """A distribution that is not uniform, in float64."""
    found = Distribution(pool).double()
    for theta in found.theta.values():
        theta.data = torch.from_numpy(random.normal(size=len(theta)) * scale)
    return found


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()


# ------------------------------------------------------------------------------------------------ who is drawn


@pytest.mark.parametrize("pool", [*SPACES.values(), SMALL, INVERTED, POOL], ids=lambda pool: pool.label)
def test_uniform_at_first(pool: Space | Pool) -> None:
    found = Distribution(pool)
    assert found.entropy().item() == pytest.approx(math.log(pool.size), rel=1e-5)
    assert set(found.probabilities()) == {d.name for d in pool.decisions}
    for d in pool.decisions:
        assert found.probabilities()[d.name].tolist() == pytest.approx([1 / len(d.options)] * len(d.options))
    assert len(found.theta) == sum(len(d.options) > 1 for d in pool.decisions)


@pools
def test_entropy(pool: Space | Pool) -> None:
    found = tilted(pool)
    p = [q.detach().numpy() for q in found.probabilities().values()]
    assert found.entropy().item() == pytest.approx(-sum(float((q * np.log(q)).sum()) for q in p))
    for theta in found.theta.values():
        theta.data[0] += 1e4
    assert found.entropy().item() == 0  # settled: 0 log 0 counts as 0


@pools
def test_draws_follow_the_softmax(pool: Space | Pool) -> None:
    found, draws = tilted(pool), 800
    stream = torch.Generator().manual_seed(0)
    counts: dict[str, Counter[int]] = {d.name: Counter() for d in pool.decisions}
    for _ in range(draws):
        picks, _ = found.draw(stream)
        for d, pick in zip(pool.decisions, picks, strict=True):
            counts[d.name][pick] += 1
    for name, p in found.probabilities().items():
        for i, expected in enumerate(p.tolist()):
            assert abs(counts[name][i] / draws - expected) < 5 * math.sqrt(0.25 / draws)
    assert pool.name(picks)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 5.0])
def test_the_straight_through_value_is_one_and_has_the_softened_gradient(temperature: float, slope: Any) -> None:
    found = tilted(SMALL)
    picks, values = found.draw(torch.Generator().manual_seed(4), temperature)
    stream = torch.Generator().manual_seed(4)
    for d, pick in zip(SMALL.decisions, picks, strict=True):
        if len(d.options) == 1:
            assert pick == 0 and d.name not in values
            continue
        noise = -np.log(torch.empty(len(d.options)).exponential_(generator=stream).numpy().astype(float))
        theta = found.theta[d.name.replace(".", "_")]
        z = theta.detach().numpy()
        assert pick == int((z + noise).argmax())
        assert values[d.name].item() == 1.0
        (gradient,) = torch.autograd.grad(values[d.name], theta)

        def softened(x: np.ndarray, noise: np.ndarray = noise, pick: int = pick) -> float:
            return float(softmax((x - np.log(np.exp(x).sum()) + noise) / temperature)[pick])

        np.testing.assert_allclose(gradient, slope(softened, z), atol=1e-6)


def test_the_value_is_exactly_one_however_sharp() -> None:
    found = Distribution(SMALL)
    for theta in found.theta.values():
        theta.data = torch.tensor([80.0, -80.0])
    stream = torch.Generator().manual_seed(0)
    for temperature in (1e-3, 1.0, 100.0):
        picks, values = found.draw(stream, temperature)
        assert set(picks) == {0}
        assert all(value.item() == 1.0 for value in values.values())
        sum(values.values(), torch.zeros(())).backward()
    assert all(theta.grad is not None and theta.grad.isfinite().all() for theta in found.theta.values())


def test_draws_depend_on_the_stream_alone() -> None:
    found = Distribution(SPACES["mobile"])
    again = [found.draw(torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    found.draw(torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


@pools
def test_the_likeliest_student(pool: Space | Pool) -> None:
    """Also where a decision that is settled stands before one that is not."""
    for picks in itertools.product(*(range(len(d.options)) for d in pool.decisions)):
        found = Distribution(pool)
        for d, i in zip(pool.decisions, picks, strict=True):
            if len(d.options) > 1:
                found.theta[d.name.replace(".", "_")].data[i] = 1.0
        assert found.likeliest() == pool.name(picks)


# ------------------------------------------------------------------------------------------------ what it costs


def one_by_one(pool: Space | Pool, probabilities: dict[str, np.ndarray], classes: int, channels: int) -> float:
    """The mean over every student, each with the product of its options' probabilities."""
    total = 0.0
    for picks in itertools.product(*(range(len(d.options)) for d in pool.decisions)):
        share = math.prod(float(probabilities[d.name][i]) for d, i in zip(pool.decisions, picks, strict=True))
        total += share * size(pool.name(picks), classes, channels)
    return total


def size(name: str, classes: int, channels: int) -> int:
    if name == "resnet8":
        return parameters(create(name, classes, channels))
    return cost(parse(name), classes, (channels, 32, 32)).parameters


@pools
def test_the_mean_is_that_over_all_students(pool: Space | Pool) -> None:
    mean = Capacity(pool, 7, 2)
    even = {d.name: np.full(len(d.options), 1 / len(d.options)) for d in pool.decisions}
    assert mean.uniform().item() == pytest.approx(one_by_one(pool, even, 7, 2), rel=1e-6)
    assert mean(Distribution(pool).probabilities()).item() == pytest.approx(mean.uniform().item(), rel=1e-6)
    for _ in range(3):
        p = {d.name: random.dirichlet(np.ones(len(d.options))) for d in pool.decisions}
        found = mean({name: torch.from_numpy(q) for name, q in p.items()})
        assert found.shape == ()
        assert found.item() == pytest.approx(one_by_one(pool, p, 7, 2), rel=1e-6)


@pools
def test_its_gradient_by_differences(pool: Space | Pool, slope: Callable[..., np.ndarray]) -> None:
    mean = Capacity(pool, 7, 2)
    p = {d.name: random.dirichlet(np.ones(len(d.options))) for d in pool.decisions}
    given: dict[str, Tensor] = {name: torch.tensor(q, requires_grad=True) for name, q in p.items()}
    mean(given).backward()
    for name, q in p.items():
        expected = slope(lambda x, name=name: one_by_one(pool, {**p, name: x}, 7, 2), q, step=1e-2)  # it is linear in each
        found = given[name].grad
        assert found is not None  # what all options of a decision have in common does not move it
        np.testing.assert_allclose(found - found.mean(), expected - expected.mean(), rtol=1e-5, atol=1e-3)


@pools
def test_the_mean_is_exact_under_autocast_and_in_any_layout(pool: Space | Pool) -> None:
    mean, p = Capacity(pool, 7, 2), {k: v.float() for k, v in tilted(pool).probabilities().items()}
    before = mean(p)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(mean(p), before)
    mean.to(memory_format=torch.channels_last)  # as a learner moves its extras
    assert torch.equal(mean(p), before)
    assert not mean.state_dict()
