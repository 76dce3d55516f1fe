"""How the runs were made: commands, environments, and the checksums of all files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from didact.files.checked import DamagedError, file_checksum
from didact.request.command import alone
from didact.spec import canonical
from didact.tables.page.parts import Commands, Part, Section
from didact.tables.page.trained import Trained
from didact.tables.table import Table

STORE = Path("didact-runs")
"""The store in commands that train a run alone."""


def section(trained: Sequence[Trained]) -> Section:
    """Commands as typed, a command for each run, environments and checksums of finished runs."""
    known = [(one, about) for one in trained if (about := environment(one)) is not None]
    parts: list[Part] = [*_commands(known), *_environments(known)]
    files = [
        (one.run.label, one.digest, name, checksum)
        for one in trained
        if one.record is not None
        for name, checksum in sorted(
            {**one.record.sums, "record.json": file_checksum(one.record.folder / "record.json") or ""}.items()
        )
    ]
    if files:
        note = "A run's digest is the SHA-256 of its description; record.json holds the checksums of its other files."
        parts.append(Table(("run", "digest", "file", "SHA-256"), tuple(files), "Digests and checksums", note))
    return Section("origin", "Commands, environment, checksums", tuple(parts))


def environment(one: Trained) -> dict[str, Any] | None:
    """The environment of a finished run; None if it cannot be read."""
    try:
        environment = one.record.environment() if one.record is not None else None
    except DamagedError:
        return None
    return environment if isinstance(environment, dict) else None


def _commands(known: Sequence[tuple[Trained, dict[str, Any]]]) -> list[Part]:
    typed: dict[str, list[str]] = {}
    for one, environment in known:
        if environment.get("command"):
            typed.setdefault(str(environment["command"]), []).append(one.digest)
    each = [(f"{one.run.label} {one.digest}", line) for one, _ in known if (line := _alone(one)) is not None]
    parts: list[Part] = []
    if typed:
        lines = tuple((", ".join(digests), line) for line, digests in typed.items())
        parts.append(Commands("Commands as they were typed", lines, "Above each command: the digests of its runs."))
    if each:
        note = "Each trains that run alone, with the teachers that it needs, and gives the same digest."
        parts.append(Commands("A command for each run", tuple(each), note))
    return parts


_lines: dict[str, str | None] = {}
"""Commands by digest: a live report asks for the same ones again and again."""


def _alone(one: Trained) -> str | None:
    """The command that trains this run alone; None if no command can."""
    if one.digest not in _lines:
        _lines[one.digest] = alone(one.run, STORE)
    return _lines[one.digest]


def _environments(known: Sequence[tuple[Trained, dict[str, Any]]]) -> list[Table]:
    """A row for each different environment."""
    groups: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for one, environment in known:
        about = {key: value for key, value in environment.items() if key not in ("command", "source")}
        groups.setdefault(canonical(about), (about, []))[1].append(one.digest)
    if not groups:
        return []
    names = sorted({key for about, _ in groups.values() for key in about})
    rows = tuple(
        (*(str(about.get(name, "")) for name in names), len(digests), ", ".join(digests))
        for about, digests in groups.values()
    )
    return [Table((*names, "runs", "digests"), rows, "Environments")]
