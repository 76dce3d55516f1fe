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
    by_text: dict[str, Tracker] = {}
    for text in texts:
        if text in by_text:
            raise SpecError(f"track: {shown(text)} is named twice")
        by_text[text] = _tracker(text, root)
    return by_text


def _tracker(text: str, root: Path) -> Tracker:
    name, _, where = text.partition(":")
    files = catalogue(HOME)
    if name.lower() in files:
        return importlib.import_module(files[name.lower()]).make(where, root)
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
    with running(text, "when it is called with the store's folder"):
        tracker: Any = make(root)
    lacking = [member for member in MEMBERS if not callable(getattr(tracker, member, None))]
    if lacking:
        raise SpecError(f"track: {shown(text)} has no {', '.join(lacking)} (didact.track.tracker.Tracker)")
    return tracker
