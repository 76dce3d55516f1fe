"""Weights from files in a request: which settings go together, and what a Run holds of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from didact.files.hub import PREFIX, pull
from didact.files.packed import ABOUT, member
from didact.files.reading import DamagedError, parsed
from didact.request.schema import TeacherRequest
from didact.request.settings import below
from didact.runs.given import Given, Inputs, seen
from didact.spec import SpecError, from_json

_OF_WEIGHTS = ("outputs", "mean", "std", "size")
_OF_TRAINING = ("method", "teacher", "recipe", "seeds", "seed", "data_seed")


def check_weights(teacher: TeacherRequest, at: str) -> None:
    """Whether a teacher's settings go together with its weights. ``at``: the teacher's path.

    Raises:
        SpecError: the message says what to leave out or to add.
    """
    if teacher.weights is None:
        lone = next((name for name in _OF_WEIGHTS if getattr(teacher, name) is not None), None)
        if lone is not None:
            raise SpecError(f"{at}.{lone}: belongs to a teacher that was trained elsewhere; add {at}.weights=FILE")
        if teacher.start == "weights":
            raise SpecError(f"{at}.start: {at}.start=weights fine-tunes the weights of a file; add {at}.weights=FILE")
        return
    if teacher.start == "standard":
        raise SpecError(f"{at}.start: the teacher begins with its weights, so write {at}.start=weights")
    if teacher.start is None:
        trained = next((name for name in _OF_TRAINING if _says(teacher, name)), None)
        if trained is not None:
            raise SpecError(
                f"{at}.{trained}: a teacher with weights from a file is not trained; leave it out, "
                f"or write {at}.start=weights to train on from there"
            )


def _says(teacher: TeacherRequest, name: str) -> bool:
    """Whether a setting is given and is not what holds anyway."""
    value = getattr(teacher, name)
    return value is not None and not (name == "method" and value == {"name": "standard"})


def file_of(path: str | None, outputs: Sequence[int] | None, at: str) -> Given | None:
    """What a Run holds of the file at ``path``; None without one. ``at``: the setting's path.

    Raises:
        SpecError: the file cannot be read; an output is there twice.
    """
    if path is None:
        return None
    try:
        sha256 = seen(pull(path) if path.startswith(PREFIX) else path)
    except ValueError as error:
        raise SpecError(f"{at}: {error}") from None
    with below(at.rpartition(".")[0]):
        return from_json(Given, {"sha256": sha256, "outputs": outputs})


def net_in(path: str | None) -> str | None:
    """The network that a packed one says that it is; None for other files, and where that would
    name code to import.

    Raises:
        SpecError: the packed network is damaged.
    """
    if path is None:
        return None
    place = (pull(path) if path.startswith(PREFIX) else Path(path)).expanduser()
    try:
        about = member(place, ABOUT)
        known = None if about is None else parsed(about, place / ABOUT)
    except DamagedError as error:
        raise SpecError(f"weights: {error}") from None
    net = known.get("net") if isinstance(known, dict) else None
    return net if isinstance(net, str) and ":" not in net else None


def inputs_of(teacher: TeacherRequest, at: str) -> Inputs | None:
    """How the teacher is shown the images; None where as the data say. ``at``: its path."""
    if teacher.mean is None and teacher.std is None and teacher.size is None:
        return None
    return from_json(Inputs, {"mean": teacher.mean, "std": teacher.std, "size": teacher.size}, at)
