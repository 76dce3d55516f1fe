"""The interface of a study: a paper's Runs, their training, their tables. Found by file name,
``module:NAME`` or a file of one's own."""

from __future__ import annotations

import importlib
import importlib.util
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from didact.execution import Execution, Outcome, Show
from didact.request.tokens import words_of
from didact.spec import SpecError, catalogue, nearest, shown
from didact.spec.foreign import imported, running
from didact.store.store import Store
from didact.tables.table import Table


class Paper(Protocol):
    """A paper's experiments, to train again."""

    @property
    def title(self) -> str:
        """The subject in one line."""
        ...

    @property
    def students(self) -> Mapping[str, str]:
        """Networks by their short labels in the tables; empty if tables use full names."""
        ...

    @property
    def published(self) -> Sequence[Table]:
        """The paper's own tables."""
        ...

    def train(self, store: Store, execution: Execution, show: Show | None = None, *, retry: bool = False) -> Outcome:
        """Train the missing runs."""
        ...

    def tables(self, store: Store, device: str, tell: Callable[[str], None]) -> list[Table]:
        """The tables of the finished runs. ``tell`` receives lines of progress."""
        ...


Make = Callable[[Mapping[str, Any], str], Paper]
"""Makes a study from its settings (plain data) and the device."""


MEMBERS = ("title", "students", "published", "train", "tables")


def find(name: str) -> Make:
    """The study called ``name``.

    ``sftn`` is the study of a file of this package, and ``sftn-fig3`` its table ``fig3``.
    ``module:NAME`` and ``mine.py`` (for ``mine.py:study``) are a user's: a function of (settings,
    device), a :class:`~didact.papers.benchmark.Benchmark`, or a :class:`Paper` itself.

    Raises:
        SpecError: no such study. The message names the nearest.
    """
    files = catalogue("didact.papers")
    if name in files:
        return cast("Make", importlib.import_module(files[name]).study)
    first, _, table = name.partition("-")
    module = importlib.import_module(files[first]) if first in files else None
    if module is not None and hasattr(module, "ABOUT") and table:
        return _of_table(cast("Make", module.study), table)
    if name.endswith(".py") or ".py:" in name:
        return _checked(name, *_from_file(name))
    if ":" not in name:
        whole = [] if "-" in name else [study.partition("-")[0] for study in names()]
        raise SpecError(f"unknown study {shown(name)}{nearest(name, {*names(), *whole})} (a file of your own ends in .py)")
    return _checked(name, *imported(name, "study"))


def train(
    name: str,
    settings: Mapping[str, Any],
    store: Store,
    execution: Execution,
    show: Show | None = None,
    *,
    retry: bool = False,
) -> tuple[Paper, Outcome]:
    """Train the missing runs of a study as ``didact study`` does. Their Records name that command, by
    which a report of the whole store finds the study.

    Args:
        name: as of :func:`find`.
        settings: those after the name on the command line, as a tree of plain values:
            ``{"scale": "small", "data": {"per_class": 50}}``.
        show: receives the events of the training.
        retry: train runs again that failed before, from their last good state.

    Raises:
        SpecError: no such study, or it does not take these settings.
        RequestError: as of :func:`didact.execute`.
    """
    paper = find(name)(settings, execution.device)
    command = execution.command or shlex.join(["didact", "study", name, *words_of(settings)])
    return paper, paper.train(store, replace(execution, command=command), show, retry=retry)


def names() -> list[str]:
    """Every study, as ``didact list studies`` has them."""
    from didact.papers.listing import known  # imports every study

    return [study for study, _, _ in known()]


def is_name(word: str) -> bool:
    """Whether ``word`` has the form of a study's name: a file of this package, with a table after it
    or without, or a user's file or module."""
    known = word.partition("-")[0] in catalogue("didact.papers")
    return known or (not word.startswith("-") and (":" in word or word.endswith(".py")))


def _of_table(make: Make, table: str) -> Make:
    def made(settings: Mapping[str, Any], device: str) -> Paper:
        if "table" in settings:
            raise SpecError(f"table: the study's name says {table}; leave one of them out")
        return make({**settings, "table": table}, device)

    return made


def _from_file(name: str) -> tuple[ModuleType, str]:
    """The module of a user's file, and the name of the study in it. Networks and methods in the file
    are named by its stem, so its folder is one that modules are found in.

    Raises:
        SpecError: there is no such file, or it cannot be run.
    """
    path, _, attribute = name.partition(":")
    file = Path(path).expanduser().absolute()
    if not file.is_file():
        raise SpecError(f"study: no file {shown(path)}")
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    known = sys.modules.get(file.stem)
    if known is not None and getattr(known, "__file__", None) == str(file):
        return known, attribute or "study"
    found = importlib.util.spec_from_file_location(file.stem, file)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    if known is None:
        sys.modules[file.stem] = module
    with running(name, "while it is read"):
        found.loader.exec_module(module)
    return module, attribute or "study"


def _checked(name: str, module: ModuleType, attribute: str) -> Make:
    """What a user's module holds, with a check of its study's members, so that a lack is found before
    training."""
    held = getattr(module, attribute, None)
    if held is None or not (callable(held) or hasattr(held, "train")):
        studies = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        own = [key for key in studies if getattr(vars(module)[key], "__module__", "") == module.__name__]
        meant = nearest(attribute, own) or "; write a function of (settings, device), or a Benchmark (docs/studies.md)"
        raise SpecError(f"{module.__name__!r} holds no {attribute!r} for the study {shown(name)}{meant}")

    def checked(settings: Mapping[str, Any], device: str) -> Paper:
        if callable(held):
            with running(name, "when it is called with (settings, device)"):
                paper = held(settings, device)
        else:
            paper = held
            if settings:
                raise SpecError(f"{next(iter(settings))}: {name} holds a study that takes no settings")
        lacking = [member for member in MEMBERS if not hasattr(paper, member)]
        if lacking:
            raise SpecError(
                f"{shown(name)} gives a {type(paper).__name__} without {', '.join(lacking)}; a study has {', '.join(MEMBERS)} "
                "(didact.papers.contract.Paper)"
            )
        return cast("Paper", paper)

    return checked
