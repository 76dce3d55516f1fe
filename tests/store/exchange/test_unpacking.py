"""Archives that are not what they say: each is refused before anything is written."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from didact.spec import SpecError, canonical
from didact.store.exchange import packing
from didact.store.exchange.intake import take
from didact.store.exchange.packing import pack
from didact.store.exchange.unpacking import Archive
from didact.store.record import Record
from didact.store.store import Store
from support.shelf import keep
from support.tiny import make

Files = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    pack(tmp_path / "good.tar", [keep(tmp_path / "one", make(seed=5))])
    return tmp_path / "good.tar"


def files(path: Path) -> Files:
    with tarfile.open(path) as tar:
        return [(one, tar.extractfile(one).read()) for one in tar]  # type: ignore[union-attr]


def written(path: Path, content: Files) -> Path:
    bad = path.with_name("bad.tar")
    with tarfile.open(bad, "w", format=tarfile.GNU_FORMAT) as tar:
        for about, data in content:
            tar.addfile(about, io.BytesIO(data))
    return bad


def refused(path: Path, said: str) -> None:
    store = path.with_name("two")
    with pytest.raises(SpecError) as error:
        take(Store(store), Archive(path).offers())
    assert said in str(error.value), str(error.value)
    assert not store.exists()


def remade(good: Path, change: Callable[[Any], None]) -> Path:
    """With a manifest that is changed and signed again."""
    content = files(good)
    manifest = json.loads(content[0][1])["manifest"]
    change(manifest)
    text = canonical({"manifest": manifest, "sha256": hashlib.sha256(canonical(manifest).encode()).hexdigest()}).encode()
    content[0][0].size = len(text)
    return written(good, [(content[0][0], text), *content[1:]])


def test_a_truncated_one_wherever_it_ends(good: Path) -> None:
    whole = good.read_bytes()
    draw = random.Random(0)
    end = len(whole.rstrip(b"\0"))
    for at in (0, 1, 511, 512, 513, end, end // 2, *(draw.randrange(end) for _ in range(40))):
        bad = good.with_name("bad.tar")
        bad.write_bytes(whole[:at])
        with pytest.raises(SpecError, match="is refused"):
            Archive(bad)
    (good.with_name("bad.tar")).write_bytes(whole[: -(-end // 512) * 512])
    refused(good.with_name("bad.tar"), "it is truncated")


def test_a_bit_that_has_flipped_wherever_it_is(good: Path) -> None:
    whole, draw = good.read_bytes(), random.Random(1)
    headers = ("mtime", "uid", "gid", "uname")
    for _ in range(60):
        data = bytearray(whole)
        at = draw.randrange(len(whole.rstrip(b"\0")))
        data[at] ^= 1 << draw.randrange(8)
        bad = good.with_name("bad.tar")
        bad.write_bytes(data)
        try:
            taken = take(Store(good.with_name("two")), Archive(bad).offers())
        except SpecError:
            continue
        assert len(taken.new) + len(taken.same) == 1, (at, headers)  # a pad, or what is not used of a header


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "is no plain file"),
        (tarfile.LNKTYPE, "is no plain file"),
        (tarfile.CHRTYPE, "is no plain file"),
        (tarfile.FIFOTYPE, "is no plain file"),
        (tarfile.DIRTYPE, "is no plain file"),
        (tarfile.GNUTYPE_SPARSE, "is no plain file"),
        (tarfile.XHDTYPE, "is no plain file"),
        (tarfile.REGTYPE, "it should go on with"),
    ],
)
def test_links_devices_extensions_and_foreign_files(good: Path, kind: bytes, said: str) -> None:
    content = files(good)
    strange = tarfile.TarInfo("../../evil.py")
    strange.type, strange.linkname = kind, "/etc/passwd"
    refused(written(good, [content[0], (strange, b""), *content[1:]]), said)


def test_what_comes_after_the_last_file(good: Path) -> None:
    refused(written(good, [*files(good), (tarfile.TarInfo("more.py"), b"")]), "goes on after the last file")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(format=2), "its format is '2'"),
        (lambda m: m["runs"][0].update(folder="../../evil." + m["runs"][0]["digest"]), "folder"),
        (lambda m: m["runs"][0].update(folder="/tmp/evil." + m["runs"][0]["digest"]), "folder"),
        (lambda m: m["runs"][0].update(folder=".hidden." + m["runs"][0]["digest"]), "folder"),
        (lambda m: m["runs"][0].update(folder="x." + "0" * 16), "is no folder of the run"),
        (lambda m: m["runs"][0].update(digest="zz"), "digest"),
        (lambda m: m["runs"].append(m["runs"][0]), "twice"),
        (
            lambda m: m["runs"][0]["files"].update({"../evil.json": {"bytes": 1, "sha256": "0" * 64}}),
            "is no file of a Record",
        ),
        (lambda m: m["runs"][0]["files"].update({"evil.py": {"bytes": 1, "sha256": "0" * 64}}), "is no file of a Record"),
        (
            lambda m: m["runs"][0]["files"].update({"route/../x.safetensors": {"bytes": 1, "sha256": "0" * 64}}),
            "no file of a",
        ),
        (lambda m: m["runs"][0]["files"]["spec.json"].update(bytes=2**40), "are not read"),
        (lambda m: m["runs"][0]["files"]["weights.safetensors"].update(bytes=2**50), "it should go on with"),
        (lambda m: m["runs"][0]["files"]["spec.json"].update(bytes=-1), "bytes"),
        (lambda m: m["runs"][0]["files"]["spec.json"].update(sha256="0" * 64), "spec.json is not what was written"),
        (lambda m: m["runs"][0].update(more=1), "more"),
        (lambda m: m.update(runs=3), "runs"),
    ],
)
def test_a_manifest_that_says_what_cannot_be(good: Path, change: Callable[[Any], None], said: str) -> None:
    refused(remade(good, change), said)


def test_what_is_no_archive(good: Path, tmp_path: Path) -> None:
    for data in (b"", b"\0" * 2048, b"x" * 2048, b"PK\x03\x04" + b"x" * 2000, b"\x1f\x8b" + b"x" * 2000):
        (tmp_path / "bad.tar").write_bytes(data)
        refused(tmp_path / "bad.tar", "it is no archive of runs")
    refused(tmp_path, "no such file")
    refused(tmp_path / "nowhere.tar", "no such file")
    unsigned = files(good)
    refused(written(good, [(unsigned[0][0], unsigned[0][1].replace(b"0", b"1")), *unsigned[1:]]), "is not what was written")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("weights.safetensors", b"no tensors", "weights.safetensors"),
        ("environment.json", b"[" * 200, "nested deeper"),
        ("metrics.jsonl", b"", "holds no test accuracy"),
        ("spec.json", b'{"net": "resnet8"}', "skipped"),
    ],
)
def test_a_record_that_was_sealed_over_nonsense_is_left_out(
    tmp_path: Path, name: str, data: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes an archive can seal anything; what it holds is checked all the same."""
    record, good = keep(tmp_path / "one", make(seed=5)), keep(tmp_path / "one", make(seed=6))
    digests = iter([one.folder.name.rpartition(".")[2] for one in (record, good)])
    monkeypatch.setattr(packing, "digest", lambda _: next(digests))
    (record.folder / name).write_bytes(data)
    pack(tmp_path / "bad.tar", [Record.seal(record.folder), good])
    store = Store(tmp_path / "two")
    taken = take(store, Archive(tmp_path / "bad.tar").offers())
    assert taken.new == [good.folder.name] and said in taken.refused[0]
    assert [folder.name for folder in store.folders()] == [good.folder.name] and not list(store.root.glob("incoming-*"))
