"""Which runs of a store a command means: by their digests or by ``--where``, finished or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from didact.spec import SpecError, closest, first_of, shown

if TYPE_CHECKING:
    from didact.store.store import Store
    from didact.store.upkeep.removal import Member

Where = Annotated[
    str | None,
    Parameter(
        name="--where",
        help='Only runs that fit, such as "data=cifar100 and (method~kd or top1>70)"; operators = != ~ !~ < <= > >=.',
    ),
]
Prefixes = Annotated[str, Parameter(help="Digests, or the beginnings of digests or folders' names.")]


def check_prefixes(store: Store, prefixes: Sequence[str], commands: Sequence[str]) -> None:
    """Check that each of ``prefixes`` is the beginning of a run's digest or folder.

    Raises:
        SpecError: one is not. The message names the nearest of ``commands``.
    """
    from didact.store.store import begins

    for prefix in prefixes:
        if not prefix.strip() or not any(begins(folder, prefix) for folder in store.folders()):
            near = closest(prefix, commands, 1)
            meant = f"did you mean 'didact runs {near[0]}'?" if near else f"commands: {', '.join(commands)}"
            raise SpecError(f"{shown(prefix)} is the beginning of no run in {store.root}; {meant}")


def chosen_members(store: Store, all_: Sequence[Member], prefixes: Sequence[str], where: str | None) -> list[Member]:
    """The runs with these prefixes, and those that fit, each once.

    Raises:
        SpecError: neither is given, a prefix fits nothing, or no run fits.
    """
    if not prefixes and where is None:
        raise SpecError('name runs by their digests, or by --where, such as --where "data=digits"')
    found: dict[Path, Member] = {}
    for prefix in prefixes:
        found |= {one.folder: one for one in _with(store, all_, prefix)}
    if where is not None:
        from didact.store.query.fields import Selection
        from didact.tables.runs import finished

        selection = Selection.read(where, None)
        fitting = {one.folder for one in selection.of(finished(store))}
        if not fitting:
            there = "".join(f"; {line}" for line in selection.values(finished(store)))
            raise SpecError(f"where: no finished run in {store.root} fits {shown(where)}{there}")
        found |= {one.folder: one for one in all_ if one.folder in fitting}
    return list(found.values())


def _with(store: Store, all_: Iterable[Member], prefix: str) -> list[Member]:
    from didact.store.store import begins

    fits = [one for one in all_ if prefix.strip() and begins(one.folder, prefix)]
    if not fits:
        raise SpecError(
            f"{prefix[:100]!r} fits no run in {store.root}; 'didact runs --store {store.root}' lists the finished ones"
        )
    return fits


def one_member(store: Store, all_: Iterable[Member], prefix: str) -> Member:
    """The only run with this prefix.

    Raises:
        SpecError: none or several fit.
    """
    fits = _with(store, all_, prefix)
    if len(fits) > 1:
        names = first_of([f"{one.digest} {one.label}" for one in fits], 5, "; ")
        raise SpecError(f"{prefix[:100]!r} fits {len(fits)} runs in {store.root}: {names}; write more of the digest")
    return fits[0]
