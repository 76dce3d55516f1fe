"""Mixed images and their targets: by hand, against the definition, and the same for everybody."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from didact.data import Data, Loader, Mixing, load, mixing_loader
from didact.data.mixing import Draw, draw, mixed, probabilities, rectangle
from didact.losses import cross_entropy
from didact.tensors import Batch

DATASET = load(Data(per_class=4))
BOTH = Mixing(mixup=1.0, cutmix=1.0, smoothing=0.1)


def batches(mixing: Mixing, *, epoch: int = 0, size: int = 16, seed: int = 0) -> list[Batch]:
    return list(mixing_loader(Loader(DATASET, batch_size=size, data_seed=seed), mixing, DATASET.classes).epoch(epoch))


def test_mixup_is_a_weighted_mean_of_partners() -> None:
    images = torch.arange(24.0).reshape(3, 2, 2, 2).contiguous(memory_format=torch.channels_last)
    drawn = Draw(torch.tensor([1, 2, 0]), 0.25)
    found = mixed(images, drawn)
    assert torch.allclose(found, 0.25 * images + 0.75 * images[[1, 2, 0]])
    assert found.is_contiguous(memory_format=torch.channels_last)
    soft = probabilities(torch.tensor([0, 1, 1]), 3, 0.0, drawn)
    assert soft.tolist() == [[0.25, 0.75, 0.0], [0.0, 1.0, 0.0], [0.75, 0.25, 0.0]]


def test_cutmix_puts_a_rectangle_of_the_partner_in() -> None:
    images = torch.stack([torch.zeros(1, 4, 4), torch.ones(1, 4, 4)])
    found = mixed(images, Draw(torch.tensor([1, 0]), 0.75, (0, 2, 1, 3)))
    assert found[0, 0].tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert torch.equal(found[1], 1 - found[0])
    assert images[0].sum() == 0  # what came is left as it was


@pytest.mark.parametrize(
    ("share", "y", "x", "box"),
    [(0.75, 4, 4, (2, 6, 2, 6)), (0.75, 0, 7, (0, 2, 5, 8)), (1.0, 3, 3, (3, 3, 3, 3)), (0.0, 4, 4, (0, 8, 0, 8))],
)
def test_the_rectangle_has_the_area_and_ends_at_the_border(
    share: float, y: int, x: int, box: tuple[int, int, int, int]
) -> None:
    assert rectangle(share, y, x, 8, 8) == box


def test_a_share_is_what_is_left_of_the_image() -> None:
    for batch in range(40):
        drawn = draw(Mixing(cutmix=1.0), (6, 8, 10), 3, 1, batch)
        assert drawn.box is not None
        images = torch.zeros(6, 1, 8, 10)
        images[drawn.order[0]] = 1
        images[0] = 0
        kept = 1 - float(mixed(images, drawn)[0].mean()) if drawn.order[0] else drawn.share
        assert kept == pytest.approx(drawn.share)


def test_shares_follow_the_beta_distribution() -> None:
    """Mean 1/2, variance 1 / (4 (2 alpha + 1)); both kinds come, each about as often."""
    shares = torch.tensor([draw(Mixing(mixup=0.4), (2, 4, 4), 0, 0, batch).share for batch in range(1500)])
    assert shares.mean().item() == pytest.approx(0.5, abs=0.03)
    assert shares.var().item() == pytest.approx(1 / (4 * 1.8), rel=0.1)
    kinds = [draw(BOTH, (2, 4, 4), 0, 0, batch).box is None for batch in range(400)]
    assert 150 < sum(kinds) < 250


def test_the_numbers_of_today_are_those_of_tomorrow() -> None:
    drawn = draw(Mixing(mixup=0.2), (5, 8, 8), 7, 3, 2)
    assert drawn.share == pytest.approx(0.03769305205374217, abs=1e-12)
    assert drawn.order.tolist() == [1, 0, 2, 4, 3]


def test_smoothed_labels_are_torchs() -> None:
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    soft = probabilities(labels, 4, 0.1)
    assert soft.sum(1).tolist() == pytest.approx([1.0] * 6)
    expected = functional.cross_entropy(logits, labels, label_smoothing=0.1)
    assert cross_entropy(logits, soft).item() == pytest.approx(expected.item(), rel=1e-5)


def test_batches_are_the_same_whenever_they_are_asked_for() -> None:
    first, again = batches(BOTH, epoch=1), batches(BOTH, epoch=1)
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a.images, b.images) for a, b in zip(first, batches(BOTH, epoch=2), strict=True))
    assert not any(torch.equal(a.images, b.images) for a, b in zip(first, batches(BOTH, epoch=1, seed=1), strict=True))


def same(a: Batch, b: Batch) -> bool:
    pairs: list[tuple[Tensor, Tensor]] = [
        (a.images, b.images),
        (a.labels, b.labels),
        (a.targets, b.targets),
        (a.index, b.index),
    ]
    return all(torch.equal(x, y) for x, y in pairs)


def test_a_mixed_image_has_the_label_of_the_larger_share() -> None:
    plain = batches(Mixing())
    for epoch in range(3):
        for batch, own in zip(batches(Mixing(mixup=1.0), epoch=epoch), batches(Mixing(), epoch=epoch), strict=True):
            assert torch.equal(batch.index, own.index)
            assert batch.soft is not None
            assert torch.equal(batch.soft.argmax(1), batch.labels)
            assert torch.allclose(batch.soft.sum(1), torch.ones(len(batch)))
    assert all(batch.soft is None and batch.targets is batch.labels for batch in plain)


def test_smoothing_alone_leaves_images_and_labels() -> None:
    for batch, own in zip(batches(Mixing(smoothing=0.1)), batches(Mixing()), strict=True):
        assert torch.equal(batch.images, own.images)
        assert torch.equal(batch.labels, own.labels)
        assert torch.equal(batch.targets, probabilities(own.labels, 10, 0.1))


def test_the_smallest_last_batch_is_mixed_and_a_single_image_is_not() -> None:
    assert [len(batch) for batch in batches(BOTH, size=38)] == [38, 2]
    assert [len(batch) for batch in batches(BOTH, size=39)] == [39]
    with pytest.raises(ValueError, match="found a batch of a single image"):
        mixed(torch.zeros(1, 1, 2, 2), Draw(torch.tensor([0]), 0.5))
