"""A pool that is a list of networks, and pools by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, field_validator
from pydantic_core import PydanticCustomError

from didact.nets.architecture import Architecture, Stage, cost, is_architecture, parse
from didact.nets.blocks import Shape, parameters
from didact.nets.supernet.space import SPACES, Decision, Space, draw
from didact.nets.zoo import create, resolve
from didact.nets.zoo import names as zoo_names
from didact.spec import SpecError, from_json, nearest, shown, spec
from didact.spec.foreign import imported


@spec
class Pool:
    """A finite list of students: names that spell out their networks, and networks of the zoo.

    Students of one kind (:attr:`didact.nets.architecture.Architecture.family`) share weights; a
    network of the zoo keeps its own.
    """

    members: tuple[str, ...]
    """The students' names."""

    @field_validator("members")
    @classmethod
    def _known(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        if not members:
            raise ValueError("an empty pool; name one network at least")
        found = tuple(resolve(name) for name in members)
        if len(set(found)) != len(found):
            raise ValueError(f"the same network twice in {list(found)}")
        return found

    @property
    def label(self) -> str:
        """Its members, where they are few."""
        return " ".join(self.members) if len(self.members) <= 2 else f"{len(self.members)} networks"

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """The one choice there is: which network."""
        return (Decision("network", self.members, -1),)

    @property
    def size(self) -> int:
        """How many students there are."""
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
        """Networks from which the tensors of all students are cut: one for each kind, and the
        zoo's."""
        kinds: dict[Any, Architecture] = {}
        for name in self.members:
            if is_architecture(name):
                made = parse(name)
                kinds[made.family] = union(kinds.get(made.family, made), made)
        return (*(made.name for made in kinds.values()), *(name for name in self.members if not is_architecture(name)))

    def draw(self, count: int, seed: int) -> tuple[str, ...]:
        """``count`` different students, drawn uniformly under ``seed``.

        Raises:
            SpecError: there are not so many.
        """
        return draw(self.decisions, self.name, count, seed)


def union(a: Architecture, b: Architecture) -> Architecture:
    """The smallest architecture that contains both; they are of one family."""
    assert a.family == b.family
    stages = [
        Stage(max(x.depth, y.depth), max(x.width, y.width), max(x.kernel, y.kernel), _wider(a, x, y), x.stride)
        for x, y in zip(a.stages, b.stages, strict=True)
    ]
    return replace(a, stem=max(a.stem, b.stem), head=max(a.head, b.head), stages=tuple(stages))


def _wider(a: Architecture, x: Stage, y: Stage) -> float:
    return max(x.expansion, y.expansion)


def size_of(name: str, classes: int = 100, image: Shape = (3, 32, 32)) -> int:
    """Parameters of the network called ``name``; of one that spells itself out by arithmetic."""
    if is_architecture(name):
        return cost(parse(name), classes, image).parameters
    with torch.device("meta"):
        return parameters(create(name, classes, *image[:2]))


def as_pool(value: Any) -> Space | Pool:
    """A pool from itself, a space's name, names separated by commas, a list of names,
    ``module:NAME``, or its fields.

    Raises:
        SpecError: nothing of that name; an empty choice; unknown networks.
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
    if len(names) == 1 and ":" in names[0]:
        return _own(names[0])
    for one in names:
        if one.lower() in SPACES:
            raise SpecError(f"{shown(one)} is a pool, which stands alone; a list holds networks only, found {list(names)}")
        try:
            resolve(one)
        except SpecError as error:
            near = nearest(one, [*SPACES, *zoo_names()]) if not is_architecture(one) else f": {error}"
            raise SpecError(f"{shown(one)} is neither a pool nor a network{near} (pools: {', '.join(SPACES)})") from None
    return from_json(Pool, {"members": names})


def _own(name: str) -> Space | Pool:
    """The pool ``module:NAME``; a module's function of that name is a network, the only member."""
    module, attribute = imported(name, "pool")
    found = getattr(module, attribute, None)
    if callable(found):
        return Pool(members=(name,))
    if not isinstance(found, Space | Pool):
        pools = [key for key, value in vars(module).items() if isinstance(value, Space | Pool)]
        near = nearest(attribute, pools) if pools else "; a pool is a Space or a Pool of didact.nets.supernet"
        raise SpecError(f"{module.__name__!r} holds no pool {shown(attribute)}{near}")
    return found


def _asked(value: Any) -> Space | Pool:
    try:
        return as_pool(value)
    except SpecError as error:
        raise PydanticCustomError("chosen", "{faults}", {"faults": str(error)}) from None


Students = Annotated[Space | Pool, BeforeValidator(_asked)]
"""For a spec's field that holds a pool: whatever :func:`as_pool` takes."""
