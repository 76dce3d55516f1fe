"""A Record: the files of a finished run. Its folder holds

spec.json                the run, as canonical JSON
environment.json         versions, device, command
images.json              the training images, by index
metrics.jsonl            one line for each epoch
checkpoint.safetensors   the state, during training only
weights.safetensors      net.* and extras.*, after training
record.json              checksums; written last
failed.json              the reason if training stopped
route/0060.safetensors   net.* after epoch 60, if a student follows the route
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from didact.files.checked import file_checksum, parse_rows, read_json, write_json
from didact.files.reading import DamagedError, content, inside, is_file, parsed

if TYPE_CHECKING:
    from torch import Tensor

CHECKED = ("spec.json", "environment.json", "images.json", "metrics.jsonl", "weights.safetensors")


def anchor_path(folder: Path, epoch: int) -> Path:
    """The file of a run's network after ``epoch``."""
    return folder / "route" / f"{epoch:04d}.safetensors"


@dataclass(frozen=True)
class Record:
    """The files of a finished run, in ``folder``."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Record | None:
        """The Record in ``folder``, with every checksum verified; None if there is none (yet).

        Raises:
            DamagedError: a file is missing or does not match its checksum.
        """
        record = cls.at(folder)
        if record is not None:
            record.check()
        return record

    @classmethod
    def at(cls, folder: Path) -> Record | None:
        """The Record in ``folder``, or None. Checksums are verified only when a file is read.

        Raises:
            DamagedError: a file is missing, or record.json is invalid.
        """
        if not os.path.lexists(folder / "record.json"):
            return None
        record = cls(folder)
        for name in record.sums:
            if not is_file(folder / name):
                raise DamagedError(f"{folder / name} is not what was written")
        return record

    @cached_property
    def sums(self) -> dict[str, str]:
        """The checksum of every file, by name.

        Raises:
            DamagedError: record.json is invalid, or names a file outside its folder.
        """
        path = self.folder / "record.json"
        sums = read_json(inside(self.folder, path.name))
        if not isinstance(sums, dict) or not all(isinstance(sum_, str) for sum_ in sums.values()):
            raise DamagedError(f"{path} is not what was written")
        for name in sums:
            inside(self.folder, name)
        for name in CHECKED:
            if name not in sums:
                raise DamagedError(f"{self.folder / name} is not what was written")
        return sums

    def check(self) -> None:
        """Verify the checksum of every file.

        Raises:
            DamagedError: a file does not match. The message names it.
        """
        for name, sum_ in self.sums.items():
            if file_checksum(self.folder / name) != sum_:
                raise DamagedError(f"{self.folder / name} is not what was written")

    @classmethod
    def seal(cls, folder: Path) -> Record:
        """Write record.json, which makes ``folder`` a Record. All other files must be complete."""
        names = [*CHECKED, *(path.relative_to(folder).as_posix() for path in folder.glob("route/*.safetensors"))]
        write_json(folder / "record.json", {name: file_checksum(folder / name) for name in names})
        return cls(folder)

    def spec(self) -> dict[str, Any]:
        """The run, as plain JSON data."""
        return parsed(self.content("spec.json"), self.folder / "spec.json")

    def environment(self) -> dict[str, Any]:
        """Versions, device and command of the training."""
        return parsed(self.content("environment.json"), self.folder / "environment.json")

    def images(self) -> dict[str, Any]:
        """Which images the run was trained and tested on, by index."""
        return parsed(self.content("images.json"), self.folder / "images.json")

    @property
    def tested(self) -> int | None:
        """Number of test images; None where the Record does not say it, or its images.json is damaged: a note of it
        stops no table."""
        try:
            number = self.images().get("test", {}).get("images")
        except (DamagedError, AttributeError):
            return None
        return number if isinstance(number, int) else None

    def metrics(self) -> list[dict[str, Any]]:
        """One row for each epoch."""
        return parse_rows(self.content("metrics.jsonl"), self.folder / "metrics.jsonl")

    def final(self) -> dict[str, Any]:
        """The last epoch's row. Its ``test_top1`` is the result of the run; the test set selects
        nothing.

        Raises:
            DamagedError: the row has no test accuracy.
        """
        rows = self.metrics()
        if not rows or not isinstance(rows[-1], dict) or not isinstance(rows[-1].get("test_top1"), (int, float)):
            raise DamagedError(f"{self.folder / 'metrics.jsonl'} holds no test accuracy")
        return rows[-1]

    def weights(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The weights, ``net.*`` and ``extras.*``, and the number of training images
        (``samples``)."""
        path = self.folder / "weights.safetensors"
        if file_checksum(path) != self.sums[path.name]:
            raise DamagedError(f"{path} is not what was written")
        from didact.files.tensors import read_tensors

        return read_tensors(path)

    def content(self, name: str) -> bytes:
        """The content of the file ``name``, with its checksum verified.

        Raises:
            DamagedError: the file is missing, or does not match its checksum.
        """
        data = content(self.folder / name)
        if hashlib.sha256(data).hexdigest() != self.sums[name]:
            raise DamagedError(f"{self.folder / name} is not what was written")
        return data
