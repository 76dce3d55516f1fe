"""Files of blocks: each block holds some tensors and is read by itself, so a file may be larger
than the memory.

    bytes of block 0, of block 1, ...   elements of its tensors, one tensor after the other
    index                               JSON: for each block its SHA-256, its tensors' dtypes,
                                        shapes and strides, a note
    end                                 SHA-256 of the index, its length, MAGIC

A tensor comes back with the strides that it had: kernels may sum in another order where memory lies
otherwise.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from didact.files.reading import LARGEST, DamagedError, is_file, parsed

MAGIC = b"didact:1"
END = 32 + 8 + len(MAGIC)
SPREAD = 4
"""A tensor keeps its strides where it lies in at most so many times its own memory; otherwise it
comes back contiguous."""


class BlockWriter:
    """Writes blocks to a temporary file, which :meth:`seal` puts at ``path``.

    Raises:
        OSError: the disk is full or not writable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = 0
        self._index: list[dict[str, Any]] = []
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        self._file = open(self._temporary, "wb")  # noqa: SIM115 - seal or drop closes it

    def __len__(self) -> int:
        return len(self._index)

    def add(self, tensors: Sequence[Tensor], note: str) -> None:
        """Write a block. ``note`` says what it belongs to, and is compared when it is read."""
        total, size = hashlib.sha256(), 0
        for tensor in tensors:
            data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
            total.update(data)
            self._file.write(data)
            size += len(data)
        about = [[str(x.dtype).removeprefix("torch."), list(x.shape), list(_strides(x))] for x in tensors]
        self._index.append({"at": self.bytes, "bytes": size, "sha256": total.hexdigest(), "tensors": about, "note": note})
        self.bytes += size

    def seal(self) -> None:
        """Write the index, and put the file where it belongs: complete, synced."""
        index = json.dumps(self._index, separators=(",", ":")).encode()
        self._file.write(index + hashlib.sha256(index).digest() + len(index).to_bytes(8, "little") + MAGIC)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._temporary, self.path)

    def drop(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)


class BlockReader:
    """Reads the blocks of a file that :class:`BlockWriter` has sealed.

    Raises:
        DamagedError: it is no such file, or its index is not what was written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not is_file(path):
            raise DamagedError(f"{path} is no ordinary file")
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - close closes it
        except OSError as error:
            raise DamagedError(f"{path}: {error}") from None
        try:
            self._index = self._read_index()
        except BaseException:
            self._file.close()
            raise

    def _read_index(self) -> list[dict[str, Any]]:
        whole = os.fstat(self._file.fileno()).st_size
        self._file.seek(max(0, whole - END))
        end = self._file.read(END)
        length = int.from_bytes(end[32:40], "little")
        if len(end) < END or not end.endswith(MAGIC) or length > min(LARGEST, whole - END):
            raise DamagedError(f"{self.path} is not complete")
        self._file.seek(whole - END - length)
        index = self._file.read(length)
        if hashlib.sha256(index).digest() != end[:32]:
            raise DamagedError(f"{self.path}: the index is not what was written")
        return parsed(index, self.path)

    def __len__(self) -> int:
        return len(self._index)

    def read(self, number: int, note: str) -> tuple[Tensor, ...]:
        """The tensors of block ``number``, on the CPU.

        Raises:
            DamagedError: there is no such block, it has another note, or its content is not what
                was written.
        """
        try:
            block = self._index[number]
            self._file.seek(block["at"])
            data = bytearray(self._file.read(block["bytes"]))
            if block["note"] != note:
                raise DamagedError(f"{self.path}: block {number} belongs to something else")
            if hashlib.sha256(data).hexdigest() != block["sha256"]:
                raise DamagedError(f"{self.path}: block {number} is not what was written")
            return _tensors(data, block["tensors"])
        except DamagedError:
            raise
        except (OSError, LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise DamagedError(f"{self.path}: block {number} cannot be read ({error})") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> BlockReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _strides(x: Tensor) -> tuple[int, ...]:
    """The strides that ``x`` gets back; those of a contiguous tensor where its own overlap or
    spread far."""
    dense = torch.empty(x.shape, device="meta").stride()
    overlaps = any(step == 0 and size > 1 for step, size in zip(x.stride(), x.shape, strict=True))
    return dense if overlaps or _extent(x.shape, x.stride()) > SPREAD * x.numel() else x.stride()


def _extent(shape: Sequence[int], strides: Sequence[int]) -> int:
    return 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))


def _tensors(data: bytearray, about: Sequence[Any]) -> tuple[Tensor, ...]:
    tensors, start = [], 0
    for name, shape, strides in about:
        dtype = getattr(torch, name)
        count = math.prod(shape)
        size = count * dtype.itemsize
        flat = torch.frombuffer(data, dtype=torch.uint8, count=size, offset=start).clone().view(dtype).reshape(shape)
        if tuple(strides) != flat.stride():
            if _extent(shape, strides) > SPREAD * count:
                raise ValueError("its strides spread too far")
            flat = torch.empty_strided(shape, strides, dtype=dtype).copy_(flat)
        tensors.append(flat)
        start += size
    return tuple(tensors)
