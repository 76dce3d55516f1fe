"""Tensors and plain values in one file with a checksum, written and read as in :mod:`didact.files.checked`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from didact.files import checked
from didact.files.reading import DamagedError, content, parsed
from didact.spec import strict_json


def write_tensors(path: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Write tensors and plain values to one safetensors file with a checksum.

    Non-finite values become null.
    """
    tied = _tied(tensors)
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items() if k not in tied}
    text = strict_json(values)
    # one key: safetensors writes several in an order that differs from process to process
    head = {"sha256": _checksum(plain, text + _tied_text(tied)), "values": text} | ({"tied": tied} if tied else {})
    checked.write(path, safetensors.torch.save(plain, {"didact": json.dumps(head)}))


def _tied(tensors: dict[str, Tensor]) -> dict[str, str]:
    """The first name of every tensor that has had another name before, by its later names."""
    first: dict[object, str] = {}
    tied: dict[str, str] = {}
    for name, tensor in tensors.items():
        if tensor.numel():
            place = tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
            if first.setdefault(place, name) != name:
                tied[name] = first[place]
    return tied


def _tied_text(tied: dict[str, str]) -> str:
    return json.dumps(tied, sort_keys=True) if tied else ""


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and values from a file of :func:`write_tensors`.

    Raises:
        DamagedError: the file is missing or truncated, or its checksum does not match.
    """
    try:
        data = content(path, largest=None)  # the library itself cannot open a path that is not UTF-8
        tensors = safetensors.torch.load(data)
        header = parsed(data[8 : 8 + int.from_bytes(data[:8], "little")], path)  # the length of the header, then the header
        head = parsed(header.get("__metadata__", {}).get("didact", "{}").encode(), path)
    except DamagedError:
        raise
    except (OSError, ValueError, AttributeError, safetensors.SafetensorError) as error:
        raise DamagedError(f"{path}: {error}") from None
    tied = head.get("tied", {}) if isinstance(head, dict) else {}
    if not isinstance(head, dict) or head.get("sha256") != _checksum(tensors, head.get("values", "") + _tied_text(tied)):
        raise DamagedError(f"{path}: the checksum does not fit the content")
    return tensors | {name: tensors[first] for name, first in tied.items()}, json.loads(head["values"])


def _checksum(tensors: dict[str, Tensor], text: str) -> str:
    total = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        total.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
        total.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
