"""Trackers by the texts of ``--track``."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from didact.spec import SpecError, catalogue, closest, cut, nearest, shown
from didact.spec.foreign import imported, running
from didact.track.tracker import Tracker

HOME = "didact.track.trackers"
MEMBERS = ("begins", "learned", "ends", "close")


def trackers(texts: Sequence[str], root: Path) -> dict[str, Tracker]:
    """The trackers that ``texts`` name, by their texts: a file of ``track/trackers`` with what
    follows a colon, such as ``tensorboard:DIR``, or ``module:Class`` of the user's own.

    Args:
        root: the store's folder, in which a tracker writes that is given no place.

    Raises:
        SpecError: no such tracker, or two times the same.
        RequestError: its library is missing, or it cannot write there.
    """
    check(texts)
    return {text: _tracker(text, root) for text in texts}


def check(texts: Sequence[str]) -> None:
    """Check names and modes, as for a plan: nothing is opened, and no library is imported.

    Raises:
        SpecError: no such tracker or mode, or two times the same.
    """
    for at, text in enumerate(texts):
        if text in texts[:at]:
            raise SpecError(f"track: {shown(text)} is named twice")
        module, where = _built_in(text)
        if module is None:
            _own(text)
        elif hasattr(module, "check"):
            module.check(where)


def notes(texts: Sequence[str]) -> list[str]:
    """What a user may expect of ``texts`` and does not get, such as a server that only the
    environment names."""
    modules = [_built_in(text) for text in texts]
    return [note for module, where in modules if hasattr(module, "note") and (note := module.note(where))]


def _built_in(text: str) -> tuple[Any, str]:
    """The module of a tracker of didact, None for another, and what follows the colon."""
    name, _, where = text.partition(":")
    file = catalogue(HOME).get(name.lower())
    return (None if file is None else importlib.import_module(file)), where


def _tracker(text: str, root: Path) -> Tracker:
    module, where = _built_in(text)
    if module is not None:
        return module.make(where, root)
    make = _own(text)
    with running(text, "when it is called with the store's folder"):
        tracker: Any = make(root)
    lacking = [member for member in MEMBERS if not callable(getattr(tracker, member, None))]
    if lacking:
        raise SpecError(f"track: {shown(text)} has no {', '.join(lacking)} (didact.track.tracker.Tracker)")
    return tracker


def _own(text: str) -> Any:
    """What makes a user's tracker."""
    name, _, where = text.partition(":")
    files = catalogue(HOME)
    if not where:
        raise SpecError(f"track: unknown tracker {shown(text)}{nearest(text, files)}")
    try:
        module, attribute = imported(text)
    except SpecError as error:
        meant = closest(name, files, 1)
        raise SpecError(f"track: {error}{f'; did you mean {meant[0]}:{cut(where)}?' if meant else ''}") from None
    make: Any = getattr(module, attribute, None)
    if not callable(make):
        raise SpecError(f"track: {module.__name__!r} holds no class {attribute!r}; trackers: {', '.join(files)}")
    return make
