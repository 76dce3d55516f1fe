"""Everything that a request may hold: the settings of ``didact train``, which :func:`didact.plan`
takes as a tree.

Help, reference page and error messages come from these classes. A setting that is left out, or
null, takes what its :class:`~didact.spec.Setting` names as the default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, field_validator, model_validator

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.engine.recipes import RECIPES, complete
from didact.method import Joint, Method
from didact.request.settings import as_given, read_outputs, several
from didact.runs.given import Output
from didact.spec import HERE, Count, Number, Seed, Seeds, Setting, SpecError, catalogue, closest, find, shown, spec
from didact.teaching.route import Route

_SHORT = complete(RECIPES["short"].recipe) | {"precision": "auto"}


BRANCHES = "branches"
"""The start of a student that begins with its teacher's branch, among names of runs."""


def _names(given: Any) -> tuple[str, ...] | None:
    return None if given is None else tuple(several(given, HERE))


def _fields(given: Any) -> dict[str, Any] | None:
    return None if given is None else as_given(given, HERE)


def _teacher(given: Any) -> Any:
    if given is None or isinstance(given, (str, Mapping, TeacherRequest)):
        return {"net": given} if isinstance(given, str) else given
    raise SpecError(f"{HERE}: expected a network's name or settings such as {HERE}.net, found {shown(given)}")


def _peers(given: Any) -> Any:
    if given is None or isinstance(given, (str, Mapping, PeersRequest)):
        return {"net": given} if isinstance(given, str) else given
    raise SpecError(f"{HERE}: expected networks' names or settings such as {HERE}.net, found {shown(given)}")


def _deeper(name: str, places: Mapping[str, Sequence[type]]) -> list[str]:
    """By place the setting of the parts there that ``name`` may mean, as a path."""
    known = {at: {field.name for part in parts for field in fields(part)} for at, parts in places.items()}
    return [f"{at}.{near}" for at, names in known.items() for near in closest(name, sorted(names), 1, 0.8)]


Names = Annotated[tuple[str, ...] | None, BeforeValidator(_names)]
"""One name or several: a text with commas, or a list."""
Fields = Annotated[dict[str, Any] | None, BeforeValidator(_fields)]
"""A name (as "name"), or settings by name, or both."""


def _numbers(given: Any) -> Any:
    """Numbers in a list, or in a text separated by commas; one alone is a list of one."""
    if isinstance(given, str) and given.strip():
        try:
            return [int(part) if part.strip().isdecimal() else float(part) for part in given.split(",")]
        except ValueError:
            return given
    return [given] if isinstance(given, (int, float)) and not isinstance(given, bool) else given


def _outputs(given: Any) -> Any:
    """Numbers as :func:`_numbers` takes them, or the path of a file with a number a line."""
    numbers = _numbers(given)
    return read_outputs(given, HERE) if isinstance(numbers, str) else numbers


Levels = Annotated[tuple[Number, ...] | None, BeforeValidator(_numbers)]
"""A number for each channel: a list, or a text with commas."""


@spec
class PeersRequest:
    """The networks that learn together with the student."""

    net: Annotated[Names, Setting("names")] = None
    """The networks it learns together with (dml, kdcl); several are one group."""
    method: Annotated[Fields, Setting("name", "its own")] = None
    """How they learn, where not like it; by ce they are looked at only."""
    recipe: Annotated[Fields, Setting("name", "its own")] = None
    """Where theirs differs: recipe.learning_rate and so on; epochs, batches (and what is mixed) and
    precision are shared.
    """
    seed: Annotated[Seed | None, Setting("int", "its own")] = None
    """Their own seed."""

    @classmethod
    def deeper(cls, name: str) -> list[str]:
        """As that of a :class:`Request`."""
        return _deeper(name, {"recipe": [Recipe], "method": [Joint]})


@spec
class TeacherRequest:
    """The network that teaches. One that has a teacher itself is an assistant."""

    net: Annotated[str | None, Setting("name")] = None
    """The network that teaches."""
    method: Annotated[Fields, Setting("names", "standard")] = None
    """How it is trained: standard (the labels alone), sftn, gtn, several (standard,sftn), or a
    student's method.
    """
    teacher: Annotated[TeacherRequest | None, BeforeValidator(_teacher), Setting("as teacher", "none")] = None
    """Makes the teacher an assistant (by teacher.method=kd or another student's method): the
    network it learns from.
    """
    data: Annotated[Fields, Setting("as data", "the student's")] = None
    """Where its data differ: data.fraction and so on."""
    recipe: Annotated[Fields, Setting("as recipe", "the student's")] = None
    """Where its recipe differs: recipe.epochs and so on."""
    seeds: Annotated[Seeds | None, Setting("int", "1")] = None
    """How many teachers, of seeds from 0; each teaches students of all seeds."""
    seed: Annotated[Seed | None, Setting("int", "0")] = None
    """The seed of a single teacher, in place of seeds."""
    data_seed: Annotated[Seed | None, Setting("int", "the student's")] = None
    """Order and augmentation of its batches."""
    start: Annotated[Literal["standard", "weights"] | None, Setting("standard | weights")] = None
    """Fine-tune: a teacher that is not standard, such as an SFTN teacher, from the standard one;
    any, from its weights.
    """
    weights: Annotated[str | None, Setting("path")] = None
    """A file of weights, a folder from didact share, or hub:owner/name: the teacher is measured,
    not trained.
    """
    outputs: Annotated[
        tuple[Output, ...] | None, BeforeValidator(_outputs), Setting("ints, or path", "all, in their order")
    ] = None
    """Which outputs of the weights' network stand for the classes, in their order; or a file with a
    number a line.
    """
    mean: Annotated[Levels, Setting("numbers", "the data's")] = None
    """The mean of each channel (on the scale 0 to 1) with which the weights were trained."""
    std: Annotated[Levels, Setting("numbers", "the data's")] = None
    """The standard deviation of each channel with which the weights were trained."""
    size: Annotated[Count | None, Setting("int", "the data's")] = None
    """Images of so many pixels on each side for this teacher alone, bilinear."""
    engine: Annotated[Literal["onnx"] | None, Setting("onnx", "torch")] = None
    """What computes it while it teaches: ONNX Runtime instead of torch (the extra
    onnx).
    """
    precision: Annotated[Literal["fp32", "int8"] | None, Setting("fp32 | int8", "fp32")] = None
    """In which precision the engine computes it. That of its training is recipe.precision."""

    @classmethod
    def deeper(cls, name: str) -> list[str]:
        """As that of a :class:`Request`; its methods are those on the teacher."""
        methods = [find(Method, one) for one in catalogue(*Method.homes)]
        return _deeper(name, {"recipe": [Recipe], "data": [Data], "method": [one for one in methods if one.teaches]})

    @model_validator(mode="after")
    def _computed(self) -> TeacherRequest:
        if self.precision is not None and self.engine is None:
            raise ValueError(
                "precision: is that of an engine, so write engine=onnx, too; the precision of its training is recipe.precision"
            )
        return self

    @field_validator("start", mode="before")
    @classmethod
    def _known_start(cls, start: Any) -> Any:
        if start in (None, "standard", "weights"):
            return start
        raise SpecError(
            f"{HERE}: write {HERE}=standard (it fine-tunes the standard teacher), {HERE}=weights (its own weights), "
            f"or leave it out; found {shown(start)}"
        )


@spec
class Request:
    """A grid of students over networks, teachers, methods and seeds."""

    net: Annotated[Names, Setting("names", "required")] = None
    """The student, or several, separated by commas."""
    method: Annotated[Fields, Setting("names", "kd; dml with peers, ce without a teacher")] = None
    """How it learns, or several: kd,at,crd; a preset after a plus sign: fitnet+kd; module:Class for
    one of your own.
    """
    teacher: Annotated[TeacherRequest | None, BeforeValidator(_teacher), Setting("name")] = None
    """The network that teaches; short for teacher.net."""
    route: Annotated[Fields, Setting("equal | greedy", "none", Route)] = None
    """Follow the teacher's route from its early anchors on (RCO)."""
    peers: Annotated[PeersRequest | None, BeforeValidator(_peers), Setting("names")] = None
    """The networks it learns together with; short for peers.net."""
    start: Annotated[Names, Setting("branches | names")] = None
    """Begin with finished runs of the store (net, data, teacher and seed are theirs where not given), or
    with the blocks of the teacher's first branch (branches; SFTN).
    """
    weights: Annotated[str | None, Setting("path")] = None
    """Weights (as teacher.weights) that the student begins with; a fresh last layer where the
    numbers of classes differ.
    """
    seeds: Annotated[Seeds | None, Setting("int", "1")] = None
    """How many training seeds, from 0."""
    seed: Annotated[Seed | None, Setting("int", "0")] = None
    """A single training seed, in place of seeds."""
    data_seed: Annotated[Seed | None, Setting("int", "0")] = None
    """Order and augmentation of the batches."""
    epochs: Annotated[Any, Setting("int", "the recipe's")] = None
    """Short for recipe.epochs."""
    precision: Annotated[Any, Setting("fp32 | tf32 | bf16 | auto", "auto")] = None
    """Short for recipe.precision."""
    data: Annotated[Fields, Setting("name", "digits", Data)] = None
    """What it is trained and tested on; short for data.name."""
    recipe: Annotated[Fields, Setting("name", "short", Recipe, _SHORT)] = None
    """short, paper, imagenet or modern (didact explain NAME); the fields below change it."""

    @classmethod
    def deeper(cls, name: str) -> list[str]:
        """The paths of the settings that ``name`` may mean without its place: recipe.batch_size for
        batch_size.
        """
        return _deeper(name, {"recipe": [Recipe], "data": [Data], "method": [Joint]})
