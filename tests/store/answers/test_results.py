"""Answers beside a Record: read as they were put, not believed when they are anything else, and never in the way."""

from __future__ import annotations

import errno
import json
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from didact.store.answers import results as module
from didact.store.answers.results import Results
from didact.store.record import Record

QUESTION = {"images": 9}


def number(plain: Any) -> float:
    return float(plain["figure"])


@pytest.fixture
def record(tmp_path: Path) -> Record:
    folder = tmp_path / "runs" / "resnet8.ce.s0.0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text('{"weights.safetensors": "0"}')
    return Record(folder)


def put(record: Record) -> Path:
    Results(record).put("own", QUESTION, {"figure": 0.25})
    return record.folder / "own.json"


def test_an_answer_is_read_as_it_was_put(record: Record) -> None:
    results = Results(record)
    assert results.get("own", QUESTION, number) is None
    assert results.put("own", QUESTION, {"figure": 0.1}) == {"figure": 0.1}
    results.put("own", {"images": 10}, {"figure": 1 / 3})
    results.put("own", QUESTION, {"figure": 0.25})  # in the place of the first
    for reader in (results, Results(record)):
        assert reader.get("own", QUESTION, number) == 0.25
        assert reader.get("own", {"images": 10}, number) == 1 / 3
        assert reader.get("own", {"images": 11}, number) is None
        assert reader.get("another", QUESTION, number) is None
    whole = json.loads((record.folder / "own.json").read_text())
    assert len(whole["answers"]) == 2


def test_what_is_not_finite_is_null_and_tuples_are_lists(record: Record) -> None:
    given = {"figures": (1.5, math.nan, [math.inf, -math.inf]), "count": 3}
    plain = {"figures": [1.5, None, [None, None]], "count": 3}
    assert Results(record).put("own", QUESTION, given) == plain
    assert Results(record).get("own", QUESTION, lambda answer: answer) == plain
    text = (record.folder / "own.json").read_text()
    assert "NaN" not in text and "Infinity" not in text


def changed(old: str, new: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(path.read_text().replace(old, new, 1))


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "null": lambda path: path.write_text("null"),
    "a list": lambda path: path.write_text("[{}]"),
    "deep": lambda path: path.write_text("[" * 100_000),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\xff"),
    "a byte more": lambda path: path.write_bytes(path.read_bytes() + b"}"),
    "a bit": flipped,
    "a digit": changed("0.25", "0.75"),
    "a number that is not finite": changed("0.25", "NaN"),
    "a number beyond all floats": changed("0.25", "1e999"),
    "no checksum": changed("sha256", "sha512"),
    "an older version": lambda path: path.write_text('{"of": "0", "kl": 0.5, "cka": 0.5, "agreement": 50.0}'),
    "a directory": directory,
    "a link": link,
    "a dangling link": dangling,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_told_of_and_computed_again(record: Record, damage: str) -> None:
    path = put(record)
    DAMAGES[damage](path)
    told: list[str] = []
    results = Results(record, told.append)
    assert results.get("own", QUESTION, number) is None
    assert len(told) == 1 and str(path) in told[0] and told[0].endswith("it is not used, and computed again")
    assert results.put("own", QUESTION, {"figure": 0.5}) == {"figure": 0.5}
    if damage == "a directory":  # nothing is removed that somebody has put there
        assert path.is_dir() and len(told) == 2 and "cannot be kept" in told[1]
    else:
        assert Results(record, told.append).get("own", QUESTION, number) == 0.5 and len(told) == 1
        assert not path.is_symlink()
    elsewhere = path.with_name("elsewhere")
    assert not elsewhere.exists() or "0.25" in elsewhere.read_text()  # a link is replaced, not followed
    assert not path.with_name("nowhere").exists()


def test_what_is_of_other_weights_is_not_read(record: Record) -> None:
    path = put(record)
    before = Results(record)
    (record.folder / "record.json").write_text('{"weights.safetensors": "1"}')
    told: list[str] = []
    assert Results(record, told.append).get("own", QUESTION, number) is None
    assert told == [f"{path} is of another Record; it is not used, and computed again"]
    before.put("own", QUESTION, {"figure": 0.75})  # computed from the weights that were there before
    assert Results(record).get("own", QUESTION, number) is None


@pytest.mark.parametrize("answer", [{"figure": "many"}, {"figures": 1.0}, [], 3.0, {"figure": None}])
def test_an_answer_of_another_shape_is_not_read(record: Record, answer: Any) -> None:
    Results(record).put("own", QUESTION, answer)
    told: list[str] = []
    assert Results(record, told.append).get("own", QUESTION, number) is None
    assert len(told) == 1 and "holds something else than was written" in told[0]


def test_a_file_that_cannot_be_read(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(record)

    def refused(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refused)
    told: list[str] = []
    assert Results(record, told.append).get("own", QUESTION, number) is None
    assert told == [f"{path} cannot be read (Permission denied); it is not used, and computed again"]


@pytest.mark.parametrize("number_", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    record: Record, number_: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, data: bytes) -> None:
        raise OSError(number_, f"cannot write {path}")

    monkeypatch.setattr(module, "write", refused)
    told: list[str] = []
    assert Results(record, told.append).put("own", QUESTION, {"figure": math.nan}) == {"figure": None}
    runs = record.folder.parent
    assert told == [
        f"what was computed cannot be kept in {runs}: {os.strerror(number_)}; it is computed again when it is needed"
    ]


def test_a_folder_that_is_gone_is_not_made_again(record: Record) -> None:
    results = Results(record, (told := list[str]()).append)
    (record.folder / "record.json").unlink()
    record.folder.rmdir()
    assert results.put("own", QUESTION, {"figure": 0.5}) == {"figure": 0.5}
    assert len(told) == 1 and "cannot be kept" in told[0] and not record.folder.exists()


def test_a_record_that_is_a_link_is_not_followed(record: Record, tmp_path: Path) -> None:
    put(record)
    record.folder.rename(tmp_path / "outside")
    record.folder.symlink_to(tmp_path / "outside")
    before = {path.name: path.read_bytes() for path in (tmp_path / "outside").iterdir()}
    told: list[str] = []
    results = Results(record, told.append)
    assert results.get("own", QUESTION, number) is None
    assert results.put("own", QUESTION, {"figure": 0.5}) == {"figure": 0.5}
    assert {path.name: path.read_bytes() for path in (tmp_path / "outside").iterdir()} == before and len(told) == 2


def test_answers_that_are_put_at_the_same_time_all_stay(record: Record) -> None:
    ready = threading.Barrier(6)

    def add(images: int) -> None:
        ready.wait()
        Results(record).put("own", {"images": images}, {"figure": images})

    threads = [threading.Thread(target=add, args=(images,)) for images in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [Results(record).get("own", {"images": images}, number) for images in range(6)] == [*range(6)]
