"""Random erasing: where and how much, the same in every batch size, and who refuses it."""

from dataclasses import replace

import pytest
import torch

from didact import plan
from didact.data import Data, Loader, load
from didact.data.erasing import AREA, Rectangles, draw_rectangles, erased
from didact.spec import SpecError, digest, from_json, to_json

DATA = Data(per_class=10, erase=0.5)


def test_a_rectangle_of_an_image_is_zero() -> None:
    drawn = draw_rectangles(400, 1.0, 3, 0)
    found = erased(torch.ones(400, 2, 32, 24), drawn)
    assert torch.equal(found[:, 0], found[:, 1])
    gone = found[:, 0] == 0
    rows, columns = gone.any(2), gone.any(1)
    assert torch.equal(gone, rows[:, :, None] & columns[:, None])  # a rectangle
    share = gone.float().mean((1, 2))
    assert AREA[0] - 0.02 < float(share.min()) < float(share.max()) < AREA[1] + 0.05
    assert abs(float(share.mean()) - sum(AREA) / 2) < 0.03
    nothing = Rectangles(torch.zeros(400, dtype=torch.bool), drawn.numbers)
    assert bool(erased(torch.ones(400, 2, 32, 24), nothing).all())


def test_as_many_images_as_asked_for_and_others_in_the_next_epoch() -> None:
    first, second = draw_rectangles(4000, 0.25, 0, 0), draw_rectangles(4000, 0.25, 0, 1)
    assert abs(float(first.chosen.float().mean()) - 0.25) < 0.03
    assert not torch.equal(first.chosen, second.chosen)
    assert torch.equal(first.numbers, draw_rectangles(4000, 0.25, 0, 0).numbers)


def test_only_the_rectangle_differs_whatever_the_batch() -> None:
    dataset, plain = load(DATA), load(replace(DATA, erase=None))
    images = {}
    for name, data, size in (("plain", plain, 10), ("large", dataset, 50), ("small", dataset, 7)):
        batches = list(Loader(data, batch_size=size, data_seed=1, renderings={"own": 5}).epoch(2))
        index = torch.cat([batch.index for batch in batches])
        images[name] = dict(zip(index.tolist(), torch.cat([batch.images for batch in batches]), strict=True))
        if name == "large":
            assert any(not torch.equal(batch.images, batch.views["own"]) for batch in batches)
    changed = 0
    for row, image in images["small"].items():
        assert torch.equal(image, images["large"][row])
        where = image != images["plain"][row]
        assert not image[where].any()
        changed += bool(where.any())
    assert 30 < changed < 70


def test_what_a_run_holds_and_who_refuses_it() -> None:
    assert from_json(Data, to_json(DATA)) == DATA
    assert digest(replace(DATA, erase=None)) == digest(Data(per_class=10))
    for wrong in (0, 1.5, "much"):
        with pytest.raises(SpecError, match="erase"):
            from_json(Data, {"name": "digits", "erase": wrong})
    with pytest.raises(SpecError, match=r"data\.erase: the view 'rotations'"):
        Loader(load(DATA), batch_size=10, data_seed=0, views=frozenset({"rotations"}))
    asked = {
        "net": "resnet8",
        "teacher": {"net": "resnet8"},
        "data": {"name": "digits", "erase": 0.1},
        "recipe": {"epochs": 1},
    }
    assert plan(asked | {"method": "kd"}, "cpu")[0].teacher.data.erase == 0.1  # type: ignore[union-attr]
