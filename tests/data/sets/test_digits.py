"""The embedded data set: its facts, its fixed split, its pixels."""

import hashlib
import json
from functools import cache

import pytest
import torch

from didact.data import Data, Loader, load
from didact.data.sets import digits
from didact.data.sets.digits import DATA_SET, enlarge


@cache
def whole():
    return load(Data())


def test_sizes_and_types():
    data = whole()
    assert (data.classes, data.image, data.names) == (10, (1, 16, 16), tuple("0123456789"))
    assert data.train.images.shape == (1000, 1, 16, 16)
    assert data.test.images.shape == (797, 1, 16, 16)
    assert data.train.images.dtype == torch.uint8
    assert data.train.labels.dtype == data.train.index.dtype == torch.int64
    assert data.train.labels.bincount().tolist() == [100] * 10
    assert data.train.images.max() == 255


def test_the_split_is_the_recorded_one():
    """A change here changes every result on digits."""
    train, test, _ = DATA_SET.read()
    content = b"".join(s.images.numpy().tobytes() + bytes(s.labels.tolist()) for s in (train, test))
    assert hashlib.sha256(content).hexdigest()[:16] == "d6e6524f53d71306"


def test_the_file_holds_what_scikit_learn_returns(monkeypatch: pytest.MonkeyPatch):
    values, labels = digits.published()
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    others, classes = digits.published()
    assert (values == others).all() and values.dtype == others.dtype
    assert (labels == classes).all() and labels.dtype == classes.dtype


def test_training_and_test_images_make_up_the_published_set():
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    published = enlarge(torch.from_numpy(values).float().unflatten(1, (8, 8)))
    data = whole()
    found = torch.cat([data.train.images, data.test.images]).flatten(1)
    assert sorted(map(bytes, found.numpy())) == sorted(map(bytes, published.flatten(1).numpy()))
    assert torch.equal(torch.cat([data.train.labels, data.test.labels]).bincount(), torch.from_numpy(labels).bincount())


def test_enlarging_by_hand():
    """Weights 3/4 and 1/4 along each side; at the border the nearest pixel alone."""
    values = torch.zeros(1, 8, 8)
    values[0, 0, 0], values[0, 0, 1] = 16, 8
    first = enlarge(values)[0, 0, 0].tolist()
    second = enlarge(values)[0, 0, 1].tolist()
    assert first[:5] == [255, round(255 * 0.875), round(255 * 0.625), round(255 * 0.375), round(255 * 0.125)]
    assert second[:2] == [round(255 * 0.75), round(255 * 0.75 * 0.875)]


def test_the_constants_are_those_of_the_training_images():
    data = whole()
    scaled = data.train.images.double() / 255
    assert scaled.mean().item() == pytest.approx(data.mean[0], abs=5e-5)
    assert scaled.std(unbiased=False).item() == pytest.approx(data.std[0], abs=5e-5)


def test_what_was_used_is_recorded_as_json():
    assert "index" not in whole().record()["train"]
    cut = load(Data(per_class=10, validation=0.2))
    assert cut.validation is not None
    record = json.loads(json.dumps(cut.record()))
    assert record["data"]["augment"] == "crop"
    assert record["order"] == whole().order
    assert (record["train"]["images"], record["validation"]["images"], record["test"]["images"]) == (80, 20, 797)
    rows = torch.tensor(record["validation"]["index"])
    assert torch.equal(whole().train.images[rows], cut.validation.images)
    assert torch.equal(whole().train.images[record["train"]["index"]], cut.train.images)


def test_the_first_batches_are_the_recorded_ones():
    data = whole()
    content = hashlib.sha256()
    for _, batch in zip(range(3), Loader(data, batch_size=64, data_seed=1).epoch(2), strict=False):
        pixels = ((batch.images * data.std[0] + data.mean[0]) * 255).round().to(torch.uint8)
        content.update(pixels.contiguous().numpy().tobytes() + bytes(batch.labels.tolist()))
    assert content.hexdigest()[:16] == "a2ba950885e57b2b"
