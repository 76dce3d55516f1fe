"""Training images that are decoded whenever they are shown, by worker processes, as they would not
fit once decoded.

A worker is given the paths of a batch and what was drawn for them, and gives pixels back. So what
happens to an image does not depend on who decodes it, and the number of workers changes no pixel.
Each worker has at most :data:`AHEAD` batches waiting, in memory that is used again.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
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
from didact.data.folders.slots import Slots, renderings, volume
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

FORKS = sys.platform == "linux"
"""Whether workers are forked, and so see the memory of the process that starts them."""

Shares = Mapping[str, int]
"""By name, renderings of each image."""

Numbers = dict[str, tuple[np.ndarray, np.ndarray]]
"""By name, the numbers and the flips that were drawn for the images of a batch."""

Place = tuple[list[list[int]], list[bool]]
"""The boxes of an image's renderings, and which of them are mirrored."""

Answer = tuple[np.ndarray | None, list[tuple[str, str]]]
"""Pixels where there is no memory to leave them in; files that cannot be decoded, and why."""

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
        """The images at ``order`` (rows on the CPU, a tensor for each batch). On the CPU a batch
        holds until the next one is asked for, which may take its memory.

        Args:
            drawn: by name, what was drawn for every image; without it images come whole, under the
                name :data:`WHOLE`.
            size: height and width of the crops.
            workers: processes that decode; 0 for this one alone.

        Raises:
            DataError: a file cannot be decoded (any more), or a worker was killed.
        """
        side = size if drawn is not None else self.size
        shares = _shares(drawn)
        slots = self._slots(max(map(len, order), default=0), shares, side, workers)
        decoder = _Decoder(shares, side, slots)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of more workers than processors, which is what was asked for
            batches = iter(
                DataLoader(
                    decoder,
                    batch_size=None,
                    sampler=_Jobs(self, order, drawn),
                    num_workers=workers,
                    prefetch_factor=AHEAD if workers else None,
                    multiprocessing_context="fork" if workers and FORKS else None,
                    collate_fn=_as_it_is,
                    generator=torch.Generator(),  # the global one stays as it is
                )
            )
        try:
            for number, (sent, faults) in enumerate(batches):
                if faults:
                    named = "; ".join(f"{clean(path)} {reason}" for path, reason in faults[:NAMED])
                    raise DataError(f"images cannot be decoded: {named}")
                block = slots.of(number) if slots else sent
                yield self._made(renderings(block, len(order[number]), shares, side))
        except RuntimeError as error:
            if "DataLoader worker" in str(error):
                raise DataError(f"a process that decodes images ended early: {clean(error)}") from error
            raise

    def _slots(self, images: int, shares: Shares, side: int, workers: int) -> Slots | None:
        """Where decoders leave pixels; None where they are processes that cannot see it."""
        if workers and not FORKS:
            return None
        return Slots(AHEAD * workers + 1, volume(images, shares, side))

    def _made(self, pixels: dict[str, np.ndarray]) -> Made:
        """As tensors; for a GPU as copies from which it fetches them while others are decoded."""
        made = {name: torch.from_numpy(one) for name, one in pixels.items()}
        if self.device.type == "cuda":
            made = {name: one.pin_memory() for name, one in made.items()}
        return {name: one.permute(0, 3, 1, 2) for name, one in made.items()}


def _shares(drawn: dict[str, Crops] | None) -> Shares:
    """How many renderings of each image there are under a name."""
    if drawn is None:
        return {WHOLE: 1}
    return {name: crops.numbers[0].numel() // crops.numbers.shape[-1] for name, crops in drawn.items()}


@dataclass(frozen=True)
class _Job:
    """The number of a batch in its epoch, its files, and what was drawn for them."""

    number: int
    paths: tuple[str, ...]
    drawn: Numbers | None


@dataclass(frozen=True)
class _Jobs(Sampler[_Job]):
    """The jobs of an epoch, made when a worker has room for one."""

    split: Streamed
    order: Sequence[Tensor]
    drawn: dict[str, Crops] | None

    def __iter__(self) -> Iterator[_Job]:
        for number, rows in enumerate(self.order):
            files = tuple(self.split.source.files(self.split.rows[rows]))
            yield _Job(number, files, None if self.drawn is None else self._of(self.drawn, rows))

    @staticmethod
    def _of(drawn: dict[str, Crops], rows: Tensor) -> Numbers:
        some = {name: crops.of(rows) for name, crops in drawn.items()}
        return {name: (crops.numbers.numpy(), crops.flip.numpy()) for name, crops in some.items()}

    def __len__(self) -> int:
        return len(self.order)


@dataclass(frozen=True)
class _Decoder(Dataset[Any]):
    """Jobs to pixels, in their slots, or given back where there are none; what cannot be decoded
    comes with them, as paths and reasons.
    """

    shares: Shares
    size: int
    slots: Slots | None

    def __getitem__(self, job: _Job) -> Answer:
        own = None if self.slots else np.empty(volume(len(job.paths), self.shares, self.size), np.uint8)
        block = self.slots.of(job.number) if self.slots else own
        assert block is not None
        into = renderings(block, len(job.paths), self.shares, self.size)
        files = [Photograph(Path(path)) for path in job.paths]
        places = [None] * len(files) if job.drawn is None else self._places(files, job.drawn)
        faults: list[tuple[str, str]] = []
        for at, (file, place) in enumerate(zip(files, places, strict=True)):
            try:
                pixels = self._pixels(file, place)
            except UnreadableError as error:
                faults.append((job.paths[at], clean(error)))
                continue
            start = 0
            for name, share in self.shares.items():
                into[name][at * share : (at + 1) * share] = pixels[start : start + share]
                start += share
        return own, faults

    def _pixels(self, file: Photograph, place: Place | None) -> np.ndarray:
        """All renderings of an image, or all of it, uint8 (renderings, size, size, 3)."""
        if place is None:
            return decoded(file.path, (self.size, self.size), crop=True)[None]
        return cropped(file, *place, self.size)

    def _places(self, files: Sequence[Photograph], drawn: Numbers) -> list[Place]:
        """Where the renderings of every image lie in it."""
        sizes = torch.tensor([_size(file) for file in files])
        parts, flips = [], []
        for name, (numbers, flip) in drawn.items():
            share = self.shares[name]
            height, width = sizes.repeat_interleave(share, 0).unbind(1)
            each = torch.from_numpy(numbers).reshape(-1, numbers.shape[-1])
            parts.append(boxes(each, height, width).unflatten(0, (-1, share)))
            flips.append(torch.from_numpy(flip)[:, None].expand(-1, share))
        return list(zip(torch.cat(parts, 1).tolist(), torch.cat(flips, 1).tolist(), strict=True))


def _as_it_is(answer: Any) -> Any:
    """What a worker gives; torch would make tensors of arrays, which are sent by longer ways."""
    return answer


def _size(file: Photograph) -> list[int]:
    """Height and width; those of a single pixel where the file cannot be read, which is told when
    it is decoded.
    """
    try:
        return file.size or [1, 1]
    except UnreadableError:
        return [1, 1]


def usual_decoders() -> int:
    """As many processes as there are processors, but one for the network; none where there is one
    processor.
    """
    return processors() - 1
