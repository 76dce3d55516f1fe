"""``didact runs export``, ``import`` and ``merge``. Imports no torch before it runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.members import Prefixes, Where, chosen_members
from didact.cli.options import STORE, StorePath, folder
from didact.files.disk import UnwritableError
from didact.spec import SpecError, plural, shown
from didact.streams import say

if TYPE_CHECKING:
    from didact.store.exchange.intake import Offer
    from didact.store.store import Store
    from didact.store.upkeep.removal import Member


def export(
    *runs: Prefixes,
    where: Where = None,
    output: Annotated[Path, Parameter(name=("--output", "-o"), help="The file, such as runs.tar.")],
    store: StorePath = STORE,
) -> int:
    """Write an archive; the help stands where the command is named."""
    from didact.files.packed import OTHER_FILES
    from didact.store.exchange.packing import pack
    from didact.store.record import Record
    from didact.store.upkeep.claims import claimed
    from didact.store.upkeep.removal import members
    from didact.tables.runs import freed

    if output.suffix.lower() in OTHER_FILES:
        raise SpecError(f"output: the name of a tar file, such as runs.tar, found {shown(str(output))}")
    records = answer.opened(store, trust=False)
    all_ = members(records)
    chosen = chosen_members(records, all_, runs, where) if runs or where is not None else list(all_)
    leaving = _with_needed(chosen, all_)
    with claimed(records.root, (one.digest for one in leaving)):
        manifest = pack(output.expanduser(), [Record(one.folder) for one in leaving])
    say(f"{output}: {plural(len(manifest.runs), 'run')}, {freed(manifest.bytes)}")
    return 0


def _with_needed(chosen: Iterable[Member], all_: Iterable[Member]) -> list[Member]:
    """The finished runs of ``chosen``, those that they need and those that were trained with them;
    what is not there is said.

    Raises:
        SpecError: none of them is finished.
    """
    finished = {one.digest: one for one in all_ if one.state == "finished"}
    leaving: dict[str, Member] = {}
    for one in chosen:
        if one.digest not in finished:
            say(f"left out: {one.label} ({one.digest}) is {one.state}", to_stderr=True)
            continue
        for digest in (*sorted(one.needs), *one.group):
            leaving.update({digest: finished[digest]} if digest in finished else {})
            if digest not in finished:
                say(f"{one.label} needs {digest}, which is not in the store; the archive goes without it", to_stderr=True)
    if not leaving:
        raise SpecError("none of the runs is finished; only finished ones can be exported")
    return list(leaving.values())


def import_(
    archive: Annotated[Path, Parameter(help="A file from didact runs export.")],
    *,
    store: StorePath = STORE,
) -> int:
    """Read an archive; the help stands where the command is named."""
    from didact.store.exchange.unpacking import Archive
    from didact.tables.runs import freed

    source = Archive(archive.expanduser())
    target = _target(store)
    target.root.mkdir(parents=True, exist_ok=True)
    room = shutil.disk_usage(target.root).free
    if room < source.manifest.bytes:
        raise UnwritableError(
            f"{archive} takes {freed(source.manifest.bytes)}, and {freed(room)} are free at {target.root}; nothing is written"
        )
    return _take(target, source.offers())


def merge(
    other: Annotated[
        Path, Parameter(help="The store whose runs are copied; it stays as it is.", converter=folder, n_tokens=1)
    ],
    *,
    store: StorePath = STORE,
) -> int:
    """Copy; the help stands where the command is named."""
    from didact.store.exchange.merging import offers

    if not other.exists():
        raise SpecError(f"other: {other} does not exist; name the store whose runs are copied")
    source, target = answer.opened(other, trust=False), _target(store)
    if target.root.exists() and source.root.resolve() == target.root.resolve():
        raise SpecError(f"merge: {other} is the store itself; name another")
    return _take(target, offers(source))


def _target(store: Path) -> Store:
    """The store that takes runs in, which may not exist yet.

    Raises:
        RequestError: it cannot be written.
    """
    from didact.report.text import stderr
    from didact.store.store import Store
    from didact.store.upkeep.locks import check_writable

    target = Store(store, stderr().print)
    check_writable(target)
    return target


def _take(target: Store, offers: Iterable[Offer]) -> int:
    """Take in what the store lacks, and say what came of it; 1 where something was not taken."""
    from didact.store.exchange.intake import take

    taken = take(target, offers)
    for line in (*taken.other, *taken.refused):
        say(f"not taken: {line}", to_stderr=True)
    counts = {"taken": taken.new, "there already": taken.same, "different here": taken.other, "refused": taken.refused}
    say(", ".join(f"{len(names)} {what}" for what, names in counts.items() if names or what == "taken"))
    return 1 if taken.other or taken.refused else 0
