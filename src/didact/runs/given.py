"""Weights from a file: a network that didact did not train, or one that goes on from there.

A Run holds no path. It holds the checksum of the file; where the file was seen last is remembered
in the user's cache folder. Whoever loads it compares the checksum.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor

from didact.data import DataError, root
from didact.files.checked import DamagedError, read_json, write_json
from didact.files.weights import Tensors, WeightsError, candidates, checksum, inside
from didact.nets.blocks import BlockNet
from didact.nets.matching import BY_ORDER, Match, match
from didact.spec import MOST, Count, Number, Positive, clean, spec

Output = Annotated[int, Field(ge=0, le=MOST)]


@spec
class Given:
    """Weights in a file."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Checksum of the file."""
    outputs: tuple[Output, ...] | None = None
    """Which outputs of the file's network stand for the classes of the data, in their order; all in
    order when not given.
    """

    @model_validator(mode="after")
    def _once(self) -> Given:
        outputs = self.outputs or ()
        if len(set(outputs)) < len(outputs):
            twice = next(output for output in outputs if outputs.count(output) > 1)
            raise ValueError(f"outputs: {twice} is there twice; each class has an output of its own")
        return self


@spec
class Inputs:
    """How a network is shown the images, where not as the data say."""

    mean: tuple[Number, ...] | None = None
    """Of each channel, on the scale 0 to 1."""
    std: tuple[Positive, ...] | None = None
    """Of each channel, on the scale 0 to 1."""
    size: Count | None = None
    """Height and width."""


_PLACES: dict[str, Path] = {}
"""Where this process has seen files, by checksum."""


def seen(path: str | Path) -> str:
    """The checksum of the file at ``path``, which is remembered as its place.

    Args:
        path: of a file of weights, or of a packed network.

    Raises:
        WeightsError: there is no such file, or it cannot be read.
    """
    place = inside(Path(os.path.abspath(os.path.expanduser(path))))
    sum_ = checksum(place)
    if last_place(sum_) != place:
        _PLACES[sum_] = place
        with contextlib.suppress(OSError, DataError):  # then only this process knows
            note = _note(sum_)
            note.parent.mkdir(parents=True, exist_ok=True)
            write_json(note, {"path": os.fspath(place)})
    return sum_


def last_place(sum_: str) -> Path | None:
    """Where the file with this checksum was seen last; None where this machine has not seen it."""
    with contextlib.suppress(DamagedError, DataError):
        known = read_json(_note(sum_))
        if isinstance(known, dict) and isinstance(known.get("path"), str):
            return Path(known["path"])
    return _PLACES.get(sum_)


def _note(sum_: str) -> Path:
    return root() / "weights" / f"{sum_[:32]}.json"


def _found_again(given: Given) -> Path:
    place = last_place(given.sha256)
    if place is None:
        raise WeightsError(
            f"the file of weights with the checksum {given.sha256[:16]} has not been seen on this machine; ask with its path"
        )
    if checksum(place) != given.sha256:
        raise WeightsError(
            f"{clean(place)} has changed: its checksum is {checksum(place)[:16]}, and the request was made when it was "
            f"{given.sha256[:16]}; ask again with the file that is meant"
        )
    return place


def tensors(net: BlockNet, name: str, given: Given, classes: int, *, fresh: bool) -> tuple[Tensors, list[str]]:
    """The file's weights by the names of ``net``, and what to say of them.

    Args:
        net: the network ``name`` for ``classes``, also on the meta device.
        fresh: whether a last layer for other classes is left out, and stays as it is in ``net``;
            otherwise it is refused.

    Raises:
        WeightsError: the file is not where it was, has changed, or its weights do not fit; or one
            is not finite, or no floating-point number where the network has one.
    """
    path = _found_again(given)
    try:
        fit = match(net, name, candidates(path))
        own = net.state_dict()
        _check_values(fit, own)
        found, left = _rows(fit, given, classes, fresh=fresh)
    except WeightsError as error:
        text = str(error)
        raise WeightsError(text if clean(path) in text else f"{clean(path)}: {text}") from None
    notes = [f"{path.name}: its names are not known; {name} takes its tensors {BY_ORDER}"] if fit.how == BY_ORDER else []
    if left:
        notes.append(f"{path.name}: its last layer has {fit.outputs} outputs; {name} gets a fresh one for {classes} classes")
    kinds = {str(v.dtype).removeprefix("torch.") for k, v in found.items() if v.dtype != own[k].dtype}
    if kinds:
        notes.append(f"{path.name}: {', '.join(sorted(kinds))} becomes float32")
    return {key: value.to(own[key].dtype) for key, value in found.items()}, notes


def load(net: BlockNet, name: str, given: Given, classes: int, *, fresh: bool) -> None:
    """Put the file's weights into ``net``; arguments and errors as of :func:`tensors`."""
    weights = tensors(net, name, given, classes, fresh=fresh)[0]
    net.load_state_dict(net.state_dict() | weights)


def _check_values(fit: Match, own: Tensors) -> None:
    for key, value in fit.tensors.items():
        if value.is_floating_point() != own[key].is_floating_point() or value.is_complex():
            kind = str(value.dtype).removeprefix("torch.")
            expected = str(own[key].dtype).removeprefix("torch.")
            raise WeightsError(
                f"the tensor for {key} is of {kind}, and {expected} is needed; save weights that are not quantised"
            )
        if value.is_floating_point() and not value.isfinite().all():
            bad = int((~value.isfinite()).sum())
            raise WeightsError(f"the tensor for {key} has {bad} values that are not finite; its training has failed")


def _rows(fit: Match, given: Given, classes: int, *, fresh: bool) -> tuple[dict[str, Tensor], bool]:
    """The tensors with a row of the last layer for each class, and whether the last layer is left
    out.
    """
    if given.outputs is not None:
        _check_outputs(given.outputs, fit.outputs, classes)
        index = torch.tensor(given.outputs, device="cpu")
        return {k: v[index] if k in fit.rows else v for k, v in fit.tensors.items()}, False
    if fit.outputs == classes:
        return dict(fit.tensors), False
    if fresh:
        return {k: v for k, v in fit.tensors.items() if k not in fit.rows}, True
    which = (
        "say which stand for them, in their order: teacher.outputs=[3,0,1] or a file with a number a line"
        if fit.outputs > classes
        else "so it cannot tell the classes apart"
    )
    raise WeightsError(f"its last layer has {fit.outputs} outputs, and the data have {classes} classes; {which}")


def _check_outputs(outputs: Sequence[int], there: int, classes: int) -> None:
    if len(outputs) != classes:
        raise WeightsError(f"outputs: {len(outputs)} numbers for {classes} classes; one for each class, in their order")
    if max(outputs) >= there:
        raise WeightsError(f"outputs: {max(outputs)} is not there; the outputs are 0 to {there - 1}")
