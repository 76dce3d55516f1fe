"""Records from elsewhere: what they name is bounded, what they hold is cleaned, and what is wrong with them is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from didact.execution import Execution, execute
from didact.files.checked import DamagedError, file_checksum, read_json
from didact.files.reading import DEEPEST, depth, parsed
from didact.files.tensors import read_tensors
from didact.runs.run import Run
from didact.spec import RequestError, SpecError
from didact.store.choice import chosen
from didact.store.entries import Finished, Listed, Lost, code_names
from didact.store.record import Record
from didact.store.store import Store
from support.recorded import recorded

PLAIN = {"net": "resnet8", "method": {"name": "ce"}}


def sealed(folder: Path, **sums: str) -> None:
    path = folder / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | sums))


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/../../secret", "C:\\secret", "link", "."])
def test_a_record_names_no_file_outside_its_folder(tmp_path: Path, name: str) -> None:
    record = recorded(tmp_path / "store", PLAIN)
    secret = tmp_path / "store/runs/secret"
    secret.write_text("secret")
    (record.folder / "link").symlink_to(secret)
    (record.folder / "a").mkdir()
    sealed(record.folder, **{name: str(file_checksum(secret))})
    for open_ in (Record.at, Record.open):
        with pytest.raises(DamagedError, match="which is not in that folder"):
            open_(record.folder)


@pytest.mark.parametrize("name", ["record.json", "spec.json", "metrics.jsonl", "weights.safetensors"])
def test_a_fifo_blocks_nothing(tmp_path: Path, name: str) -> None:
    record = recorded(tmp_path / "store", PLAIN)
    (record.folder / name).unlink()
    os.mkfifo(record.folder / name)
    (entry,) = Store(tmp_path / "store").entries()
    assert isinstance(entry, Lost) and "damaged" in entry.why and name in entry.why
    for read in (read_json, read_tensors):
        with pytest.raises(DamagedError, match="no ordinary file"):
            read(record.folder / name)
    assert file_checksum(record.folder / name) is None


def test_json_is_bounded_before_it_is_parsed(tmp_path: Path) -> None:
    assert depth(b'{"a": [[], [1, {}]], "b": "[[[["}') == 9  # few brackets: their number
    brackets = b"[1], " * DEEPEST
    assert depth(b'{"a": [' + brackets + b'["]\\"]"]]}') == 3
    assert parsed(b"[" * DEEPEST + b"]" * DEEPEST, tmp_path) != []
    with pytest.raises(DamagedError, match=f"deeper than {DEEPEST} levels"):
        parsed(b"[" * 100_000, tmp_path)
    path = tmp_path / "large.json"
    with open(path, "wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(DamagedError, match="67108865 bytes; more than 67108864 are not read"):
        read_json(path)


def test_names_of_code_are_found_at_any_depth() -> None:
    assert code_names({"a": ["b:c", {"d": {"e:f": ["g", 1, None, True, "h:"]}}]}) == {"b:c", "e:f", "h:"}
    assert code_names([1.5, "resnet8"]) == frozenset()


def test_control_characters_are_spelt_out(tmp_path: Path) -> None:
    net = "\x1b]0;owned\x07\x1b[2J\n:x"
    recorded(tmp_path / "store", {"net": net, "method": {"name": "a\x1b:b"}}, label="x\x1b[2J")
    (entry,) = Store(tmp_path / "store").entries()
    assert isinstance(entry, Listed)
    assert (entry.net, entry.method, entry.label) == ("\\x1b]0;owned\\x07\\x1b[2J\\n:x", "a\\x1b:b", "x\\x1b[2J")
    said: list[str] = []
    store = Store(tmp_path / "store", said.append)
    assert list(store.runs()) == []
    with pytest.raises(SpecError) as error:
        chosen(store, entry.digest)
    assert "\x1b" not in said[0] + str(error.value)


def test_names_of_an_asked_run_are_trusted_from_then_on(tmp_path: Path) -> None:
    spec = {"net": "mine:Net", "method": {"name": "ce"}}
    run = Run(net="mine:Net")
    recorded(tmp_path / "store", spec)
    (entry,) = Store(tmp_path / "store").entries()
    assert isinstance(entry, Listed) and entry.code == ("mine:Net",) and entry.top1 == 50.0
    (entry,) = Store(tmp_path / "store", named=["mine:Net"]).entries()
    assert isinstance(entry, Lost)  # it is built now; this spec leaves out what a Run's says
    record = recorded(tmp_path / "own", json.loads(json.dumps(_plain(run))), label=run.label)
    store = Store(tmp_path / "own")
    assert [type(one) for one in store.entries()] == [Listed]
    assert execute([run], store, Execution()).records == {run.digest: record}  # its own request finds it
    assert list(store.entries()) == [Finished(run, record)]
    assert list(Store(tmp_path / "own", trust=True).entries()) == [Finished(run, record)]


def _plain(run: Run) -> object:
    from didact.spec import to_json

    return to_json(run)


def test_damaged_and_unfinished_runs_are_named(tmp_path: Path) -> None:
    runs = [Run(net="resnet8", seed=seed) for seed in range(3)]
    folders = [recorded(tmp_path, dict(_plain(run)), label=run.label).folder for run in runs]  # type: ignore[call-overload]
    (folders[0] / "environment.json").write_text("{}")
    (folders[1] / "record.json").unlink()
    said: list[str] = []
    store = Store(tmp_path, said.append)
    assert [run for run, _ in store.runs()] == [runs[0], runs[2]]  # nothing of the environment is used
    assert [line for line in said if "record.json is missing" in line and folders[1].name in line] == said != []
    with pytest.raises(SpecError, match=r"damaged: .*environment\.json is not what was written"):
        chosen(store, runs[0].digest[:8])
    with pytest.raises(SpecError, match=r"damaged: .*record\.json is missing"):
        chosen(store, runs[1].digest[:8])
    (folders[1] / "checkpoint.safetensors").touch()
    with pytest.raises(SpecError, match=r"s1\.\w+ is not finished; the same command continues it"):
        chosen(store, runs[1].digest[:8])
    assert chosen(store, runs[2].digest[:8])[0] == runs[2]
    with pytest.raises(SpecError, match="fits no finished run"):
        chosen(store, "zzz")


def test_only_what_is_used_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [Run(net="resnet8", seed=seed) for seed in range(3)]
    for run in runs:
        recorded(tmp_path, dict(_plain(run)), label=run.label)  # type: ignore[call-overload]
    hashed: list[Path] = []
    whole = file_checksum
    monkeypatch.setattr("didact.store.record.file_checksum", lambda path: hashed.append(path) or whole(path))
    assert len(list(Store(tmp_path).runs())) == 3
    assert hashed == []
    chosen(Store(tmp_path), runs[1].digest)
    assert {path.parent.name for path in hashed} == {f"{runs[1].label}.{runs[1].digest}"}


def test_nothing_is_trained_through_a_link(tmp_path: Path) -> None:
    run = Run(net="resnet8")
    store = Store(tmp_path / "store")
    (tmp_path / "elsewhere").mkdir()
    store.folder(run).parent.mkdir(parents=True)
    store.folder(run).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RequestError, match="is a link, and nothing is written through it"):
        execute([run], store, Execution())
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_path_of_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert Store("~/runs").root == tmp_path / "runs"
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", "/dev/null"):
        with pytest.raises(RequestError, match="is no folder"):
            Store(root)
    with pytest.raises(RequestError, match="found an empty text"):
        Store("")
