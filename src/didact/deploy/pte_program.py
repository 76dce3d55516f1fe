"""What an ExecuTorch file says of its memory, read from the file itself.

A file is a flatbuffer (https://flatbuffers.dev/internals) of ExecuTorch's schema/program.fbs, which
only ever adds fields: ``Program.execution_plan`` is its field 1, ``non_const_buffer_sizes`` of a
plan its field 8.
"""

from __future__ import annotations

import struct

PLANS, SIZES = 1, 8


def planned(file: bytes) -> int | None:
    """Bytes that ExecuTorch sets aside before the first pass, for as many images as the file takes at
    most; what XNNPACK allocates for itself is not among them. None where the file is none of
    ExecuTorch's.
    """
    try:
        if file[4:6] != b"ET":
            return None
        plans = _followed(file, _field(file, _followed(file, 0), PLANS))
        sizes = _followed(file, _field(file, _followed(file, plans + 4), SIZES))
        (count,) = struct.unpack_from("<I", file, sizes)
        return sum(struct.unpack_from(f"<{count}q", file, sizes + 4))
    except (struct.error, LookupError):
        return None


def _followed(file: bytes, at: int) -> int:
    """The place that the offset at ``at`` leads to."""
    return at + struct.unpack_from("<I", file, at)[0]


def _field(file: bytes, table: int, number: int) -> int:
    """The place of a field of the table at ``table``."""
    known = table - struct.unpack_from("<i", file, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", file, known)[0]:
        raise LookupError(number)
    offset = struct.unpack_from("<H", file, known + 4 + 2 * number)[0]
    if not offset:
        raise LookupError(number)
    return table + offset
