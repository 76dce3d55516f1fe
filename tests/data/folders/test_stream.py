"""Images that are decoded whenever they are shown: the same pixels for any number of workers, and what goes wrong."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from didact import Execution, Store, execute, plan
from didact.data import Data, DataError, Loader, Streamed, available, evaluation_batches, load
from didact.data.folders import Decoders, decoders
from didact.data.folders.crops import Photograph, cropped
from didact.data.resized_crop import boxes, draw_crop_rotations, draw_crops
from didact.engine.train import Listener
from didact.spec import SpecError, digest, from_json, to_json
from support.pictures import classes, photograph

VIEWS = frozenset({"rotations"})


@pytest.fixture
def flowers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "cache"))
    root = classes(tmp_path / "flowers", {"daisy": 6, "rose": 7}, height=20, width=24)
    for number in range(5):
        photograph(root / "rose" / f"photograph{number}.jpg", 90, 120, seed=number)
    return root


def named(folder: Path, **settings: object) -> Data:
    given = {"name": f"folder:{folder}", "size": 20, "crop": 16, "augment": "resized-crop-flip", "decode": "always"}
    return from_json(Data, given | settings)


def epoch(data: Data, number: int = 0, **settings: Any) -> list[Any]:
    return list(Loader(load(data), batch_size=5, data_seed=0, **settings).epoch(number))


def same(first: Any, second: Any) -> bool:
    return torch.equal(first.images, second.images) and first.views.keys() == second.views.keys()


def test_any_number_of_workers_gives_the_same_batches(flowers: Path) -> None:
    data = named(flowers)
    assert isinstance(load(data).train, Streamed)
    alone = epoch(data, 3, views=VIEWS, renderings={"other": 7}, decoders=0)
    state = torch.get_rng_state()
    for workers in (1, 2):
        shared = epoch(data, 3, views=VIEWS, renderings={"other": 7}, decoders=workers)
        for one, two in zip(alone, shared, strict=True):
            assert torch.equal(one.images, two.images)
            assert torch.equal(one.labels, two.labels)
            assert torch.equal(one.index, two.index)
            assert all(torch.equal(one.views[name], two.views[name]) for name in ("rotations", "other"))
    assert torch.equal(torch.get_rng_state(), state)
    assert alone[0].images.shape == (5, 3, 16, 16)
    assert alone[0].views["rotations"].shape == (20, 3, 16, 16)
    assert torch.equal(alone[0].views["rotations"][::4], alone[0].images)
    assert not torch.equal(alone[0].views["other"], alone[0].images)
    assert not torch.equal(alone[0].images, epoch(data, 4, decoders=0)[0].images)


def test_what_happens_to_an_image_depends_on_nothing_else(flowers: Path) -> None:
    dataset = load(named(flowers))
    small, large = (list(Loader(dataset, batch_size=size, data_seed=0, decoders=0).epoch(0)) for size in (5, 15))
    index = [torch.cat([batch.index for batch in batches]) for batches in (small, large)]
    pixels = [torch.cat([batch.images for batch in batches]) for batches in (small, large)]
    kept = index[1].argsort()
    assert torch.equal(pixels[0][index[0].argsort()], pixels[1][kept])


@pytest.mark.parametrize("augment", ["crop-flip", "crop", "none"])
def test_other_augmentations_are_those_of_stored_images(flowers: Path, augment: str) -> None:
    for crop in (None, 16):
        always = epoch(named(flowers, augment=augment, crop=crop), views=VIEWS, decoders=1)
        once = epoch(named(flowers, augment=augment, crop=crop, decode="once"), views=VIEWS)
        for one, two in zip(always, once, strict=True):
            assert torch.equal(one.images, two.images)
            assert torch.equal(one.views["rotations"], two.views["rotations"])


def test_tests_show_the_centre(flowers: Path) -> None:
    always, once = load(named(flowers)), load(named(flowers, decode="once"))
    assert always.image == (3, 16, 16)
    for name in ("train", "test"):
        one, two = (list(evaluation_batches(d, getattr(d, name), 4)) for d in (always, once))
        assert all(torch.equal(a.images, b.images) for a, b in zip(one, two, strict=True))
    whole = once.test.images[:, :, 2:18, 2:18] / 255
    shown = torch.cat([batch.images for batch in evaluation_batches(once, once.test)])
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (once.mean, once.std))
    assert torch.allclose(shown, (whole - mean) / std, atol=1e-6)


def test_part_of_the_images_and_a_validation_split(flowers: Path) -> None:
    dataset = load(named(flowers, fraction=0.8, validation=0.3))
    assert dataset.validation is not None
    (batch,) = Loader(dataset, batch_size=20, data_seed=0, decoders=0).epoch(0)
    assert torch.equal(batch.labels, dataset.train.labels[batch.index])
    assert len(batch) == len(dataset.train)
    assert not set(dataset.train.index.tolist()) & set(dataset.validation.index.tolist())
    pixels = dataset.train.take(torch.tensor([1, 0]))
    assert pixels.index.tolist() == dataset.train.index[:2].flip(0).tolist()


def test_the_setting_and_what_is_said(flowers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = named(flowers, decode=None)
    assert usual.decode is None
    assert digest(usual) == digest(named(flowers, decode="once"))
    assert "decode" not in to_json(usual) or to_json(usual)["decode"] is None
    told: list[str] = []
    available([named(flowers)], told.append)
    assert any(line.startswith("flowers: training images are decoded whenever they are shown (all") for line in told)
    assert any("all of them are read once before" in line for line in told)
    told.clear()
    available([named(flowers)], told.append)
    assert not any("read once" in line for line in told)
    monkeypatch.setattr("didact.data.folders.holds.LIMIT", 1000)
    large = named(flowers, decode=None)
    assert (large.decode, named(flowers, decode="once").decode) == ("always", "once")
    assert from_json(Data, to_json(large)) == large
    oblong = classes(flowers.parent / "oblong", {"a": 3, "b": 3}, height=4, width=8)
    with pytest.raises(SpecError, match="decode: always decodes to squares"):
        named(oblong, size=None, crop=None, augment="crop")
    with pytest.raises(SpecError, match="augment: resized-crop-flip makes squares, and the images are 4x8"):
        named(oblong, size=None, crop=None, decode=None)
    with pytest.raises(SpecError, match="crop: is cut from square images, and these are 4x8"):
        named(oblong, size=None, crop=4, decode=None)
    for wrong, message in (
        ({"crop": 21}, "crop: is cut from images of 20x20; write 20 or less"),
        ({"crop": 0}, "crop: "),
        ({"decode": "never"}, "decode"),
    ):
        with pytest.raises(SpecError, match=message):
            named(flowers, **wrong)
    with pytest.raises(SpecError, match="decode: is for a folder"):
        from_json(Data, {"name": "digits", "decode": "always"})
    assert from_json(Data, {"name": "digits", "crop": 16}) == Data()


def test_images_that_cannot_be_decoded_are_found_before(flowers: Path) -> None:
    (flowers / "rose" / "bad.png").write_bytes(b"no image")
    whole = (flowers / "rose" / "photograph0.jpg").read_bytes()
    (flowers / "rose" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cannot be decoded: rose/(bad|cut)") as error:
        available([named(flowers)])
    assert "leave them out with data.skip_corrupt=true" in str(error.value)
    dataset = load(named(flowers, skip_corrupt=True))
    assert len(list(Loader(dataset, batch_size=4, data_seed=0, decoders=0).epoch(0))) == len(dataset.train) // 4 + (
        len(dataset.train) % 4 > 1
    )


def test_faults_of_training_and_test_images_are_told_together(flowers: Path) -> None:
    for path in (*(flowers / "daisy").iterdir(), *(flowers / "rose").iterdir()):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="18 of 18 images cannot be decoded"):
        load(named(flowers))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_is_damaged_while_training(flowers: Path, workers: int) -> None:
    loader = Loader(load(named(flowers)), batch_size=5, data_seed=0, decoders=workers)
    for path in (flowers / "daisy").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"images cannot be decoded: .*daisy.* is empty"):
        list(loader.epoch(0))


def test_a_worker_that_is_killed(flowers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = Loader(load(named(flowers)), batch_size=5, data_seed=0, decoders=1)
    monkeypatch.setattr("didact.data.folders.jobs.cropped", lambda *_: os._exit(9))
    with pytest.raises(DataError, match="a process that decodes images ended early"):
        list(loader.epoch(0))


def test_pixels_are_sent_where_processes_share_no_memory(flowers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = epoch(named(flowers), decoders=1)
    monkeypatch.setattr("didact.data.folders.decoders.shares_memory", bool)
    monkeypatch.setattr("didact.data.folders.decoder.shares_memory", bool)
    assert all(same(one, two) for one, two in zip(shared, epoch(named(flowers), decoders=1), strict=True))


def test_memory_of_batches_is_used_again(flowers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is whole although decoders are ahead of it, and there are no more batches in memory than they may prepare."""
    given: list[tuple[int, int]] = []
    reserve = decoders.Slots.__init__
    monkeypatch.setattr(decoders.Slots, "__init__", lambda self, *sizes: (given.append(sizes), reserve(self, *sizes))[1])
    train = load(named(flowers)).train
    assert isinstance(train, Streamed)
    order = list(torch.randperm(len(train)).repeat(4).split(2))
    drawn = {"": draw_crops(len(train), 0, 0), "turns": draw_crop_rotations(draw_crops(len(train), 0, 0), 0, 0)}
    alone = [{name: one.clone() for name, one in made.items()} for made in train.batches(order, drawn, 16, Decoders(0))]
    for expected, made in zip(alone, train.batches(order, drawn, 16, Decoders(2)), strict=True):
        time.sleep(0.004)  # decoders get ahead as far as they may
        assert all(torch.equal(pixels, expected[name]) for name, pixels in made.items())
    assert len(alone) == len(order)
    assert given == [(1, 2 * 5 * 16 * 16 * 3), (5, 2 * 5 * 16 * 16 * 3)]


class Killed(Exception):
    pass


class Kill(Listener):
    def epoch_begins(self, epoch: int, *_: Any) -> None:
        if epoch == 2:
            raise Killed


def test_a_training_from_files_goes_on_where_it_was(flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed and continued it ends with the same weights, for any number of workers."""
    settings = {"size": 20, "crop": 16, "augment": "resized-crop-flip", "decode": "always"}
    request = {"net": "resnet8", "data": {"name": f"folder:{flowers}"} | settings, "recipe": {"epochs": 3, "batch_size": 4}}
    runs = plan(request, "cpu")
    (record,) = execute(runs, Store(tmp_path / "whole"), Execution(decoders=1)).records.values()
    expected = record.weights()[0]
    with monkeypatch.context() as patch:
        patch.setattr("didact.execution.work.Reporter", lambda *_: Kill())
        with pytest.raises(Killed):
            execute(runs, Store(tmp_path / "cut"), Execution(decoders=0))
    (again,) = execute(runs, Store(tmp_path / "cut"), Execution(decoders=0)).records.values()
    assert all(torch.equal(values, expected[name]) for name, values in again.weights()[0].items())


KILLED = """
import json, os, signal, sys
from didact import Execution, Store, execute, plan
from didact.data.folders import pixels, stream

request, store, where, count = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
module, name = {"cache": (pixels, "_put"), "training": (stream.Streamed, "_made")}[where]
original, calls = getattr(module, name), []

def counted(*given):
    calls.append(0)
    if len(calls) == count:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*given)

setattr(module, name, counted)
execute(plan(request, "cpu"), Store(store), Execution(decoders=2))
"""


@pytest.mark.slow
@pytest.mark.parametrize("decode", ["once", "always"])
def test_kill_minus_nine(flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decode: str) -> None:
    """Killed while images are decoded into the shared cache, and again in an epoch with decoders at work, it ends with the
    weights of one that was not.
    """
    settings = {"size": 20, "crop": 16, "augment": "resized-crop-flip", "decode": decode}
    request = {"net": "resnet8", "data": {"name": f"folder:{flowers}"} | settings, "recipe": {"epochs": 3, "batch_size": 4}}
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    for where, count in (("cache", 4), *([("training", 6)] if decode == "always" else [])):
        words = [sys.executable, "-c", KILLED, json.dumps(request), str(tmp_path / "cut"), where, str(count)]
        assert subprocess.run(words, env=environment, timeout=300, check=False).returncode == -signal.SIGKILL
    runs = plan(request, "cpu")
    (again,) = execute(runs, Store(tmp_path / "cut"), Execution(decoders=0)).records.values()
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "another cache"))
    (whole,) = execute(runs, Store(tmp_path / "whole"), Execution(decoders=0)).records.values()
    assert all(torch.equal(values, again.weights()[0][name]) for name, values in whole.weights()[0].items())


def test_batches_are_drawn_as_the_boxes_say(flowers: Path) -> None:
    dataset = load(named(flowers))
    loader = Loader(dataset, batch_size=20, data_seed=0, decoders=0)
    (batch,) = loader.epoch(0)
    drawn = loader.shown.draw(len(dataset.train), 0, 0)
    assert isinstance(dataset.train, Streamed)
    for at, row in itertools.islice(enumerate(batch.index.tolist()), 4):
        path = Path(dataset.train.source.files(torch.tensor([row]))[0])
        with Image.open(path) as image:
            box = boxes(drawn.numbers[row : row + 1], image.height, image.width).tolist()  # type: ignore[union-attr]
        pixels = cropped(Photograph(path), box, [bool(drawn.flip[row])], 16)[0].transpose(2, 0, 1) / 255
        shown = batch.images[at] * loader.std.view(3, 1, 1) + loader.mean.view(3, 1, 1)
        assert np.allclose(shown.numpy(), pixels, atol=1e-6)
