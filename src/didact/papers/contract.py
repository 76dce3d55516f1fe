"""The interface of a study: a paper's Runs, their training, their tables. Found by file name or
``module:function``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from didact.execution import Execution, Outcome, Show
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


def find(name: str) -> Make:
    """The study called ``name``: the function ``study`` of a file of this package, or
    ``module:function`` anywhere.

    Raises:
        SpecError: no such study. The message names the nearest.
    """
    files = catalogue("didact.papers")
    if name in files:
        return cast("Make", importlib.import_module(files[name]).study)
    if ":" not in name:
        raise SpecError(f"unknown study {shown(name)}{nearest(name, files)}")
    module, attribute = imported(name, "study")
    make = getattr(module, attribute, None)
    if not callable(make):
        functions = [key for key, value in vars(module).items() if callable(value) and value.__module__ == module.__name__]
        raise SpecError(
            f"{module.__name__!r} holds no function {attribute!r} for the study {shown(name)}{nearest(attribute, functions)}"
        )
    return _checked(name, make)


MEMBERS = ("title", "students", "published", "train", "tables")


def _checked(name: str, make: Callable[..., Any]) -> Make:
    """``make`` with a check of its study's members, so that a lack is found before training."""

    def checked(settings: Mapping[str, Any], device: str) -> Paper:
        with running(name, "when it is called with (settings, device)"):
            paper = make(settings, device)
        lacking = [member for member in MEMBERS if not hasattr(paper, member)]
        if lacking:
            raise SpecError(
                f"{shown(name)} gives a {type(paper).__name__} without {', '.join(lacking)}; a study has {', '.join(MEMBERS)} "
                "(didact.papers.contract.Paper)"
            )
        return cast("Paper", paper)

    return checked
