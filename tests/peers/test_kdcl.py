"""KDCL's targets against NumPy and by hand, its weights against what defines them, and its own images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from didact import data
from didact.method import Clock, HeldOut, Pair, StepContext
from didact.nets import create
from didact.peers import kdcl
from didact.request.plan import plan
from didact.seeds import stream
from didact.spec import SpecError, choose
from didact.tensors import Batch, Outputs

random = np.random.default_rng(0)
Array = np.ndarray[Any, np.dtype[np.float64]]


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def errors(z: Array, labels: Array) -> Array:
    return -np.log(softmax(z)[np.arange(len(labels)), labels])


def drawn(networks: int, images: int = 16, classes: int = 7, scale: float = 3.0) -> tuple[Array, Any]:
    """Logits of networks that agree in part, and labels of which they know something."""
    labels = random.integers(classes, size=images)
    z = scale * (random.normal(size=(images, classes)) + random.normal(size=(networks, images, classes)))
    z[:, np.arange(images), labels] += scale * random.random(size=(networks, 1))
    return z, labels


def target(z: Array, labels: Any, how: kdcl.How, weights: Tensor | None = None) -> Array:
    return kdcl.target([torch.tensor(one) for one in z], torch.tensor(labels), how, weights).numpy()


def test_targets_by_hand() -> None:
    """Two networks, three classes, true classes 0 and 2. The first is nearer the truth in the first image, the second in the
    second."""
    z = np.array([[[2.0, 0.0, 1.0], [3.0, 1.0, 0.0]], [[1.0, 1.0, 2.0], [0.0, 4.0, 4.0]]])
    labels = np.array([0, 2])
    assert target(z, labels, "naive").tolist() == [[2, 0, 1], [0, 4, 4]]
    assert target(z, labels, "minlogit").tolist() == [[0, -2, -1], [-4, 0, 0]]
    assert target(z, labels, "mean").tolist() == [[1.5, 0.5, 1.5], [1.5, 2.5, 2.0]]
    assert target(z, labels, "general", torch.tensor([2.0, -1.0])).tolist() == [[3, -1, 0], [6, -2, -4]]


@pytest.mark.parametrize("networks", [2, 3, 5])
def test_targets_against_numpy(networks: int) -> None:
    z, labels = drawn(networks)
    rows = np.arange(len(labels))
    best = np.stack([errors(one, labels) for one in z]).argmin(0)
    np.testing.assert_array_equal(target(z, labels, "naive"), z[best, rows])
    np.testing.assert_array_equal(target(z, labels, "minlogit"), (z - z[:, rows, labels][:, :, None]).min(0))
    np.testing.assert_allclose(target(z, labels, "mean"), z.mean(0))


@pytest.mark.parametrize("networks", [2, 3, 5])
@pytest.mark.parametrize("scale", [0.5, 3.0, 30.0])
def test_linear_weights_are_the_best_convex_ones(networks: int, scale: float) -> None:
    """At the minimum over the simplex the error has the same slope for all weights that are not 0, and no smaller for those."""
    for _ in range(5):
        z, labels = drawn(networks, images=64, classes=20, scale=scale)
        weights = kdcl.linear(torch.tensor(z), torch.tensor(labels))
        assert weights.dtype == torch.float64
        w = weights.numpy()
        assert w.sum() == pytest.approx(1) and (w >= 0).all()
        p = softmax(np.tensordot(w, z, 1))
        slopes = ((p * z).sum(2) - z[:, np.arange(64), labels]).mean(1)
        assert w @ slopes - slopes.min() < 1e-4 * scale
        np.testing.assert_allclose(target(z, labels, "linear"), np.tensordot(w, z, 1))


def test_linear_by_a_grid() -> None:
    z, labels = drawn(2, images=32)
    grid = np.linspace(0, 1, 2001)
    best = min(grid, key=lambda w: errors(w * z[0] + (1 - w) * z[1], labels).mean())
    found = kdcl.linear(torch.tensor(z), torch.tensor(labels))[0]
    assert float(found) == pytest.approx(best, abs=5e-4)


def test_linear_takes_the_better_network_where_mixing_does_not_help() -> None:
    labels = np.arange(4)
    right = 5 * np.eye(4)
    assert kdcl.linear(torch.tensor(np.stack([-right, right])), torch.tensor(labels)).tolist() == pytest.approx(
        [0, 1], abs=1e-5
    )
    assert kdcl.linear(torch.tensor(np.stack([right, right, right])), torch.tensor(labels)).sum() == pytest.approx(1)


@pytest.mark.parametrize("networks", [2, 4])
def test_general_weights_against_numpy(networks: int) -> None:
    z, labels = drawn(networks, images=50)
    wrong = softmax(z) - np.eye(7)[labels]
    c = np.einsum("inc,jnc->ij", wrong, wrong) / 50
    w = np.linalg.inv(c).sum(1) / np.linalg.inv(c).sum()
    np.testing.assert_allclose(kdcl.general(torch.tensor(z), torch.tensor(labels)), w, rtol=1e-8)
    twice = kdcl.general(torch.tensor(np.stack([z[0], z[0]])), torch.tensor(labels))
    np.testing.assert_allclose(twice, [0.5, 0.5])  # a singular matrix


def test_the_target_is_constant_and_the_loss_is_scaled() -> None:
    z, labels = drawn(2)
    own, peer = (torch.tensor(one, requires_grad=True) for one in z)
    for how in ("naive", "linear", "minlogit", "mean"):
        assert not kdcl.target([own, peer], torch.tensor(labels), how).requires_grad
    made = torch.tensor(z.mean(0), requires_grad=True)
    p, q = softmax(z.mean(0) / 2), softmax(z[0] / 2)
    value = kdcl.loss(own, made)
    value.backward()
    assert value.detach().item() == pytest.approx(4 * (p * np.log(p / q)).sum(1).mean())
    assert made.grad is None and own.grad is not None
    with pytest.raises(ValueError, match="takes the networks' weights"):
        kdcl.target([own, peer], torch.tensor(labels), "general")


@pytest.mark.parametrize("how", ["naive", "linear", "minlogit", "mean"])
def test_half_precision_is_widened(how: kdcl.How) -> None:
    z, labels = drawn(3)
    half = [torch.tensor(one).bfloat16() for one in z]
    with torch.autocast("cpu", torch.bfloat16):
        found = kdcl.target(half, torch.tensor(labels), how)
        value = kdcl.loss(half[0].requires_grad_(), found)
    assert found.dtype == value.dtype == torch.float32
    assert torch.equal(found, kdcl.target([one.float() for one in half], torch.tensor(labels), how))


def context(turn: int, z: list[Tensor], labels: Tensor) -> StepContext:
    batch = Batch(torch.zeros(len(labels), 1, 2, 2), labels, torch.arange(len(labels)))
    peers = tuple(Outputs(one) for i, one in enumerate(z) if i != turn)
    return StepContext(batch, Outputs(z[turn]), None, Clock(0, 1, 0, 1, 0), stream(0), peers, position=turn)


def test_all_of_a_group_have_one_target() -> None:
    """The group's order is the same for each of them."""
    z, labels = drawn(3)
    logits = [torch.tensor(one).float() for one in z]
    told = [context(turn, logits, torch.tensor(labels)) for turn in range(3)]
    assert all([o.logits is z for o, z in zip(one.group, logits, strict=True)] == [True] * 3 for one in told)
    method = kdcl.KDCL(target="linear", gamma=0.5, beta=2.0)
    made = kdcl.target(logits, torch.tensor(labels), "linear")
    for turn, one in enumerate(told):
        terms = method.terms(nn.Module(), one)
        assert list(terms) == ["ce", "kdcl"]
        torch.testing.assert_close(terms["kdcl"], 2 * kdcl.loss(logits[turn], made))
        assert float(terms["ce"]) == pytest.approx(0.5 * errors(z[turn], labels).mean(), rel=1e-5)


def test_general_remembers_the_weights_of_the_epoch() -> None:
    z, labels = drawn(2)
    net = create("resnet8", 10, 1)
    shapes = net.shapes((1, 16, 16))
    method = kdcl.KDCL(target="general")
    extras = method.build(Pair(net, shapes, (1, 16, 16), 10, torch.arange(10), 5, peers=(shapes,)))
    assert isinstance(extras, kdcl.Mixture) and extras.weights.tolist() == [0.5, 0.5]
    held = tuple(torch.tensor(one) for one in z)
    method.refresh(extras, HeldOut(held, torch.tensor(labels)))
    expected = kdcl.general(torch.stack(held), torch.tensor(labels)).float()
    assert torch.equal(extras.state_dict()["weights"], expected)
    assert not torch.equal(expected, torch.tensor([0.5, 0.5]))


# ------------------------------------------------------------------------------------------------ own images, held-out images


def test_needs_say_what_is_read() -> None:
    assert kdcl.KDCL().needs.own_images and not kdcl.KDCL().needs.held
    assert not kdcl.KDCL(images="shared").needs.own_images
    assert kdcl.KDCL(target="general").needs.held


def test_renderings_are_drawn_from_their_own_seeds() -> None:
    """The same images in the same order, cropped otherwise; no rendering depends on which others there are."""
    dataset = data.load(data.Data(name="digits", per_class=4))

    def epoch(**seeds: int) -> list[Batch]:
        return list(data.Loader(dataset, batch_size=16, data_seed=0, renderings=seeds).epoch(1))

    plain, both, one = epoch(), epoch(a=1, b=2), epoch(b=2)
    for p, ab, b in zip(plain, both, one, strict=True):
        assert torch.equal(p.images, ab.images) and torch.equal(p.index, ab.index)
        assert torch.equal(ab.views["b"], b.views["b"])
        assert not torch.equal(ab.views["a"], ab.views["b"]) and not torch.equal(ab.views["a"], ab.images)
    same = epoch(x=1)
    assert torch.equal(same[0].views["x"], both[0].views["a"])
    assert not torch.equal(
        next(iter(data.Loader(dataset, batch_size=16, data_seed=0, renderings={"x": 1}).epoch(2))).views["x"][:4],
        same[0].views["x"][:4],
    )


def test_general_asks_for_held_out_images() -> None:
    wanted = {"net": "resnet8", "peers": "resnet14", "method": {"name": "kdcl", "target": "general"}}
    with pytest.raises(SpecError, match=r"reads held-out images; set some aside, e.g. data.validation=0.1"):
        plan(wanted)
    (run,) = plan(wanted | {"data": {"name": "digits", "validation": 0.2}})
    assert {one.net for one in run.group} == {"resnet8", "resnet14"}


def test_wrong_settings_are_refused() -> None:
    for wrong in ({"target": "best"}, {"images": "none"}, {"temperature": 0}, {"beta": -1}, {"lambda": 1}):
        with pytest.raises(SpecError, match=next(iter(wrong))):
            choose(kdcl.Method, {"name": "kdcl", **wrong})


def test_general_weights_where_the_errors_cancel() -> None:
    """None is ever wrong, or two always in opposite ways: C^-1 1 is 0, and equal weights leave no error."""
    right = torch.tensor([[[400.0, 0.0], [0.0, 400.0]]] * 3)
    assert kdcl.general(right, torch.tensor([0, 1])).tolist() == [1 / 3] * 3
    assert torch.allclose(kdcl.general(right[:2], torch.tensor([1, 0])), torch.tensor(0.5).double())


@pytest.mark.parametrize("how", ["naive", "linear", "minlogit", "mean", "general"])
def test_a_class_that_all_networks_mask_stays_masked(how: kdcl.How) -> None:
    z, labels = torch.tensor(random.normal(size=(3, 5, 4))), torch.tensor([0, 1, 2, 3, 0])
    weights = torch.tensor([1.5, -0.5, 0.0], dtype=torch.float64) if how == "general" else None
    masked = torch.cat([z, torch.full((3, 5, 1), -torch.inf)], 2)
    found = kdcl.target(list(masked), labels, how, weights)
    assert (found[:, 4] == -torch.inf).all()
    torch.testing.assert_close(found[:, :4], kdcl.target(list(z), labels, how, weights))
    own = masked[0].clone().requires_grad_()
    kdcl.loss(own, found).backward()
    assert own.grad is not None and own.grad.isfinite().all()
