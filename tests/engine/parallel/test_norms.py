"""Statistics over all processes, from those of each: what others have is put in place of the exchange."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.engine.parallel import norms
from didact.engine.parallel.norms import SplitNorms, SyncedNorms, parts

SHARE, OTHER = torch.randn(3, 4, 5, 5) + 100, 3 * torch.randn(2, 4, 5, 5) + 100


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process has the images OTHER."""
    variance, mean = torch.var_mean(OTHER, (0, 2, 3), correction=0)

    def joined(part: Tensor, rows: Sequence[int]) -> Tensor:
        assert len(rows) == 2
        if part.shape[1] == 2:
            return torch.cat([part, torch.stack([OTHER.min(), OTHER.max()])[None]])
        return torch.cat([part, torch.cat([torch.tensor([50.0]), mean, variance]).double()[None]])

    monkeypatch.setattr(norms, "joined", joined)


@pytest.mark.parametrize("affine", [True, False])
def test_a_share_is_normalised_as_the_whole(affine: bool, two: None) -> None:
    whole, synced = (nn.BatchNorm2d(4, affine=affine) for _ in range(2))
    expected = whole(torch.cat([SHARE, OTHER]))
    with SyncedNorms(2):
        found = synced(SHARE)
    torch.testing.assert_close(found, expected[:3])
    torch.testing.assert_close(synced.running_mean, whole.running_mean)
    torch.testing.assert_close(synced.running_var, whole.running_var)
    assert synced.num_batches_tracked == 1


def test_the_gradient_is_that_of_the_whole(two: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a loss of both shares; the sums of the other share's gradients are put in place of the exchange."""
    weight, bias = torch.rand(4, requires_grad=True), torch.rand(4, requires_grad=True)
    x = torch.cat([SHARE, OTHER]).double().requires_grad_()
    pull = torch.randn_like(x)
    norm = F.batch_norm(x, None, None, weight.double(), bias.double(), True)
    expected = torch.autograd.grad(norm, x, pull)[0][:3]
    hat = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    others = torch.stack([pull[3:].sum((0, 2, 3)), (pull * hat)[3:].sum((0, 2, 3))]).detach()
    monkeypatch.setattr(norms, "summed", lambda own: own + others)
    share = SHARE.double().requires_grad_()
    with SyncedNorms(2):
        found = F.batch_norm(share, None, None, weight.double(), bias.double(), True)
    torch.testing.assert_close(torch.autograd.grad(found, share, pull[:3])[0], expected, rtol=1e-5, atol=1e-6)


def test_eval_mode_and_other_functions_are_left_alone(two: None) -> None:
    norm = nn.BatchNorm2d(4).eval()
    expected = norm(SHARE)
    with SyncedNorms(2):
        assert torch.equal(norm(SHARE), expected)
        assert torch.equal(F.relu(SHARE), F.relu(SHARE))
        assert SHARE.aminmax(dim=0).min.shape == (4, 5, 5)


def test_ranges_are_those_of_the_whole(two: None) -> None:
    """Quantised activations follow them."""
    with SyncedNorms(2):
        low, high = SHARE.aminmax()
    assert (low, high) == torch.cat([SHARE, OTHER]).aminmax()


def test_parts_of_a_batch_have_statistics_of_their_own() -> None:
    """Two rows of each image, of which two parts have 2 and 3; running statistics take in the mean of both."""
    x = torch.cat([SHARE, OTHER]).repeat_interleave(2, 0)
    assert parts(5, 2) == (2, 3)
    pieces = x.split([4, 6])
    norms = [nn.BatchNorm2d(4) for _ in range(3)]
    expected = [norm(piece) for norm, piece in zip(norms, pieces, strict=False)]
    with SplitNorms(5, 2):
        found = norms[2](x)
        assert torch.equal(norms[2].eval()(x), F.batch_norm(x, norms[2].running_mean, norms[2].running_var, eps=1e-5))
    torch.testing.assert_close(found, torch.cat(expected))
    for name in ("running_mean", "running_var"):
        one, other, both = (getattr(norm, name) for norm in norms)
        torch.testing.assert_close(both, (one + other) / 2)
