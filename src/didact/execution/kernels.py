"""Which kernels torch takes. The choice holds for the whole process, so it is put back after a
training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from didact import seeds


@contextmanager
def kernels(*, deterministic: bool, tf32: bool | None = None) -> Iterator[None]:
    """Take deterministic kernels, or search for the fastest: batches keep their shape, so a search
    pays.

    Afterwards, also after an error, the process has the settings that it had before.

    Args:
        tf32: whether a GPU computes products of float32 with 10 bits of mantissa; None leaves it as
            it is.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = not deterministic
    try:
        with seeds.deterministic() if deterministic else nullcontext(), nullcontext() if tf32 is None else products(tf32):
            yield
    finally:
        torch.backends.cudnn.benchmark = before


@contextmanager
def products(tf32: bool) -> Iterator[None]:
    """Within the block matrix products and convolutions of float32 are computed in TF32, or not.

    By torch's older settings, with which its newer ones agree; set the other way round, the older
    ones, which torch.compile reads, raise. By default torch has TF32 in convolutions only.
    """
    backends: Any = torch.backends  # type checkers do not see all of these
    places = [backends.cuda.matmul, backends.mkldnn.matmul, backends.cudnn.conv, backends.cudnn.rnn]
    before = [place.fp32_precision for place in places]
    _allow(tf32, tf32)
    try:
        yield
    finally:
        _allow(before[0] == "tf32", before[2] == "tf32")
        for place, precision in zip(places, before, strict=True):
            if place.fp32_precision != precision:
                place.fp32_precision = precision


def _allow(matmul: bool, convolution: bool) -> None:
    torch.set_float32_matmul_precision("high" if matmul else "highest")
    torch.backends.cudnn.allow_tf32 = convolution
