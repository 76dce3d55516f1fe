"""DML against NumPy, by hand, and step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from didact import data
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.step import advance
from didact.engine.tally import Tally
from didact.engine.teach import TeacherOutputs
from didact.method import Clock, Method, Pair, StepContext
from didact.nets import create
from didact.nets.blocks import BlockNet
from didact.peers import dml
from didact.seeds import seeded, stream
from didact.spec import SpecError, choose
from didact.tensors import Batch, Outputs

random = np.random.default_rng(0)
Array = np.ndarray[Any, np.dtype[np.float64]]


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def kl(p: Array, q: Array) -> float:
    return float((p * np.log(p / q)).sum(1).mean())


def test_by_hand() -> None:
    """Own (1/2, 1/2); a peer (3/4, 1/4): KL = 3/4 log(3/2) + 1/4 log(1/2); a peer that says the same adds nothing."""
    own, peer = torch.zeros(1, 2), torch.tensor([[3.0, 1.0]]).log()
    expected = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert float(dml.loss(own, [peer])) == pytest.approx(expected, rel=1e-6)
    assert float(dml.loss(own, [peer, own, peer])) == pytest.approx(2 * expected, rel=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_against_numpy(temperature: float) -> None:
    z = random.normal(size=(4, 7, 11)) * 3
    expected = temperature**2 * sum(kl(softmax(p / temperature), softmax(z[0] / temperature)) for p in z[1:])
    own, *peers = torch.tensor(z).unbind()
    assert float(dml.loss(own, peers, temperature)) == pytest.approx(expected, rel=1e-12)


def test_no_gradient_reaches_a_peer(slope: Callable[..., Array]) -> None:
    z, peer = random.normal(size=(3, 5)), torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    own = torch.tensor(z, requires_grad=True)
    dml.loss(own, [peer]).backward()
    assert peer.grad is None and own.grad is not None
    frozen = softmax(peer.detach().numpy())
    np.testing.assert_allclose(own.grad.numpy(), slope(lambda x: kl(frozen, softmax(x)), z), atol=1e-8)


def told(method: dml.DML, peers: int) -> dict[str, Tensor]:
    torch.manual_seed(1)
    own, *others = (Outputs(torch.randn(4, 5)) for _ in range(1 + peers))
    batch = Batch(torch.zeros(4, 1, 2, 2), torch.tensor([0, 1, 2, 3]), torch.arange(4))
    return method.terms(nn.Module(), StepContext(batch, own, None, Clock(0, 1, 0, 1, 0), stream(0), tuple(others)))


def test_terms_sum_or_average_over_peers() -> None:
    for peers in (1, 3):
        whole, mean = told(dml.DML(beta=0.5), peers), told(dml.DML(beta=0.5, over="mean"), peers)
        assert list(whole) == ["ce", "dml"]
        assert torch.equal(whole["ce"], mean["ce"])
        torch.testing.assert_close(whole["dml"], peers * mean["dml"])
        torch.testing.assert_close(told(dml.DML(), peers)["dml"], 2 * whole["dml"])
    torch.testing.assert_close(told(dml.DML(gamma=3.0), 1)["ce"], 3 * told(dml.DML(), 1)["ce"])


def learner(net: str, seed: int, method: Method) -> Learner:
    image = (1, 16, 16)
    with seeded(seed, net):
        made = create(net, 10, 1)
    extras = method.build(Pair(made, made.shapes(image), image, 10, torch.arange(40) % 10, 8))
    return Learner(label=f"{net}.{seed}", net=made, method=method, extras=extras, recipe=Recipe(batch_size=8), seed=seed)


def manual(nets: list[BlockNet], images: Tensor, labels: Tensor, turns: bool) -> None:
    """A step of plain PyTorch: CE + the KL from what the peers say, before anybody or after those before have moved."""
    before = [net(images).detach() for net in nets]
    statistics = [{k: b.clone() for k, b in net.named_buffers()} for net in nets]
    said = list(before)
    for i, net in enumerate(nets):
        optimiser = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        z = net(images)
        loss = functional.cross_entropy(z, labels)
        for j, peer in enumerate(said):
            if j != i:
                p = functional.log_softmax(peer, 1)
                loss = loss + functional.kl_div(functional.log_softmax(z, 1), p, reduction="batchmean", log_target=True)
        loss.backward()
        optimiser.step()
        if turns:
            said[i] = net(images).detach()
    for net, kept in zip(nets, statistics, strict=True):
        for key, buffer in net.named_buffers():  # those of a single pass
            buffer.copy_(kept[key])


@pytest.mark.parametrize("order", ["turns", "together"])
def test_a_step_of_three_networks(order: str) -> None:
    """Weights as by plain PyTorch; running statistics as after one look: looking again moves none."""
    batch = next(data.Loader(data.load(data.Data(per_class=2)), batch_size=8, data_seed=0).epoch(0))
    group = [
        learner(net, s, choose(Method, {"name": "dml", "order": order}))
        for s, net in enumerate(("resnet8", "resnet14", "resnet8"))
    ]
    nets = [create(net, 10, 1) for net in ("resnet8", "resnet14", "resnet8")]
    for one, net in zip(group, nets, strict=True):
        net.load_state_dict(one.net.state_dict())
        one.train_mode()
        net.train()
    advance(group, batch, TeacherOutputs(), 0, 1, {one.label: Tally(one.device) for one in group})
    manual(nets, batch.images, batch.labels, order == "turns")
    for one, net in zip(group, nets, strict=True):
        for (key, found), expected in zip(one.net.state_dict().items(), net.state_dict().values(), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6, msg=key)


def test_the_order_matters_and_is_a_setting() -> None:
    ends = []
    for order in ("turns", "together"):
        batch = next(data.Loader(data.load(data.Data(per_class=2)), batch_size=8, data_seed=0).epoch(0))
        group = [learner("resnet8", s, choose(Method, {"name": "dml", "order": order})) for s in (0, 1)]
        for one in group:
            one.train_mode()
        advance(group, batch, TeacherOutputs(), 0, 1, {one.label: Tally(one.device) for one in group})
        ends.append([one.net.state_dict()["head.classifier.weight"] for one in group])
    assert torch.equal(ends[0][0], ends[1][0])  # the first one sees the same
    assert not torch.equal(ends[0][1], ends[1][1])


def test_wrong_settings_are_refused() -> None:
    for wrong in ({"over": "max"}, {"order": "random"}, {"beta": -1}, {"temperature": 0}, {"betta": 1}):
        with pytest.raises(SpecError, match=next(iter(wrong))):
            choose(Method, {"name": "dml", **wrong})
