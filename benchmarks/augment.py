"""Images a second of crop + flip + normalise on whole batches, beside a loop over images with Pillow and NumPy.

    OMP_NUM_THREADS=1 python benchmarks/augment.py > benchmarks/results/augment.json

Made-up 3x32x32 pixels, batches of 64 and 512, all on the CPU. "loaded" is everything a training loop waits for: the draws
of the epoch, the crops and flips, the normalised batches; "mixed" is the same with mixup and cutmix, "changed" with RandAugment
(two changes of magnitude 9, by kornia). The loop does per image what torchvision's transforms do.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from didact.data import Data, Dataset, Loader, Mixing, Split, facts, mixing_loader
from didact.data.augment import crop_flip, draw, normalise

IMAGES = 20_000
REPEATS = 5


def dataset() -> Dataset:
    """``IMAGES`` images of noise in the shape of CIFAR-100."""
    data = Data(name="cifar100")
    about = facts(data)
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (IMAGES, *about.image), dtype=torch.uint8, generator=random)
    split = Split.whole(pixels, torch.randint(about.classes, (IMAGES,), generator=random))
    return Dataset(
        data=data,
        train=split,
        test=split,
        validation=None,
        classes=about.classes,
        names=(),
        image=about.image,
        mean=about.mean,
        std=about.std,
        padding=about.padding,
        order="",
    )


def rate(work: Callable[[], int]) -> float:
    """Images a second of ``work``, which says how many it made: the best of some repeats after one to warm up."""
    work()
    rates = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        images = work()
        rates.append(images / (time.perf_counter() - began))
    return max(rates)


def batched(source: Dataset, batch: int) -> Callable[[], int]:
    """Crop, flip and normalise with the draws already made."""
    draws = draw(IMAGES, "crop-flip", source.padding, 0, 0)
    mean, std = torch.tensor(source.mean), torch.tensor(source.std)
    order = torch.randperm(IMAGES)

    def work() -> int:
        for rows in order.split(batch):
            now = draws.of(rows)
            normalise(crop_flip(source.train.images, rows, now.dy, now.dx, now.flip, source.padding), mean, std)
        return IMAGES

    return work


def loaded(source: Dataset, batch: int) -> Callable[[], int]:
    """A whole epoch of the loader."""
    loader = Loader(source, batch_size=batch, data_seed=0)
    return lambda: sum(len(made) for made in loader.epoch(0))


def mixed(source: Dataset, batch: int) -> Callable[[], int]:
    """A whole epoch of the loader, with mixup and cutmix."""
    loader = mixing_loader(Loader(source, batch_size=batch, data_seed=0), Mixing(mixup=0.2, cutmix=1.0), source.classes)
    return lambda: sum(len(made) for made in loader.epoch(0))


def changed(source: Dataset, batch: int) -> Callable[[], int]:
    """A whole epoch of the loader, with RandAugment."""
    return loaded(replace(source, data=replace(source.data, randaugment=9)), batch)


def one_by_one(source: Dataset, batch: int, images: int = 4096) -> Callable[[], int]:
    """What a host loop does: pad, crop and mirror one image with Pillow, normalise it with NumPy, stack the batch."""
    pictures = [Image.fromarray(i) for i in source.train.images[:images].permute(0, 2, 3, 1).numpy()]
    mean, std = np.array(source.mean, np.float32), np.array(source.std, np.float32)
    random = np.random.default_rng(0)

    def one(picture: Image.Image) -> Tensor:
        y, x = random.integers(0, 2 * source.padding + 1, 2)
        crop = ImageOps.expand(picture, source.padding).crop((x, y, x + 32, y + 32))
        if random.random() < 0.5:
            crop = ImageOps.mirror(crop)
        pixels = (np.asarray(crop, np.float32) / 255 - mean) / std
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    def work() -> int:
        for start in range(0, images, batch):
            torch.stack([one(picture) for picture in pictures[start : start + batch]])
        return images

    return work


def main() -> None:
    source = dataset()
    rows = []
    for batch in (64, 512):
        works = [batched, loaded, mixed, *([changed] if find_spec("kornia") else []), one_by_one]
        measured = {work.__name__: rate(work(source, batch)) for work in works}
        ratios = {f"{name}_ratio": round(value / measured["one_by_one"], 1) for name, value in measured.items()}
        del ratios["one_by_one_ratio"]
        rows.append({"batch": batch} | {name: round(value) for name, value in measured.items()} | ratios)
    machine = {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
    print(json.dumps({"unit": "images/s", "machine": machine, "torch": torch.__version__, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
