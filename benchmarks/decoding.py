"""Images a second from JPEG files to normalised batches of random resized crops, beside a loop over images with Pillow.

    OMP_NUM_THREADS=1 python benchmarks/decoding.py --decoders 0 1 2 > benchmarks/results/decoding.json

Made-up photographs in the size of ImageNet's (500x375) and of a camera's (1600x1200), crops of 224. The loop does per image what
torchvision's transforms do: decode, crop, bilinear resize, mirror, scale to floats, normalise. didact is measured with Pillow,
and with simplejpeg where it is installed. "cpu" is processor time of this process and its decoders together, which other programs
on the machine change little; "wall" is what a training waits for, on an idle machine. Every figure is the median of runs that
take turns, after one in which decoders start. "times" compares with the loop: "core" by processor time, "clock" by wall time.
"stored" takes crops from images that were decoded once, at 256 pixels. "difference" is that in levels between the loop's pixels
and didact's for the same crops: the mean, and the largest. A step of ResNet-18 is forward, backward and SGD on the device, in
images a second.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from didact import nets
from didact.data import Data, Loader, Streamed, available, load
from didact.data.folders import Decoders, crops
from didact.data.resized_crop import Crops, boxes
from didact.machine import processors
from didact.spec import from_json

SIZES = {"500x375": (375, 500), "1600x1200": (1200, 1600)}
CROP = 224
BATCH = 32
COMPARED = 320
"""So many crops are compared."""


def photographs(root: Path, height: int, width: int, count: int) -> None:
    """JPEG files with the spectrum of photographs: noise of all scales."""
    random = np.random.default_rng(0)
    for number in range(count):
        picture = np.full((height, width, 3), 128.0)
        for step in (2, 4, 8, 16, 32, 64, 128):
            small = random.normal(0, 6 * step**0.5, (-(-height // step), -(-width // step), 3))
            channels = [Image.fromarray(small[..., c].astype(np.float32)).resize((width, height)) for c in range(3)]
            picture += np.stack([np.asarray(one) for one in channels], 2)
        place = root / f"class{number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(place / f"{number:04}.jpg", quality=90)


def linked(photographs: Path, root: Path, times: int) -> None:
    """A folder in which every photograph lies so many times, so that starting the decoders takes a small part of the time."""
    for path in sorted(photographs.rglob("*.jpg")):
        place = root / path.parent.name
        place.mkdir(parents=True, exist_ok=True)
        for time_ in range(times):
            os.link(path, place / f"{path.stem}-{time_}.jpg")


def seconds() -> tuple[float, float]:
    """Wall time, and processor time of this process and of its children, which go on; on Linux."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    children = [child for path in Path("/proc/self/task").glob("*/children") for child in path.read_text().split()]
    others = sum(int(Path(f"/proc/{child}/schedstat").read_text().split()[0]) for child in children)  # nanoseconds
    return time.perf_counter(), used.ru_utime + used.ru_stime + others / 1e9


def rates(works: dict[str, Callable[[], int]], repeats: int) -> dict[str, dict[str, float]]:
    """By name, images a second of wall and processor time: medians of repeats that take turns, after one to warm up."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for repeat in range(repeats + 1):
        for name, work in works.items():
            before = seconds()
            images = work()
            if repeat:
                found[name].append(tuple(images / (now - then) for now, then in zip(seconds(), before, strict=True)))  # type: ignore
    return {
        name: dict(zip(("wall", "cpu"), (round(median(each), 1) for each in zip(*all_, strict=True)), strict=True))
        for name, all_ in found.items()
    }


def crop(path: str, box: list[int], flip: bool) -> Image.Image:
    """A crop as torchvision makes it with Pillow."""
    top, left, height, width = box
    with Image.open(path) as image:
        part = image.convert("RGB").crop((left, top, left + width, top + height))
    part = part.resize((CROP, CROP), Image.Resampling.BILINEAR)
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else part


def one_by_one(files: list[str], drawn: Crops, shape: tuple[int, int], mean: torch.Tensor, std: torch.Tensor) -> int:
    """Every image on its own, then a batch of them."""
    for rows in torch.arange(len(files)).split(BATCH):
        places = boxes(drawn.numbers[rows], *shape).tolist()
        batch = []
        for row, box in zip(rows.tolist(), places, strict=True):
            pixels = np.array(crop(files[row], box, bool(drawn.flip[row])), copy=True)
            image = torch.from_numpy(pixels).permute(2, 0, 1).contiguous().float().div(255)
            batch.append((image - mean) / std)
        torch.stack(batch)
    return len(files)


def difference(split: Streamed, drawn: Crops, shape: tuple[int, int], images: int) -> dict[str, float]:
    """The mean and the largest difference in levels between didact's crops and Pillow's."""
    order = torch.arange(images).split(BATCH)
    differences = []
    files = split.source.files(torch.arange(images))
    for rows, made in zip(order, split.batches(order, {"": drawn}, CROP, Decoders(0)), strict=True):
        places = boxes(drawn.numbers[rows], *shape).tolist()
        for row, box, pixels in zip(rows.tolist(), places, made[""], strict=True):
            expected = np.asarray(crop(files[row], box, bool(drawn.flip[row]))).astype(float)
            differences.append(np.abs(pixels.permute(1, 2, 0).numpy() - expected))
    return {"mean": round(float(np.mean(differences)), 3), "largest": float(np.max(differences))}


def decoders_here() -> dict[str, Callable[..., np.ndarray] | None]:
    """What decodes JPEGs here, by name."""
    found: dict[str, Callable[..., np.ndarray] | None] = {"pillow": None}
    if (read := crops._simplejpeg_reader()) is not None:
        found["simplejpeg"] = read
    return found


def decoded_by(read: Callable[..., np.ndarray] | None, loader: Loader) -> int:
    """An epoch, with the decoder that decoders inherit when they start."""
    with patch.object(crops, "_simplejpeg_reader", lambda: read):
        return sum(len(batch) for batch in loader.epoch(0))


def measured(folder: Path, shape: tuple[int, int], decoders: list[int], repeats: int) -> dict[str, object]:
    """All figures for the photographs in ``folder``."""
    settings = {"size": 256, "crop": CROP, "augment": "resized-crop-flip", "decode": "always"}
    data = from_json(Data, {"name": f"folder:{folder}"} | settings)
    available([data])
    dataset = load(data)
    assert isinstance(dataset.train, Streamed)
    loader = Loader(dataset, batch_size=BATCH, data_seed=0, decoders=0)
    drawn = loader.shown.draw(len(dataset.train), 0, 0)
    assert isinstance(drawn, Crops)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (dataset.mean, dataset.std))
    files = dataset.train.source.files(torch.arange(len(dataset.train)))
    works: dict[str, Callable[[], int]] = {"one_by_one": lambda: one_by_one(files, drawn, shape, mean, std)}
    compared = {}
    for name, read in decoders_here().items():
        for count in decoders:
            several = Loader(dataset, batch_size=BATCH, data_seed=0, decoders=count)
            works[f"{name}_{count}"] = partial(decoded_by, read, several)
        with patch.object(crops, "_simplejpeg_reader", lambda read=read: read):
            compared[name] = difference(dataset.train, drawn, shape, min(len(files), COMPARED))
    works["stored"] = partial(decoded_by, None, Loader(load(replace(data, decode="once")), batch_size=BATCH, data_seed=0))
    images_per_second = rates(works, repeats)
    loop = images_per_second["one_by_one"]
    times = {
        name: {"core": round(one["cpu"] / loop["cpu"], 2), "clock": round(one["wall"] / loop["wall"], 2)}
        for name, one in images_per_second.items()
    }
    return {"rates": images_per_second, "times": times, "difference": compared}


def step(device: str, repeats: int) -> dict[str, float]:
    """Images a second of a training step of ResNet-18 at 224x224."""
    net = nets.create("resnet18_imagenet", 1000, size=CROP).to(device)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    images = torch.randn(BATCH, 3, CROP, CROP, device=device)
    labels = torch.arange(BATCH, device=device)

    def work() -> int:
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimiser.step()
        if device != "cpu":
            torch.cuda.synchronize()
        return BATCH

    return rates({"step": work}, repeats)["step"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decoders", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--photographs", nargs="+", choices=SIZES, default=[*SIZES])
    parser.add_argument("--no-step", action="store_true", help="leave out the step of ResNet-18")
    parser.add_argument("--images", type=int, default=160, help="different photographs")
    parser.add_argument("--times", type=int, default=8, help="how often each of them lies in the folder")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DIDACT_DATA"] = str(Path(folder) / "cache")
        for name in asked.photographs:
            shape = SIZES[name]
            photographs(Path(folder) / "photographs" / name, *shape, asked.images)
            linked(Path(folder) / "photographs" / name, Path(folder) / name, asked.times)
            rows[name] = measured(Path(folder) / name, shape, asked.decoders, asked.repeats)
    machine = {
        "processor": platform.processor() or platform.machine(),
        "processors": processors(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "pillow": version("pillow"),
        "simplejpeg": version("simplejpeg") if "simplejpeg" in decoders_here() else None,
    }
    result: dict[str, object] = {"unit": "images/s", "machine": machine, "torch": torch.__version__, "rows": rows}
    if not asked.no_step:
        result["resnet18_step"] = step(asked.device, asked.repeats)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
