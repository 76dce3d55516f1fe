"""Which students GTN draws: by the iteration alone, uniform, sandwiched, or from a distribution that is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from didact.method import Clock, MetricsContext, Pair, StepContext
from didact.nets.supernet import Pool
from didact.seeds import seeded, stream
from didact.teaching.gtn import GTN, Conditioning
from didact.tensors import Batch
from support.spaces import THREE_STAGES

LIST = Pool(members=("resnet8", "basic-8-1x8-1x12-1x16", "basic-4-1x12-1x8-1x8k5"))


def built(pair: Callable[..., Pair], seed: int = 0, **fields: Any) -> tuple[GTN, Pair, Conditioning]:
    method = GTN(**{"pool": THREE_STAGES, **fields})
    two = pair(None, "resnet20")
    with seeded(seed, "extras"):
        extras = method.build(two)
    assert isinstance(extras, Conditioning)
    return method, two, extras


def at(total: int, step: int = 0, epoch: int | None = None) -> Clock:
    return Clock(total if epoch is None else epoch, 10, step, 4, total)


def names(method: GTN, extras: Conditioning, branch: int, clock: Clock) -> list[str]:
    return [name for name, _ in extras.draw(method, branch, clock)]


def loss(method: GTN, two: Pair, extras: Conditioning, clock: Clock) -> dict[str, Tensor]:
    torch.manual_seed(0)
    batch = Batch(torch.randn(4, *two.image), torch.tensor([0, 1, 2, 3]), torch.arange(4))
    own = two.net.outputs(batch.images, method.needs.own)
    return method.terms(extras, StepContext(batch, own, None, clock, stream(0)))


# ------------------------------------------------------------------------------------------------ by the iteration


@pytest.mark.parametrize("sampling", ["uniform", "sandwich", "trained"])
def test_draws_are_a_function_of_seed_epoch_and_step(pair: Callable[..., Pair], sampling: str) -> None:
    method, _, extras = built(pair, sampling=sampling, paths=3)
    again, other = built(pair, sampling=sampling, paths=3)[2], built(pair, 1, sampling=sampling, paths=3)[2]
    clocks = [at(total, step) for total in range(3) for step in range(4)]
    drawn = [names(method, extras, branch, clock) for clock in clocks for branch in range(2)]
    torch.manual_seed(99)  # neither the global generator nor what was drawn before counts
    before = torch.get_rng_state()
    back = [names(method, again, branch, clock) for clock in reversed(clocks) for branch in (1, 0)]
    assert back[::-1] == drawn
    assert torch.equal(torch.get_rng_state(), before)
    assert [names(method, other, branch, clock) for clock in clocks for branch in range(2)] != drawn
    assert len(set(map(tuple, drawn))) > 15  # every iteration and every branch has its own
    assert names(method, extras, 0, at(5, 2, epoch=1)) == names(method, extras, 0, at(5, 2))  # counted over all stages


def test_uniform_draws_are_uniform(pair: Callable[..., Pair]) -> None:
    method, _, extras = built(pair, pool=LIST, paths=4)
    counts = Counter(name for step in range(150) for name in names(method, extras, 0, at(0, step)))
    assert all(abs(counts[name] - 200) < 5 * (600 * 2 / 9) ** 0.5 for name in LIST.members)


def test_sandwich_has_smallest_and_largest_in_every_iteration(pair: Callable[..., Pair]) -> None:
    for pool in (THREE_STAGES, LIST):
        method, _, extras = built(pair, pool=pool, sampling="sandwich", paths=3)
        drawn = [names(method, extras, branch, at(0, step)) for step in range(40) for branch in range(2)]
        assert all(len(n) == 3 and n[:2] == [pool.smallest, pool.largest] for n in drawn)
        assert len({n[2] for n in drawn}) >= min(8, pool.size)


# ------------------------------------------------------------------------------------------------ trained


def theta_gradients(extras: Conditioning) -> dict[str, bool]:
    assert extras.distribution is not None
    return {k: bool(p.grad is not None and p.grad.any()) for k, p in extras.distribution.theta.items()}


def test_the_loss_reaches_what_a_branch_depends_on(pair: Callable[..., Pair]) -> None:
    """After the teacher's first block a branch has the students' stages 2 and 3 and the width of stage 1."""
    own = {"stem": False, "stage1_depth": False, "stage1_width": True, "stage2_width": True, "stage2_kernel": True}
    for after, expected in (([1], {**own, "stage3_depth": True}), ([0], dict.fromkeys([*own, "stage3_depth"], True))):
        method, two, extras = built(pair, sampling="trained", architecture_weight=0.0, after=after)
        loss(method, two, extras, at(0))["student_ce"].backward()
        assert theta_gradients(extras) == expected
    method, two, extras = built(pair, pool=LIST, sampling="trained", architecture_weight=0.0)
    loss(method, two, extras, at(0))["student_kl"].backward()
    assert theta_gradients(extras) == {"network": True}


def test_straight_through_the_value_of_the_loss_is_that_of_the_students(pair: Callable[..., Pair]) -> None:
    method, two, extras = built(pair, sampling="trained", paths=2)
    found = loss(method, two, extras, at(0))
    plain = Conditioning.passed
    extras.passed = lambda branch, name, values: 1.0  # type: ignore[method-assign]
    without = loss(method, two, extras, at(0))
    assert plain is Conditioning.passed and list(found) == ["teacher_ce", "student_ce", "student_kl", "architecture"]
    assert all(torch.equal(found[k], without[k]) for k in found)


def test_the_gradient_prefers_the_better_student(pair: Callable[..., Pair]) -> None:
    """Two students of which one is made to answer well: the loss alone, by many draws, leads to it."""
    members = ("basic-4-1x4-1x6", "basic-4-1x4-1x8")
    method, two, extras = built(pair, pool=Pool(members=members), sampling="trained", after=[0], alpha=0.0, sharpness=1.0)
    assert extras.distribution is not None
    right = 9 * torch.eye(5)[[0, 1, 2, 3]]
    extras.run = lambda branch, name, x: right if name == members[1] else -right / 9  # type: ignore[method-assign]
    two.net.requires_grad_(False)
    optimiser = torch.optim.SGD(extras.distribution.parameters(), lr=0.2)
    for step in range(60):
        optimiser.zero_grad()
        loss(method, two, extras, at(0, step))["student_ce"].backward()
        optimiser.step()
    p = extras.distribution.probabilities()["network"]
    assert p[1] > 0.7
    assert extras.distribution.likeliest() == members[1]


def test_the_architecture_loss_by_hand_and_at_uniform(pair: Callable[..., Pair]) -> None:
    method, two, extras = built(pair, sampling="trained", architecture_weight=2.5)
    assert extras.distribution is not None and extras.capacity is not None
    assert loss(method, two, extras, at(0))["architecture"].item() == pytest.approx(0, abs=1e-9)
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(method, two, extras, at(0))["architecture"].item() == pytest.approx(0, abs=1e-9)
    extras.distribution.theta["stage2_width"].data = torch.tensor([-1.0, 1.0])
    mean, even = extras.capacity(extras.distribution.probabilities()), extras.capacity.uniform()
    assert mean > 1.02 * even
    expected = 2.5 * (mean.log() - even.log()).item() ** 2
    assert loss(method, two, extras, at(0))["architecture"].item() == pytest.approx(expected, rel=1e-5)
    watched = method.metrics(extras, MetricsContext("epoch"))
    assert watched["mean_parameters"].item() == mean.item()
    assert watched["entropy"].item() == extras.distribution.entropy().item()


@pytest.mark.parametrize("towards", [-1.5, 1.5])
def test_the_architecture_loss_alone_pulls_the_mean_back(pair: Callable[..., Pair], towards: float) -> None:
    _, _, extras = built(pair, sampling="trained")
    assert extras.distribution is not None and extras.capacity is not None
    for theta in extras.distribution.theta.values():
        theta.data = towards * torch.tensor([-1.0, 1.0])  # the options of this space are in rising order
    optimiser = torch.optim.SGD(extras.distribution.parameters(), lr=5.0)
    deviations = []
    for _ in range(100):
        optimiser.zero_grad()
        deviation = extras.deviation()
        deviation.backward()
        optimiser.step()
        deviations.append(deviation.item())
    assert deviations[0] > 0.02
    assert deviations[-1] < 0.01 * deviations[0]
    mean = extras.capacity(extras.distribution.probabilities())
    assert mean.item() == pytest.approx(extras.capacity.uniform().item(), rel=0.03)
