"""The content of a store's folders, before anything is built from it.

A store is data, and data must not choose which code runs. A Record can name a user's network,
method or pool as ``module:Name``. Building its Run imports that module; building its network calls
that function. So a Run is built only if the user has named all such code, or has opened the store
as trusted. Every other Record is :class:`Listed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from didact.files.checked import DamagedError, read_json
from didact.nets import libraries
from didact.spec import clean, clean_lines, digest, first_of, to_json
from didact.store.record import Record

if TYPE_CHECKING:
    from didact.runs.run import Run

FAILED = "failed.json"
"""Says why a training stopped."""
CHECKPOINT, PREVIOUS = "checkpoint.safetensors", "previous.safetensors"
TRAINING = (CHECKPOINT, PREVIOUS, FAILED)
"""Files that only a run's training needs."""


@dataclass(frozen=True)
class Finished:
    """A Record and its Run."""

    run: Run
    record: Record


@dataclass(frozen=True)
class Lost:
    """A folder without a readable Record.

    Attributes:
        folder: the folder.
        why: the reason, a sentence that begins with the folder's name or its damaged file.
        running: whether the training has begun and not ended, so that nothing is wrong.
        damaged: whether a file is missing or not what was written.
    """

    folder: Path
    why: str
    running: bool = False
    damaged: bool = False


@dataclass(frozen=True)
class Listed:
    """A Record without a Run, because it names untrusted code. All texts are cleaned.

    Attributes:
        record: the Record.
        spec: the content of its spec.json, as plain JSON data.
        code: the names of code in it.
    """

    record: Record
    spec: Mapping[str, Any]
    code: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """The digest of spec.json, which is that of the Run."""
        return digest(self.spec)

    @property
    def label(self) -> str:
        """The folder's name without the digest."""
        return clean(self.record.folder.name.rpartition(".")[0])

    @property
    def net(self) -> str:
        """The network's name."""
        return clean(self.spec.get("net"))

    @property
    def method(self) -> str:
        """The method's name."""
        method = self.spec.get("method")
        return clean(method.get("name") if isinstance(method, Mapping) else method)

    @property
    def top1(self) -> float:
        """The last epoch's test accuracy in percent."""
        return self.record.final()["test_top1"]

    @property
    def note(self) -> str:
        """The end of a sentence about the Record: why its Run is not built, and what to do."""
        return untrusted(self.code)


Entry = Finished | Listed | Lost


def listed(record: Record, spec: Any, code: frozenset[str]) -> Entry:
    """The entry of a Record that names the untrusted ``code``; lost if its spec.json does not fit
    its folder."""
    if not isinstance(spec, dict) or record.folder.suffix[1:] != digest(spec):
        return Lost(record.folder, f"skipped {clean(record.folder.name)}: its spec.json is not that of the run in its name")
    return Listed(record, spec, tuple(sorted(map(clean, code))))


def unsealed(folder: Path) -> Lost:
    """The entry of a folder without Record: its training runs or has stopped, or its seal is
    missing."""
    name = clean(folder.name)
    if (folder / FAILED).exists():
        reason = failed(folder, folder.suffix[1:])
        why = "" if reason is None else f": {reason}"
        return Lost(folder, f"{name} has stopped{why}; --retry goes on from its last good state", running=True)
    if (folder / "weights.safetensors").exists() and not (folder / CHECKPOINT).exists():
        return Lost(folder, damaged(DamagedError(f"{folder / 'record.json'} is missing")), damaged=True)
    return Lost(folder, f"{name} is not finished; the same command continues it", running=True)


def failed(folder: Path, digest: str) -> str | None:
    """The reason why the run with this digest stopped; None if it did not, or if the reason cannot be
    read."""
    path = folder / FAILED
    try:
        said = read_json(path) if path.exists() else {}
        return clean_lines(said["reason"]) if said.get("run", digest) == digest else None
    except (DamagedError, AttributeError, KeyError, TypeError):
        return None


def damaged(error: DamagedError) -> str:
    """The message about a damaged Record."""
    return f"damaged: {error}; the same command trains the run again"


def code_names(value: Any) -> frozenset[str]:
    """Every text with a colon in plain JSON data, at any depth, which could name code."""
    return frozenset(text for text in _texts(value) if ":" in text and not libraries.named(text))


def codes(run: Run) -> frozenset[str]:
    """The code that ``run`` and the runs that it needs name."""
    return code_names(to_json(run))


def untrusted(code: tuple[str, ...]) -> str:
    """The end of a sentence about a Record that names ``code``."""
    shown = first_of([repr(name[:60]) for name in code], 3)
    return (
        f"names code that is not built in ({shown}), which is not imported just because a Record names it; "
        "where you trust the store, add --trust-store, or write Store(..., trust=True) in Python"
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
