"""Shares of a batch; one process is not changed by what several would do."""

from __future__ import annotations

import pytest
import torch

from didact import launcher
from didact.engine.parallel.processes import ALONE, LEAST, Processes
from didact.tensors import Batch, Outputs


def batch(images: int, labelled: int | None = None) -> Batch:
    rows = torch.arange(images)
    pixels = rows.float()[:, None, None, None].expand(images, 1, 2, 2)
    return Batch(
        pixels,
        rows,
        rows,
        {"rotations": pixels.repeat_interleave(4, 0), "own": pixels},
        torch.eye(images),
        labelled,
    )


@pytest.mark.parametrize(("images", "size"), [(8, 2), (9, 2), (11, 4), (8, 4)])
def test_shares_hold_every_image_once_in_order(images: int, size: int) -> None:
    shares = [Processes(rank, size).share(batch(images, labelled=5)) for rank in range(size)]
    for what in ("images", "labels", "index", "soft"):
        whole = torch.cat([getattr(share.part, what) for share in shares])
        assert torch.equal(whole, getattr(shares[0].whole, what))
    for view in ("rotations", "own"):
        assert torch.equal(torch.cat([share.part.views[view] for share in shares]), shares[0].whole.views[view])
    assert sum(share.part.labelled or 0 for share in shares) == 5
    assert all(share.rows == tuple(len(one.part) for one in shares) for share in shares)
    assert max(shares[0].rows) - min(shares[0].rows) <= 1 and min(shares[0].rows) >= LEAST
    assert sum(share.weight for share in shares) == pytest.approx(size)


def test_a_batch_with_too_few_images_is_everyones() -> None:
    shares = [Processes(rank, 2).share(batch(3)) for rank in range(2)]
    assert [len(share.part) for share in shares] == [3, 3]
    assert [share.weight for share in shares] == [1, 1]
    assert [share.counts(whole=False) for share in shares] == [True, False]  # counted once
    own = Outputs(torch.zeros(3, 2))
    assert shares[1].gather(own) is own


def test_figures_count_once() -> None:
    shares = [Processes(rank, 2).share(batch(8)) for rank in range(2)]
    assert [share.counts(whole=False) for share in shares] == [True, True]
    assert [share.counts(whole=True) for share in shares] == [True, False]


def test_one_process_has_everything() -> None:
    whole = batch(8)
    share = ALONE.share(whole)
    assert share.part is whole and not share.rows and share.weight == 1 and share.counts(whole=True)
    gradient = torch.ones(2)
    ALONE.average([gradient])
    assert gradient.tolist() == [1, 1]
    assert ALONE.gather(3) == [3] and ALONE.agree(lambda: 4) == 4 and ALONE.device("cuda") == "cuda"
    assert Processes(3, 8, 1, 2).device("cuda") == "cuda:1"


def test_a_place_is_what_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in launcher.NAMES:
        monkeypatch.delenv(name, raising=False)
    assert launcher.place() == launcher.Place() and not launcher.follows()
    values = ("3", "8", "1", "2", "head", "29500")
    for name, value in zip(launcher.NAMES, values, strict=True):
        monkeypatch.setenv(name, value)
    assert launcher.place() == launcher.Place(3, 8, 1, 2) and launcher.follows()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert launcher.place() == launcher.Place()
    monkeypatch.setenv("WORLD_SIZE", "many")
    assert launcher.place() == launcher.Place()
