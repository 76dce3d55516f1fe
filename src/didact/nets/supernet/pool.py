"""Pools that are lists of networks, and pools by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, field_validator
from pydantic_core import PydanticCustomError

from didact.nets import libraries
from didact.nets.architecture import Architecture, Stage, cost, is_architecture, parse
from didact.nets.blocks import parameters
from didact.nets.supernet.space import SPACES, Decision, Space, draw
from didact.nets.zoo import create, resolve
from didact.nets.zoo import names as zoo_names
from didact.spec import SpecError, from_json, nearest, shown, spec
from didact.spec.foreign import imported


@spec
class Pool:
    """A finite list of students: names that describe their networks, and networks of the zoo.

    Students of one kind (:attr:`didact.nets.architecture.Architecture.family`) share weights; a
    network of the zoo has its own.
    """

    members: tuple[str, ...]
    """The students' names."""

    @field_validator("members")
    @classmethod
    def _known(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        if not members:
            raise ValueError("an empty pool; name one network at least")
        names = tuple(resolve(name) for name in members)
        if len(set(names)) != len(names):
            raise ValueError(f"the same network twice in {list(names)}")
        return names

    @property
    def label(self) -> str:
        """Its members, or their number if there are more than two."""
        return " ".join(self.members) if len(self.members) <= 2 else f"{len(self.members)} networks"

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """The only decision: which network."""
        return (Decision("network", self.members, -1),)

    @property
    def size(self) -> int:
        """Number of students."""
        return len(self.members)

    def name(self, picks: Sequence[int]) -> str:
        """The student for the index of an option in each decision."""
        return self.members[picks[0]]

    def choice_indices(self, name: str) -> tuple[int, ...]:
        """The index of the student called ``name``, as a tuple of one.

        Raises:
            SpecError: it is not in the pool; the nearest names are given.
        """
        return (self.members.index(self.canonical_name(name)),)

    def canonical_name(self, name: str) -> str:
        """The canonical name of the student called ``name``.

        Raises:
            SpecError: it is not in the pool; the nearest names are given.
        """
        name = resolve(name)
        if name not in self.members:
            raise SpecError(f"{shown(name)} is not in this pool{nearest(name, self.members)}")
        return name

    @cached_property
    def smallest(self) -> str:
        """The student with the fewest parameters."""
        return min(self.members, key=size_of)

    @cached_property
    def largest(self) -> str:
        """The student with the most parameters."""
        return max(self.members, key=size_of)

    @cached_property
    def networks(self) -> tuple[str, ...]:
        """The networks with the tensors of all students: one for each kind, and those of the
        zoo."""
        kinds: dict[Any, Architecture] = {}
        for name in self.members:
            if is_architecture(name):
                architecture = parse(name)
                kinds[architecture.family] = union(kinds.get(architecture.family, architecture), architecture)
        return (
            *(architecture.name for architecture in kinds.values()),
            *(name for name in self.members if not is_architecture(name)),
        )

    def draw(self, count: int, seed: int) -> tuple[str, ...]:
        """``count`` different students, drawn uniformly with ``seed``.

        Raises:
            SpecError: the pool has fewer students.
        """
        return draw(self.decisions, self.name, count, seed)


def union(a: Architecture, b: Architecture) -> Architecture:
    """The smallest architecture that contains both, which must be of one family."""
    assert a.family == b.family
    stages = [
        Stage(max(x.depth, y.depth), max(x.width, y.width), max(x.kernel, y.kernel), _wider(a, x, y), x.stride)
        for x, y in zip(a.stages, b.stages, strict=True)
    ]
    return replace(a, stem=max(a.stem, b.stem), head=max(a.head, b.head), stages=tuple(stages))


def _wider(a: Architecture, x: Stage, y: Stage) -> float:
    return max(x.expansion, y.expansion)


def size_of(name: str, classes: int = 100, channels: int = 3) -> int:
    """Parameters of the network called ``name``; by arithmetic if the name describes it."""
    if is_architecture(name):
        return cost(parse(name), classes, (channels, 32, 32)).parameters
    with torch.device("meta"):
        return parameters(create(name, classes, channels))


def as_pool(value: Any) -> Space | Pool:
    """A pool from a pool, a space's name, networks (a list or text), ``module:NAME``, or fields.

    Raises:
        SpecError: unknown name or networks, or an empty choice.
    """
    if isinstance(value, Space | Pool):
        return value
    if isinstance(value, Mapping):
        return from_json(Pool if "members" in value else Space, dict(value))
    names = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise SpecError(f"expected a pool ({', '.join(SPACES)}, module:NAME), or networks as a list, found {shown(value)}")
    if len(names) == 1 and names[0].lower() in SPACES:
        return SPACES[names[0].lower()]
    if len(names) == 1 and ":" in names[0] and not libraries.named(names[0]):
        return _own(names[0])
    for name in names:
        if name.lower() in SPACES:
            raise SpecError(f"{shown(name)} is a pool, which stands alone; a list holds networks only, found {list(names)}")
        try:
            resolve(name)
        except SpecError as error:
            near = nearest(name, [*SPACES, *zoo_names()]) if not is_architecture(name) else f": {error}"
            raise SpecError(f"{shown(name)} is neither a pool nor a network{near} (pools: {', '.join(SPACES)})") from None
    return from_json(Pool, {"members": names})


def _own(name: str) -> Space | Pool:
    """The pool ``module:NAME``. A function of that name is a network, the pool's only member."""
    module, attribute = imported(name, "pool")
    value = getattr(module, attribute, None)
    if callable(value):
        return Pool(members=(name,))
    if not isinstance(value, Space | Pool):
        pools = [key for key, value in vars(module).items() if isinstance(value, Space | Pool)]
        near = nearest(attribute, pools) if pools else "; a pool is a Space or a Pool of didact.nets.supernet"
        raise SpecError(f"{module.__name__!r} holds no pool {shown(attribute)}{near}")
    return value


def _validated(value: Any) -> Space | Pool:
    try:
        return as_pool(value)
    except SpecError as error:
        raise PydanticCustomError("chosen", "{faults}", {"faults": str(error)}) from None


Students = Annotated[Space | Pool, BeforeValidator(_validated)]
"""Type of a spec's field that holds a pool, given as for :func:`as_pool`."""
