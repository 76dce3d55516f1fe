"""Files that are written completely or not at all, in strict JSON, at any path."""

from __future__ import annotations

import errno
import io
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.files import checked
from didact.files.checked import DamagedError, append_row, clear_temporary, read_json, read_rows, write, write_json
from didact.files.tensors import read_tensors, write_tensors
from didact.store.record import Record
from support.recorded import recorded


def strict(text: str) -> Any:
    """The JSON in ``text``, which may hold no word of Python's own."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def test_figures_that_are_not_finite_are_null(tmp_path: Path) -> None:
    row = {"loss": math.nan, "terms": {"ce": math.inf, "kd": [1.0, -math.inf]}}
    null = {"loss": None, "terms": {"ce": None, "kd": [1.0, None]}}
    append_row(tmp_path / "metrics.jsonl", row)
    write_json(tmp_path / "any.json", row)
    write_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)}, row)
    assert strict((tmp_path / "metrics.jsonl").read_text()) == strict((tmp_path / "any.json").read_text()) == null
    assert read_rows(tmp_path / "metrics.jsonl") == [null] and read_json(tmp_path / "any.json") == null
    assert read_tensors(tmp_path / "x.safetensors")[1] == null


def test_a_clean_up_that_fails_does_not_hide_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk that became read-only neither the file nor its removal works."""

    def refused(*arguments: Any, **named: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    write(tmp_path / "file", b"old")
    monkeypatch.setattr(checked.os, "fsync", refused)
    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(OSError, match=r"cannot write .*file: Read-only.*; what was kept before is intact") as caught:
        write(tmp_path / "file", b"new")
    assert caught.value.errno == errno.EROFS
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_path_need_not_be_utf8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/st\xffre"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "none": torch.zeros(0, 2), "b": torch.tensor(3, dtype=torch.int64)}
    write_tensors(folder / "x.safetensors", tensors, {"epoch": 3})
    read, values = read_tensors(folder / "x.safetensors")
    assert values == {"epoch": 3} and read.keys() == tensors.keys()
    assert all(torch.equal(read[k], v) and read[k].dtype == v.dtype for k, v in tensors.items())


@pytest.mark.parametrize("data", [b"", b"\xff" * 8, b"\2\0\0\0\0\0\0\0{}", b"\2\0\0\0\0\0\0\0[]", b"null" * 40])
def test_what_is_no_file_of_tensors_is_damaged(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(DamagedError, match=r"x\.safetensors"):
        read_tensors(path)


def test_only_what_a_write_left_is_cleared(tmp_path: Path) -> None:
    """In the folder and those in it, but not behind links."""
    left = [".checkpoint.safetensors.10141.tmp", ".a.1.tmp"]
    others = ["checkpoint.safetensors", ".hidden", ".mine.tmp", "x.12.tmp"]
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    for parent in (folder, folder / "route", elsewhere):
        parent.mkdir()
        for name in left + others:
            (parent / name).touch()
    (folder / "linked").symlink_to(elsewhere)
    clear_temporary(folder)
    assert {path.name for path in folder.iterdir()} == {*others, "route", "linked"}
    assert {path.name for path in (folder / "route").iterdir()} == {*others}
    assert {path.name for path in elsewhere.iterdir()} == {*left, *others}


def test_a_line_that_cannot_be_added_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the write itself, as on a full disk, names no file."""

    class Full(io.StringIO):
        def write(self, text: str, /) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("builtins.open", lambda *arguments, **named: Full())
    with pytest.raises(OSError, match=r"cannot write .*metrics\.jsonl: No space left on device") as caught:
        append_row(tmp_path / "metrics.jsonl", {})
    assert caught.value.errno == errno.ENOSPC


def test_a_number_of_test_images_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    """A table of accuracies is printed all the same: its warning takes the data set's own number."""
    record = recorded(tmp_path, {"net": "resnet8"})
    images = record.folder / "images.json"
    images.write_text('{"test": {"images": 797}}')
    assert Record.seal(record.folder).tested == 797
    images.write_text('{"test": {"images": 798}}')  # not what was sealed
    assert Record(record.folder).tested is None
    for odd in ("[]", '{"test": 3}', '{"test": {"images": "797"}}'):
        images.write_text(odd)
        assert Record.seal(record.folder).tested is None
