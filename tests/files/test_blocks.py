"""Files of blocks: what is read is what was written, strides included, and whatever is damaged is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from didact.files.blocks import BlockReader, BlockWriter
from didact.files.checked import DamagedError


def written(path: Path) -> list[tuple[torch.Tensor, ...]]:
    maps = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    tokens = torch.randn(2, 5, 3)[:, 1:].transpose(1, 2).unflatten(2, (2, 2))
    blocks = [(maps, maps.bfloat16()), (tokens,), (torch.randn(1, 3).expand(4, 3),), (torch.randn(3, 2)[:, :1],)]
    writer = BlockWriter(path)
    for number, tensors in enumerate(blocks):
        writer.add(tensors, f"note {number}")
    writer.seal()
    return blocks


def read_all(path: Path, blocks: int) -> None:
    with BlockReader(path) as reader:
        for number in range(blocks):
            reader.read(number, f"note {number}")


def test_tensors_come_back_with_their_bits_and_strides(tmp_path: Path) -> None:
    blocks = written(tmp_path / "a.blocks")
    with BlockReader(tmp_path / "a.blocks") as reader:
        assert len(reader) == len(blocks)
        for number in (3, 0, 2, 1):  # in any order
            for one, two in zip(blocks[number], reader.read(number, f"note {number}"), strict=True):
                assert torch.equal(one, two) and one.dtype == two.dtype
                assert one.stride() == two.stride() or 0 in one.stride()
    assert [path.name for path in tmp_path.iterdir()] == ["a.blocks"]


def test_a_block_of_something_else_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "a.blocks")
    with BlockReader(tmp_path / "a.blocks") as reader:
        for number, note in ((0, "note 1"), (9, "note 9")):
            with pytest.raises(DamagedError, match=f"block {number}"):
                reader.read(number, note)


def test_any_flipped_or_missing_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.blocks"
    blocks = written(path)
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(DamagedError):
            read_all(path, len(blocks))
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedError):
            BlockReader(path)


def test_what_is_no_file_is_refused_and_what_is_dropped_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="no ordinary file"):
        BlockReader(tmp_path)
    writer = BlockWriter(tmp_path / "b.blocks")
    writer.add((torch.zeros(3),), "")
    writer.drop()
    assert not list(tmp_path.iterdir())
