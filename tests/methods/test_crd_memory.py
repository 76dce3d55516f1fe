"""CRD's memory: two whole steps against NumPy, the negatives, its first values, its state."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from didact.method import Clock, Pair, StepContext
from didact.methods import crd
from didact.seeds import seeded, stream
from didact.tensors import Batch, Outputs

random = np.random.default_rng(5)

SAMPLES, CLASSES, OWN, OTHER = 12, 3, 5, 7
LABELS = torch.arange(SAMPLES) % CLASSES


def memory(labels: Tensor = LABELS, width: int = 4, classes: int = CLASSES) -> crd.Memory:
    with seeded(0, "extras"):
        return crd.Memory(OWN, OTHER, width, labels, classes).double()


def told(own: Tensor, other: Tensor, index: Tensor, generator: torch.Generator | None = None) -> StepContext:
    return StepContext(
        Batch(torch.zeros(len(index), 3, 8, 8), LABELS[index], index),
        own=Outputs(logits=torch.zeros(len(index), CLASSES, dtype=own.dtype), pooled=own),
        teacher=Outputs(pooled=other),
        clock=Clock(0, 1, 0, 1, 0),
        random=generator or stream(0),
    )


def vectors(batch: int) -> tuple[Tensor, Tensor]:
    return torch.tensor(random.normal(size=(batch, OWN))), torch.tensor(random.normal(size=(batch, OTHER)))


class Reference:
    """The step in NumPy, from the embeddings' parameters and the banks of a memory."""

    def __init__(self, extras: crd.Memory) -> None:
        state = {k: v.numpy().copy() for k, v in extras.state_dict().items()}
        self.layers = [(state[f"embed_{k}.weight"], state[f"embed_{k}.bias"]) for k in "st"]
        self.banks = [state["bank_s"], state["bank_t"]]
        self.z: list[float] | None = None

    def step(self, vectors: list[np.ndarray], candidates: np.ndarray, temperature: float = 0.07) -> float:
        """The sum of both directions; keeps ``z``, ``scores`` and the ``embeddings``, leaves the banks alone."""
        raw = [x @ weight.T + bias for x, (weight, bias) in zip(vectors, self.layers, strict=True)]
        self.embeddings = [e / np.sqrt((e**2).sum(1, keepdims=True)) for e in raw]
        self.scores = []
        for anchors, bank in zip(self.embeddings, self.banks[::-1], strict=True):
            each = [[np.exp(bank[j] @ e / temperature) for j in row] for e, row in zip(anchors, candidates, strict=True)]
            self.scores.append(np.array(each))
        if self.z is None:
            self.z = [float(s.mean()) * len(self.banks[0]) for s in self.scores]
        self.scores = [s / z for s, z in zip(self.scores, self.z, strict=True)]
        return sum(self.nce(s) for s in self.scores)

    def nce(self, scores: np.ndarray) -> float:
        noise = (scores.shape[1] - 1) / len(self.banks[0])
        shares = np.log(noise / (scores + noise + 1e-7))
        shares[:, 0] += np.log(scores[:, 0] / noise)
        return -shares.sum(1).mean()

    def update(self, index: np.ndarray, momentum: float = 0.5) -> None:
        for bank, anchors in zip(self.banks, self.embeddings, strict=True):
            for i, e in zip(index, anchors, strict=True):
                moved = momentum * bank[i] + (1 - momentum) * e
                bank[i] = moved / np.sqrt(moved @ moved)


@pytest.mark.parametrize("negatives", [1, 24])  # rows of the bank are gathered; products with the whole bank
@pytest.mark.parametrize(("temperature", "momentum"), [(0.07, 0.5), (0.5, 0.0)])
def test_two_steps_against_numpy(slope: Callable, negatives: int, temperature: float, momentum: float) -> None:
    extras, generator, twin = memory(), stream(0), stream(0)
    method = crd.CRD(beta=2.0, width=4, negatives=negatives, contrast_temperature=temperature, momentum=momentum)
    expected = Reference(extras)
    for index in (torch.tensor([3, 7, 1, 10]), torch.tensor([5, 7, 0])):
        own, other = (x.requires_grad_() for x in vectors(len(index)))
        given = [own.detach().numpy(), other.detach().numpy()]
        drawn = extras.negatives(LABELS[index], negatives, twin)
        candidates = torch.cat([index[:, None], drawn], 1).numpy()
        found = method.terms(extras, told(own, other, index, generator))
        assert set(found) == {"ce", "contrast"}
        assert found["contrast"].item() == pytest.approx(2 * expected.step(given, candidates, temperature), rel=1e-9)
        found["contrast"].backward()
        # from here on Z is a constant: the call above has set it
        step = functools.partial(expected.step, candidates=candidates, temperature=temperature)
        slopes = [slope(lambda x, s=step, g=given: 2 * s([x, g[1]]), given[0])]
        slopes += [slope(lambda x, s=step, g=given: 2 * s([g[0], x]), given[1])]
        np.testing.assert_allclose(own.grad, slopes[0], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(other.grad, slopes[1], rtol=1e-5, atol=1e-7)
        expected.step(given, candidates, temperature)
        expected.update(index.numpy(), momentum)
        np.testing.assert_allclose(extras.log_z.exp(), expected.z, rtol=1e-12)
        np.testing.assert_allclose(extras.bank_s, expected.banks[0], rtol=1e-12)
        np.testing.assert_allclose(extras.bank_t, expected.banks[1], rtol=1e-12)
    assert torch.equal(generator.get_state(), twin.get_state())


def test_terms_are_the_loss_of_the_scores() -> None:
    extras, index = memory(), torch.tensor([3, 7, 1])
    own, other = vectors(3)
    expected = Reference(extras)
    found = crd.CRD(width=4, negatives=9).terms(extras, told(own, other, index))
    candidates = torch.cat([index[:, None], extras.negatives(LABELS[index], 9, stream(0))], 1)
    expected.step([own.numpy(), other.numpy()], candidates.numpy())
    ps, pt = (torch.tensor(s) for s in expected.scores)
    assert found["contrast"].item() == pytest.approx(0.8 * crd.loss(ps, pt, SAMPLES).item(), rel=1e-10)


# ------------------------------------------------------------------------------------------------ negatives


def test_negatives_are_drawn_evenly_from_the_other_classes() -> None:
    labels = torch.tensor([2, 0, 0, 3, 2, 2, 0, 5, 3, 2])  # classes 1 and 4 have no image
    extras = memory(labels, classes=6)
    for label in (0, 2, 3, 5, 1):
        drawn = extras.negatives(torch.tensor([label]), 20000, stream(label))[0]
        assert not (labels[drawn] == label).any()
        others = (labels != label).nonzero()[:, 0]
        share = torch.bincount(drawn, minlength=10)[others] / len(drawn)
        assert (share * len(others) - 1).abs().max() < 0.1  # 4.7 standard deviations of a share of 1/10


def test_negatives_have_the_learners_own_stream() -> None:
    extras = memory()
    torch.manual_seed(1)
    first = extras.negatives(LABELS[:4], 8, stream(3))
    torch.manual_seed(2)
    generator = stream(3)
    assert torch.equal(first, extras.negatives(LABELS[:4], 8, generator))
    assert not torch.equal(first, extras.negatives(LABELS[:4], 8, generator))
    assert first.shape == (4, 8) and first.dtype == torch.long


def test_a_draw_does_not_walk_over_all_images(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.arange(1_300_000) % 1000
    extras = crd.Memory(2, 2, 1, labels, 1000)
    sizes: list[int] = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            out = func(*args, **(kwargs or {}))
            sizes.append(out.numel() if isinstance(out, Tensor) else 0)
            return out

    with Watch():
        drawn = extras.negatives(labels[:3], 50, stream(0))
    assert max(size for size in sizes if size != len(labels)) == 150
    assert sizes.count(len(labels)) <= 1  # the attribute itself
    assert not (labels[drawn] == labels[:3, None]).any()


@pytest.mark.parametrize("labels", [torch.zeros(6, dtype=torch.long), torch.full((6,), 2)])
def test_a_single_class_is_refused(pair: Callable[..., Pair], labels: Tensor) -> None:
    two = dataclasses.replace(pair("resnet20", "resnet8"), labels=labels)
    with pytest.raises(ValueError, match="different classes, and the 6 training images are of 1: keep images of two"):
        crd.CRD().build(two)


# ------------------------------------------------------------------------------------------------ memory


def test_memory_at_first(pair: Callable[..., Pair]) -> None:
    two = pair("wrn_16_2", "shufflenet_v1")
    extras = crd.CRD().build(two)
    assert isinstance(extras, crd.Memory)
    for bank in (extras.bank_s, extras.bank_t):
        assert bank.shape == (two.samples, 128) and bank.dtype == torch.float32
        assert 0.99 < bank.abs().max() / (128 / 3) ** -0.5 <= 1
        assert bank.pow(2).sum(1).mean() == pytest.approx(1, abs=0.05)
    assert two.teacher_shapes is not None
    assert extras.embed_s.in_features == two.shapes.pooled[0]
    assert extras.embed_t.in_features == two.teacher_shapes.pooled[0]
    names = {"embed_s.weight", "embed_s.bias", "embed_t.weight", "embed_t.bias", "bank_s", "bank_t", "log_z", "started"}
    assert set(extras.state_dict()) == names


def test_built_on_the_meta_device_from_labels_on_the_cpu(pair: Callable[..., Pair]) -> None:
    two = pair("resnet20", "resnet8")
    with torch.device("meta"):
        extras = crd.CRD().build(two)
    assert isinstance(extras, crd.Memory)
    assert extras.bank_s.is_meta and extras.embed_s.weight.is_meta
    assert extras.bank_s.nbytes + extras.bank_t.nbytes == 2 * two.samples * 128 * 4


def test_a_saved_memory_goes_on_the_same() -> None:
    method, first, generator = crd.CRD(width=4, negatives=9), memory(), stream(0)
    batches = [(*vectors(3), torch.tensor(index)) for index in ([0, 4, 8], [1, 5, 8], [2, 4, 11])]
    method.terms(first, told(*batches[0], generator))
    assert first.started
    state, drawn = {k: v.clone() for k, v in first.state_dict().items()}, generator.get_state()
    expected = [method.terms(first, told(*batch, generator))["contrast"] for batch in batches[1:]]
    with seeded(1, "other"):
        second = crd.Memory(OWN, OTHER, 4, LABELS, CLASSES).double()
    second.load_state_dict(state)
    generator.set_state(drawn)
    again = [method.terms(second, told(*batch, generator))["contrast"] for batch in batches[1:]]
    assert all(torch.equal(a, b) for a, b in zip(expected, again, strict=True))
    assert torch.equal(second.log_z, state["log_z"])
    assert all(torch.equal(v, first.state_dict()[k]) for k, v in second.state_dict().items())


def test_only_rows_of_the_batch_move() -> None:
    extras = memory()
    before = extras.bank_s.clone(), extras.bank_t.clone()
    crd.CRD(width=4, negatives=9).terms(extras, told(*vectors(2), torch.tensor([2, 9])))
    for bank, old in zip((extras.bank_s, extras.bank_t), before, strict=True):
        moved = (bank != old).any(1)
        assert moved.nonzero()[:, 0].tolist() == [2, 9]
        torch.testing.assert_close(bank[moved].norm(dim=1), torch.ones(2).double())


@pytest.mark.parametrize("temperature", [0.07, 0.005])
def test_zero_vectors_and_half_precision_stay_finite(temperature: float) -> None:
    extras = memory().float()
    torch.nn.init.zeros_(extras.embed_s.bias)
    own, other = torch.zeros(1, OWN, requires_grad=True), torch.randn(1, OTHER)
    method = crd.CRD(width=4, negatives=20, contrast_temperature=temperature)
    for index in ([4], [4], [5]):
        with torch.autocast("cpu", torch.bfloat16):
            value = method.terms(extras, told(own, other, torch.tensor(index)))["contrast"]
        value.backward()
        assert value.dtype == torch.float32 and value.isfinite()
    assert own.grad is not None and not own.grad.any()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in extras.parameters())
    assert extras.bank_s.isfinite().all() and extras.bank_t.isfinite().all()
