"""``didact runs``: the store in daily use. Imports no torch before it runs."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from didact.cli import answer
from didact.cli.members import Prefixes, Where, check_prefixes, chosen_members, one_member
from didact.cli.options import STORE, Json, StorePath, TrustStore, exactly
from didact.cli.output import Format, emit, form
from didact.spec import NonNegative, SpecError, plural
from didact.streams import say

app = App(name="runs", help_format="plaintext")
"""Its help stands where it is named, in :mod:`didact.cli.main`."""

Yes = Annotated[bool, Parameter(name=("--yes", "-y"), negative="", help="Do it without asking.")]


def list_(
    *runs: Prefixes,
    where: Where = None,
    sort: Annotated[
        str | None,
        Parameter(help="Fields to sort by, with commas; a minus: the largest first.", allow_leading_hyphen=True),
    ] = None,
    fields: Annotated[bool, Parameter(negative="", help="List the fields that --where and --sort know.")] = False,
    unfinished: Annotated[
        bool, Parameter(negative="", help="Only runs that have begun and not ended, and the commands that go on with them.")
    ] = False,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    format: Format = "text",
    json: Json = False,
) -> int:
    """List finished runs, all or some, in any order; below them, in text, those that have begun and not ended."""
    from didact.store.query.fields import Selection
    from didact.tables import runs as tables

    shape = form(format, json)
    selection = Selection.read(where, sort)
    if fields and (where is not None or sort is not None or runs):
        raise SpecError("fields: lists what --where and --sort know; leave these out")
    if unfinished and (fields or where is not None or sort is not None):
        raise SpecError("unfinished: --fields, --where and --sort are for finished runs; leave these out")
    records = answer.opened(store, trust_store)
    check_prefixes(records, runs, commands=[name for name in app if not name.startswith("-")])
    if fields or unfinished:
        listing = tables.fields(records) if fields else tables.unfinished(records, runs)
        if unfinished and shape == "text" and not listing.table.rows:
            say(f"no unfinished run in {records.root}")
            return 0
        emit([listing.table], shape, listing.plain)
        return 0
    # before the finished ones: a run that ends meanwhile is then in both tables, not in none
    begun = [tables.unfinished(records, runs).table] if shape == "text" and where is None else []
    listing = tables.runs(records, selection, runs)
    emit([listing.table, *(table for table in begun if table.rows)], shape, listing.plain)
    return 0


app.default(list_)
app.command(list_, name="list")
app.command(
    "didact.cli.carry:export",
    name="export",
    help="""Write finished runs and the teachers that they need into one file, with checksums; all runs, where none are named.

    didact runs export --where "data=cifar100" -o runs.tar
    """,
)
app.command(
    "didact.cli.carry:import_",
    name="import",
    help="""Take the runs of such a file into the store. All is checked first; what the store has is kept.

    didact runs import runs.tar --store didact-runs
    """,
)
app.command(
    "didact.cli.carry:merge",
    name="merge",
    help="""Copy the finished runs of another store into this one. What both have stays once; what differs is said, and stays
    here as it is.

    didact runs merge /mnt/other/didact-runs --store didact-runs
    """,
)


@app.command
def rm(
    *runs: Prefixes,
    where: Where = None,
    with_students: Annotated[
        bool, Parameter(negative="", help="Remove also the runs that need those: students, networks trained with them.")
    ] = False,
    even_needed: Annotated[bool, Parameter(negative="", help="Remove also what runs that stay need.")] = False,
    yes: Yes = False,
    store: StorePath = STORE,
) -> int:
    """Remove runs, finished or not; shows first what goes, and asks. A teacher that other runs need stays.

    didact runs rm 1f0c 77ab
    didact runs rm --where "data=digits and epochs<5" --with-students
    """
    from didact.store.upkeep.removal import members, needers, remove, with_needers
    from didact.tables.runs import freed, leaving

    records = answer.opened(store, trust=False)
    all_ = members(records)
    chosen = chosen_members(records, all_, runs, where)
    if with_students:
        chosen = with_needers(chosen, all_)
    needed = needers(chosen, all_)
    listing = leaving(chosen, needed)
    emit([listing.table], "text", listing.plain)
    if needed and not even_needed:
        raise SpecError(
            f"{plural(len(needed), 'run')} of these {'is' if len(needed) == 1 else 'are'} needed by runs that stay (last "
            "column); add --with-students to remove these as well, or --even-needed to remove it all the same. Nothing is removed"
        )
    if not _agreed(f"remove {plural(len(chosen), 'run')}?", yes):
        say("nothing is removed")
        return 1
    done = remove(records, chosen)
    for line in done.kept:
        say(f"not removed: {line}", to_stderr=True)
    say(f"removed {plural(len(done.gone), 'run')}, {freed(done.freed)} are free")
    return 1 if done.kept else 0


@app.command
def gc(
    *,
    abandoned: Annotated[
        float,
        Parameter(
            converter=exactly(NonNegative),
            help="Days after which an unfinished run that nobody touched counts as abandoned.",
        ),
    ] = 30.0,
    verify: Annotated[bool, Parameter(negative="", help="Read every file of every Record, to find all damage.")] = False,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), negative="", help="Remove it.")] = False,
    store: StorePath = STORE,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Show what no run needs any more: checkpoints of finished and abandoned runs, what was set aside, damaged Records, kept
    answers without their teacher, temporary files. With --yes it is removed.
    """
    from didact.store.upkeep.leftovers import clear, leftovers
    from didact.tables import runs

    shape = form(format, json)
    records = answer.opened(store, trust=False)
    found = leftovers(records, abandoned, verify=verify)
    listing = runs.leftovers(found, records.root)
    emit([listing.table], shape, listing.plain)
    if not yes:
        if found:
            say("nothing is removed; --yes removes what is listed", to_stderr=True)
        return 0
    done = clear(records, found)
    for line in done.kept:
        say(f"not removed: {line}", to_stderr=True)
    say(f"{runs.freed(done.freed)} are free", to_stderr=True)
    return 1 if done.kept else 0


@app.command
def note(
    run: Annotated[str, Parameter(help="A digest, or the beginning of one, or a folder's name.")],
    text: Annotated[str | None, Parameter(help="The note; without it, the note there is is printed.")] = None,
    *,
    clear: Annotated[bool, Parameter(negative="", help="Remove the note.")] = False,
    store: StorePath = STORE,
) -> int:
    """Write a line of your own on a run; lists and didact show print it.

    didact runs note 1f0c "the one in the paper"
    """
    from didact.store import notes
    from didact.store.upkeep.removal import members

    if clear and text is not None:
        raise SpecError("note: a text and --clear are two things to do; leave one of them out")
    records = answer.opened(store, trust=False)
    one = one_member(records, members(records), run)
    if text is None and not clear:
        say(notes.note(one.folder) or "no note")
        return 0
    notes.put(one.folder, text or "")
    say(f"{one.label} ({one.digest}): {notes.note(one.folder) or 'no note'}")
    return 0


def _agreed(question: str, yes: bool) -> bool:
    """Whether the person at the terminal agrees.

    Raises:
        SpecError: there is nobody to ask.
    """
    if yes:
        return True
    if not sys.stdin or not sys.stdin.isatty():
        raise SpecError("there is nobody to ask; add --yes. Nothing is removed")
    say(f"{question} [y/N]", to_stderr=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
