"""Training images that are decoded whenever they are shown, by worker processes, as they would not
fit once decoded.

A worker is given the paths of a batch and what was drawn for them, and gives pixels back. So what
happens to an image does not depend on who decodes it, and the number of workers changes no pixel.
Each worker has at most :data:`AHEAD` batches waiting.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from didact.data.contract import DataError
from didact.data.folders.crops import Photograph, cropped
from didact.data.folders.decode import UnreadableError, decoded
from didact.data.folders.folder import Decoded
from didact.data.resized_crop import Crops, boxes
from didact.data.split import Split
from didact.machine import processors
from didact.spec import clean

AHEAD = 2
"""Batches that a worker prepares before they are asked for."""

NAMED = 5
"""So many files that cannot be decoded are named in a message."""

WHOLE = ""
"""The name under which workers give images that the caller crops."""

Made = dict[str, Tensor]
"""Pixels by the name of the rendering, uint8 (b, c, h, w) in channels-last order, or (4b, c, h, w)
of four renderings each.
"""


@dataclass(frozen=True)
class Streamed:
    """Training images in files, with the parts of a :class:`Split` that do not need their pixels.

    Attributes:
        source: the images of the folder.
        rows: of ``source``, int64 (n,), ascending, on the CPU.
        labels, index: as of a :class:`Split`, on ``device``.
        size: height and width of the images before a crop.
        device: where the batches go.
    """

    source: Decoded
    rows: Tensor
    labels: Tensor
    index: Tensor
    size: int
    device: torch.device

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device | str) -> Streamed:
        """The same, with batches on ``device``."""
        return replace(self, labels=self.labels.to(device), index=self.index.to(device), device=torch.device(device))

    def take(self, rows: Tensor) -> Split:
        """The images at ``rows`` (int64, (m,)), decoded once and kept, uncropped."""
        return self.source.take(self.rows[rows.cpu()]).to(self.device)

    def batches(self, order: Sequence[Tensor], drawn: dict[str, Crops] | None, size: int, workers: int) -> Iterator[Made]:
        """The images at ``order`` (rows on the CPU, a tensor for each batch).

        Args:
            drawn: by name, what was drawn for every image; without it images come whole, under the
                name :data:`WHOLE`.
            size: height and width of the crops.
            workers: processes that decode; 0 for this one alone.

        Raises:
            DataError: a file cannot be decoded (any more), or a worker was killed.
        """
        jobs = _Jobs(self, order, drawn)
        decoder = _Decoder(size if drawn is not None else self.size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of more workers than processors, which is what was asked for
            batches = iter(
                DataLoader(
                    decoder,
                    batch_size=None,
                    sampler=jobs,
                    num_workers=workers,
                    prefetch_factor=AHEAD if workers else None,
                    multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
                    pin_memory=self.device.type == "cuda",
                    generator=torch.Generator(),  # the global one stays as it is
                )
            )
        try:
            for made, faults in batches:
                if faults:
                    named = "; ".join(f"{clean(path)} {reason}" for path, reason in faults[:NAMED])
                    raise DataError(f"images cannot be decoded: {named}")
                yield {name: torch.as_tensor(pixels).permute(0, 3, 1, 2) for name, pixels in made.items()}
        except RuntimeError as error:
            if "DataLoader worker" in str(error):
                raise DataError(f"a process that decodes images ended early: {clean(error)}") from error
            raise


@dataclass(frozen=True)
class _Job:
    """Files of a batch, and by name what was drawn for them."""

    paths: tuple[str, ...]
    drawn: dict[str, Crops] | None


@dataclass(frozen=True)
class _Jobs(Sampler[_Job]):
    """The jobs of an epoch, made when a worker has room for one."""

    split: Streamed
    order: Sequence[Tensor]
    drawn: dict[str, Crops] | None

    def __iter__(self) -> Iterator[_Job]:
        for rows in self.order:
            files = tuple(self.split.source.files(self.split.rows[rows]))
            yield _Job(files, None if self.drawn is None else {name: crops.of(rows) for name, crops in self.drawn.items()})

    def __len__(self) -> int:
        return len(self.order)


@dataclass(frozen=True)
class _Decoder(Dataset[Any]):
    """Jobs to pixels; what cannot be decoded comes with them, as paths and reasons."""

    size: int

    def __getitem__(self, job: _Job) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        faults: list[tuple[str, str]] = []
        made = self._whole(job, faults) if job.drawn is None else self._crops(job, job.drawn, faults)
        return made, faults

    def _whole(self, job: _Job, faults: list[tuple[str, str]]) -> dict[str, Any]:
        pixels = np.zeros((len(job.paths), self.size, self.size, 3), np.uint8)
        for at, path in enumerate(job.paths):
            try:
                pixels[at] = decoded(Path(path), (self.size, self.size), crop=True)
            except UnreadableError as error:
                faults.append((path, clean(error)))
        return {WHOLE: _sent(pixels)}

    def _crops(self, job: _Job, drawn: dict[str, Crops], faults: list[tuple[str, str]]) -> dict[str, Any]:
        files = [Photograph(Path(path)) for path in job.paths]
        sizes = torch.tensor([_size(file) for file in files])
        parts, flips, shares = [], [], []
        for crops in drawn.values():
            share = crops.numbers[0].numel() // crops.numbers.shape[-1]
            numbers = crops.numbers.reshape(-1, crops.numbers.shape[-1])
            height, width = sizes.repeat_interleave(share, 0).unbind(1)
            parts.append(boxes(numbers, height, width).unflatten(0, (-1, share)))
            flips.append(crops.flip[:, None].expand(-1, share))
            shares.append(share)
        where, mirrored = torch.cat(parts, 1).tolist(), torch.cat(flips, 1).tolist()
        pixels = np.zeros((len(job.paths), sum(shares), self.size, self.size, 3), np.uint8)
        for at, file in enumerate(files):
            try:
                pixels[at] = cropped(file, where[at], mirrored[at], self.size)
            except UnreadableError as error:
                faults.append((job.paths[at], clean(error)))
        each = np.split(pixels, np.cumsum(shares)[:-1], axis=1)
        return {name: _sent(one.reshape(-1, *one.shape[2:])) for name, one in zip(drawn, each, strict=True)}


def _size(file: Photograph) -> list[int]:
    """Height and width; those of a single pixel where the file cannot be read, which is told when
    it is decoded.
    """
    try:
        return file.size or [1, 1]
    except UnreadableError:
        return [1, 1]


def _sent(pixels: np.ndarray) -> Any:
    """As it goes to the other process: through shared memory where there is plenty of it, otherwise
    through a pipe.
    """
    pixels = np.ascontiguousarray(pixels)
    return torch.from_numpy(pixels) if _shared_memory() > 64 * pixels.nbytes else pixels


def _shared_memory() -> int:
    """Bytes that are free for it. In a container there may be few, and a process that writes beyond
    them is killed.
    """
    return shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else 0


def usual_decoders() -> int:
    """As many processes as there are processors, but one for the network; none where there is one
    processor.
    """
    return processors() - 1
