"""The studies of a report: those that are named, or those that the commands in a store's Records
name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from didact.spec import SpecError, catalogue, clean, shown

if TYPE_CHECKING:
    from didact.papers.contract import Paper
    from didact.store.store import Store
    from didact.tables.page.parts import Section
    from didact.tables.page.trained import Trained

STARTS = (["didact", "study"], ["python", "-m", "didact", "study"])
"""How a recorded command of a study begins."""

SEPARATORS = re.compile(r"[\s,;/+=\[\]{}()\"']+")
"""What stands between several names in a setting."""


@dataclass(frozen=True)
class Studied:
    """A study of the report.

    Attributes:
        name: the word that asks for the study, such as "crd" or "sftn-4".
        paper: the study with its settings.
        limited: whether its settings ask for single cells (``only``).
        finished: digests of its finished runs, without those that only teach others of them.
    """

    name: str
    paper: Paper
    limited: bool
    finished: frozenset[str] = frozenset()


def named(words: Sequence[str], device: str) -> list[Studied]:
    """The studies in ``words``, each followed by its settings: ``crd --scale small simkd``. None if
    the first word names no study.

    Raises:
        SpecError: settings without a study, or settings that a study does not take.
    """
    from didact.papers.contract import find, is_name
    from didact.request.tokens import parse

    if not words or not is_name(words[0]):
        option = next((word for word in words if word.startswith("-")), None)
        if option is not None:
            raise SpecError(f"unknown option {shown(option)}; a study's settings come after its name, as in didact study")
        return []
    found: list[Studied] = []
    for name, settings in _divided(words):
        make = find(name)
        tree = parse(settings, lambda tree, make=make: make(tree, device))
        found.append(Studied(name, make(tree, device), _limited(tree)))
    return found


def _divided(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each study's name and settings. A name that is the value of an option begins no study."""
    from didact.papers.contract import is_name

    name, settings = words[0], list[str]()
    for before, word in pairwise(words):
        value = before.startswith("--") and "=" not in before
        if is_name(word) and not value:
            yield name, settings
            name, settings = word, []
        else:
            settings.append(word)
    yield name, settings


def typed(store: Store, trained: Sequence[Trained], device: str) -> list[Studied]:
    """The studies whose runs are among ``trained``, by the commands in the Records. Of the same
    table the one with more runs, by name; those of a user's own code are left out, with a message."""
    found: dict[str, dict[frozenset[str], Studied]] = {}
    for line in _commands(trained):
        for one, table in _of_command(store, line, device, trained):
            found.setdefault(table, {})[one.finished] = one
    most = [one for same in found.values() for one in same.values() if not any(one.finished < other for other in same)]
    return sorted(most, key=lambda one: one.name)


def _commands(trained: Sequence[Trained]) -> list[str]:
    """The commands that the Records hold, each once."""
    from didact.tables.page.origin import environment

    about = [environment(one) for one in trained]
    return list(dict.fromkeys(str(each["command"]) for each in about if each is not None and each.get("command")))


def _of_command(store: Store, line: str, device: str, trained: Sequence[Trained]) -> Iterator[tuple[Studied, str]]:
    """The study that a recorded command has trained, and which table it is; nothing for another
    command, and for one of which no run is finished. A Record is data: it names studies of didact,
    no code that is not trusted, and no file."""
    from didact.papers.contract import find
    from didact.store.entries import untrusted

    try:
        name, settings = _parsed(line)
        if not name:
            return
        if not _built_in(name):
            store.once(f"the tables of {shown(name)} are left out; name the study to have them: didact report {clean(name)}")
            return
        code = _named_code(settings)
        if not store.trusts(code):
            store.once(f"the tables of {shown(name)} are left out: the command in a Record {untrusted(tuple(sorted(code)))}")
            return
        if _has(settings, "weights"):
            store.once(f"the tables of {shown(name)} are left out: the command in a Record names a file of weights")
            return
        paper = find(name)(settings, device)
    except Exception as error:  # the line is data: whatever it holds, the report has the rest
        store.once(f"no tables of the study in {shown(line)}: {error or type(error).__name__}")
        return
    runs = getattr(paper, "runs", ())
    known = {one.digest for one in trained if one.record is not None}
    known -= {run.teacher.digest for run in runs if run.teacher is not None}
    finished = frozenset(run.digest for run in runs if run.digest in known)
    if finished:
        yield Studied(name, paper, _limited(settings), finished), f"{name} {settings.get('table', '')}"


def _limited(settings: Mapping[str, Any]) -> bool:
    """Whether a study with these settings has single cells, beside which the paper's whole tables are not
    shown."""
    return settings.get("only") is not None


def _built_in(name: str) -> bool:
    """Whether the name is that of one of didact's studies, and none of a file or a module."""
    first, _, table = name.partition("-")
    return first in catalogue("didact.papers") and ":" not in table and not table.endswith(".py")


def _named_code(settings: Any) -> frozenset[str]:
    """Every name of code in a study's settings, also as one of several in a text. A network of
    transformers counts, because its name may be that of a folder."""
    from didact.nets import libraries

    return frozenset(
        name for name in _names(settings) if ":" in name and (name.startswith("hf:") or not libraries.named(name))
    )


def _names(settings: Any) -> Iterator[str]:
    """Every word in plain data, at any depth."""
    if isinstance(settings, Mapping):
        yield from _names(list(settings.items()))
    elif isinstance(settings, list | tuple):
        for one in settings:
            yield from _names(one)
    elif isinstance(settings, str):
        yield from SEPARATORS.split(settings)


def _has(settings: Any, key: str) -> bool:
    """Whether the settings have this one, at any depth."""
    if isinstance(settings, Mapping):
        return key in settings or any(_has(inner, key) for inner in settings.values())
    return False


def _parsed(line: str) -> tuple[str, Mapping[str, Any]]:
    """Name and settings of the study that a command asks for, read as the command line reads them;
    no name for another command.

    Raises:
        ValueError: it cannot be read.
    """
    from cyclopts import CycloptsError

    from didact.cli.commands import app
    from didact.request.tokens import parse

    words = shlex.split(line)
    start = next((start for start in STARTS if words[: len(start)] == start), None)
    if start is None:
        return "", {}
    try:
        _, bound, _ = app.parse_args(["study", *words[len(start) :]], exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise ValueError(str(error)) from None
    return str(bound.arguments["name"]), parse(bound.arguments.get("settings", ()))


def sections(studies: Sequence[Studied], store: Store, device: str, *, asked: bool) -> tuple[Section, ...]:
    """The tables of each study, and the published ones; of a study of single cells (``--only``) the number
    of those that are left out.

    Args:
        asked: whether the studies were asked for; otherwise one whose tables cannot be made, such as
            for want of images to measure, is left out with a message.
    """
    from didact.papers.only import left_out
    from didact.tables.page.studies import sections as of_study

    found: list[Section] = []
    printed: set[str] = set()
    for at, one in enumerate(studies):
        try:
            tables = one.paper.tables(store, device, store.say)
        except (ValueError, LookupError, OSError, RuntimeError) as error:
            if asked:
                raise
            store.once(f"no tables of the study {one.name}: {error}")
            continue
        note = left_out(one.paper.published) if one.limited else None
        sheets = () if one.limited else one.paper.published
        published = [sheet for sheet in sheets if sheet.title not in printed]
        printed |= {sheet.title for sheet in published}
        name = one.name if len(studies) > 1 else ""
        found += of_study(one.paper.title, tables, published, one.paper.students, name, at, note or "")
    return tuple(found)
