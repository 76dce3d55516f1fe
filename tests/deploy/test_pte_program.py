"""The memory that an ExecuTorch file has set aside, read from its own bytes."""

from __future__ import annotations

import struct

import pytest

from didact.deploy.pte_program import planned


def program(sizes: list[int], fields: int = 9) -> bytes:
    """A file with one plan whose last field of ``fields`` is ``sizes``, laid out by hand."""
    head = struct.pack("<I4sII", 24, b"ET12", 0, 0)
    root = struct.pack("<HHHH", 8, 12, 0, 8) + struct.pack(
        "<iII", 8, 0, 4
    )  # a vtable at 16, the table at 24, its field 1 at 32
    plans = struct.pack("<II", 1, 4 + 4 + 2 * fields)  # at 36: one plan, at 40 + 8 + 2 * fields, behind its vtable
    vtable = struct.pack("<HH", 4 + 2 * fields, 8) + b"\0\0" * (fields - 1) + struct.pack("<H", 4)
    table = struct.pack("<iI", len(vtable), 4)
    return head + root + plans + vtable + table + struct.pack(f"<I{len(sizes)}q", len(sizes), *sizes)


def test_it_is_the_sum_of_the_buffers() -> None:
    assert planned(program([0, 163_904, 96])) == 164_000


@pytest.mark.parametrize("file", [b"", b"xxxxET12", b"PK\3\4" * 9, program([1])[:70], program([1, 2], fields=8)])
def test_what_is_no_such_file(file: bytes) -> None:
    assert planned(file) is None
