"""Images without labels among others: how many, which, what counts for them, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from didact.data import Data, DataError, Loader, PartlyLabelled, Streamed, available, epoch_batches, load
from didact.data.derived import unlabelled_rows
from didact.data.mixing import Mixing, mixing_loader
from didact.data.unlabelled import NONE
from didact.losses import cross_entropy
from didact.spec import SpecError, digest, from_json, to_json
from support.pictures import picture
from support.unlabelled import unlabelled


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return unlabelled(tmp_path, monkeypatch)


def named(folders: Path, **settings: object) -> Data:
    given = {"name": f"folder:{folders / 'flowers'}", "size": 8, "unlabelled": str(folders / "more")}
    return from_json(Data, given | settings)


def batches(data: Data, number: int = 0, **settings: Any) -> list[Any]:
    return list(PartlyLabelled(load(data), **{"batch_size": 8, "data_seed": 0} | settings).epoch(number))


def test_what_a_run_holds(folders: Path) -> None:
    data = named(folders)
    assert (data.unlabelled_images, data.unlabelled_share) == (7, 0.5)
    assert data.unlabelled is not None
    assert str(folders) not in str(to_json(data))
    assert from_json(Data, to_json(data)) == data
    assert digest(data) != digest(named(folders, unlabelled=None))
    assert data.label.endswith("50 % without labels")
    (folders / "more").rename(folders / "moved")
    assert named(folders, unlabelled=f"folder:{folders / 'moved'}") == data
    assert load(data).record()["unlabelled"] == {"images": 7}
    picture(folders / "moved" / "new.png")
    with pytest.raises(DataError, match="moved has changed"):
        load(data)


def test_a_share_of_nothing_is_as_before(folders: Path) -> None:
    plain = named(folders, unlabelled=None)
    assert named(folders, unlabelled_share=0) == plain
    assert digest(named(folders, unlabelled_share=0, unlabelled="nowhere")) == digest(plain)
    assert load(plain).unlabelled is None


def test_batches(folders: Path) -> None:
    found = batches(named(folders))
    assert [len(batch) for batch in found] == [8] * 4
    assert all(batch.labelled == 4 and batch.labels[4:].tolist() == [NONE] * 4 for batch in found)
    known = torch.cat([batch.index[:4] for batch in found])
    assert known.sort().values.tolist() == list(range(16))
    others = torch.cat([batch.index[4:] for batch in found]) - 16
    assert sorted(others[:4].unique().tolist()) == sorted(others[:4].tolist())  # whole batches of 4 out of 7
    assert (int(others.min()) >= 0, int(others.max()) < 7) == (True, True)
    again = batches(named(folders))
    assert all(torch.equal(a.images, b.images) and torch.equal(a.index, b.index) for a, b in zip(found, again, strict=True))
    assert not torch.equal(found[0].index[4:], found[1].index[4:])
    assert not torch.equal(found[0].images, batches(named(folders), 1)[0].images)
    assert found[0].images.is_contiguous(memory_format=torch.channels_last)


def test_the_labelled_part_is_what_it_would_be_alone(folders: Path) -> None:
    found = batches(named(folders, unlabelled_share=0.25))
    plain = list(Loader(load(named(folders, unlabelled=None)), batch_size=6, data_seed=0).epoch(0))
    for batch, other in zip(found, plain, strict=True):
        assert torch.equal(batch.images[: batch.labelled], other.images)
        assert torch.equal(batch.labels[: batch.labelled], other.labels)


def test_a_cross_entropy_is_the_mean_over_labels(folders: Path) -> None:
    batch = batches(named(folders, unlabelled_share=0.6))[-1]
    logits = torch.randn(len(batch), 2, requires_grad=True)
    loss = cross_entropy(logits, batch.targets)
    known = logits[: batch.labelled].detach().requires_grad_()
    expected = cross_entropy(known, batch.labels[: batch.labelled])
    assert torch.allclose(loss, expected)
    loss.backward()
    expected.backward()
    assert logits.grad is not None
    assert torch.allclose(logits.grad[: batch.labelled], known.grad)
    assert not logits.grad[batch.labelled :].any()


MIXING = Mixing(mixup=0.5, cutmix=1.0, smoothing=0.1)


def test_images_are_mixed_with_others_of_their_kind(folders: Path) -> None:
    """Each half is what it would be alone: mixtures of images with a label, and of images without."""
    data = named(folders)
    found = batches(data, mixing=MIXING)
    plain = mixing_loader(Loader(load(named(folders, unlabelled=None)), batch_size=4, data_seed=0), MIXING, 2)
    for batch, own, before in zip(found, plain.epoch(0), batches(data), strict=True):
        assert torch.equal(batch.images[:4], own.images)
        assert torch.equal(batch.labels[:4], own.labels)
        assert own.soft is not None
        assert batch.soft is not None
        assert torch.equal(batch.soft[:4], 2 * own.soft)
        assert not batch.soft[4:].any()
        assert batch.labels[4:].tolist() == [NONE] * 4
        assert not torch.equal(batch.images[4:], before.images[4:])
        assert torch.allclose(batch.images[4:].mean(), before.images[4:].mean(), atol=0.5)
        logits = torch.randn(8, 2)
        assert torch.allclose(cross_entropy(logits, batch.targets), cross_entropy(logits[:4], own.targets))
    again = batches(data, mixing=MIXING)
    assert all(torch.equal(one.images, two.images) for one, two in zip(found, again, strict=True))
    lonely = batches(named(folders, unlabelled_share=1), mixing=Mixing(mixup=0.5), batch_size=4)
    assert [(len(batch), batch.labelled) for batch in lonely] == [(4, 0), (3, 0)]


def test_only_images_without_labels(folders: Path) -> None:
    found = batches(named(folders, unlabelled_share=1), batch_size=4)
    assert [(len(batch), batch.labelled) for batch in found] == [(4, 0), (3, 0)]
    assert (torch.cat([batch.index for batch in found]).sort().values - 16).tolist() == list(range(7))
    logits = torch.randn(4, 2, requires_grad=True)
    loss = cross_entropy(logits, found[0].targets)
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_views_and_streams(folders: Path) -> None:
    shown = {"views": frozenset({"rotations"}), "renderings": {"own": 3}, "decoders": 0}
    stored, streamed = (batches(named(folders, decode=decode), **shown) for decode in ("once", "always"))
    assert isinstance(load(named(folders, decode="always")).unlabelled, Streamed)
    for one, two in zip(stored, streamed, strict=True):
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.views["rotations"][::4], one.images)
        assert one.views["own"].shape == one.images.shape
    crops = batches(named(folders, crop=6, augment="resized-crop-flip"))
    assert crops[0].images.shape == (8, 3, 6, 6)


def test_a_colour_data_set_that_is_built_in_would_do(folders: Path) -> None:
    data = from_json(Data, {"name": "cifar100", "unlabelled": str(folders / "more")})
    assert data.unlabelled_images == 7
    with pytest.raises(
        SpecError, match=r"unlabelled: its images get the shape of the others.*these are 1x16x16; use a data set"
    ):
        from_json(Data, {"name": "digits", "unlabelled": str(folders / "more")})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unlabelled": "/nowhere"}, "unlabelled: there is no folder /nowhere"),
        ({"unlabelled": ""}, "unlabelled: there is no folder"),
        ({"unlabelled_share": 1.5}, "unlabelled_share"),
        ({"unlabelled": None, "unlabelled_share": 0.3}, "there are none; write unlabelled=PATH"),
        ({"unlabelled": None, "unlabelled_images": 3}, "unlabelled_images: is filled in"),
    ],
)
def test_settings_that_cannot_be(folders: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        named(folders, **settings)


def test_files_that_cannot_be_decoded(folders: Path) -> None:
    (folders / "more" / "bad.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 8 images cannot be decoded: bad\.jpg is empty"):
        available([named(folders)])
    assert len(load(named(folders, skip_corrupt=True)).unlabelled or ()) == 7
    empty = folders / "empty"
    empty.mkdir()
    with pytest.raises(SpecError, match="holds no image"):
        named(folders, unlabelled=str(empty))
    with pytest.raises(SpecError, match="images without labels are added to others; write unlabelled="):
        from_json(Data, {"name": f"folder:{folders / 'more'}#*", "size": 8})


def test_numbers_of_a_batch() -> None:
    assert [unlabelled_rows(share, 8) for share in (0.01, 0.5, 0.99, 1.0)] == [1, 4, 7, 8]


@pytest.mark.parametrize(("share", "size"), [(0.25, 8), (0.5, 8), (0.5, 6), (1, 4), (1, 3)])
def test_the_length_of_an_epoch_is_known_before(folders: Path, share: float, size: int) -> None:
    data = named(folders, unlabelled_share=share)
    loader = PartlyLabelled(load(data), batch_size=size, data_seed=0)
    assert epoch_batches(data, size) == len(loader) == len(list(loader.epoch(0)))
