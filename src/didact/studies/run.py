"""Run: the full description of one trained network. Its teacher is another Run. Its digest is its address."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from didact import nets
from didact.data import Data, facts
from didact.engine.recipe import Recipe
from didact.method import Method, Pair
from didact.methods.ce import CE
from didact.nets.blocks import BlockNet
from didact.seeds import derive, seeded
from didact.spec import Chosen, Seed, choose, digest, spec
from didact.studies.peers import Peer, agree
from didact.teaching.route import Route


@spec
class Start:
    """Weights to begin with instead of fresh ones."""

    run: Run
    """The run they come from."""
    part: str = "net"
    """"net" for the whole network; otherwise a part of the run's extras, such as "branches.0.net" of an SFTN teacher."""


@spec
class Run:
    """The full description of one trained network."""

    later: ClassVar = ("peers", "turn", "route")

    net: str
    """The network that learns; a name of the zoo, or module:function."""
    data: Data = Data()
    """What it is trained and tested on."""
    recipe: Recipe = Recipe()
    """How it is trained."""
    method: Chosen[Method] = CE()
    """What it learns from."""
    teacher: Run | None = None
    """Who it learns from: another run."""
    start: Start | None = None
    """The weights it begins with; fresh ones when not given."""
    seed: Seed = 0
    """Initialisation and the learner's own random streams."""
    data_seed: Seed = 0
    """Order and augmentation of the batches; a cohort shares it."""
    peers: tuple[Peer, ...] = ()
    """The other networks of a group that learns together, in the order of their turns."""
    turn: Annotated[int, Field(ge=0, le=1000)] = 0
    """This network's own place in that order."""
    route: Route | None = None
    """The route of the teacher's training that is followed; none: the finished teacher teaches throughout."""

    @field_validator("net")
    @classmethod
    def _known(cls, net: str) -> str:
        return nets.resolve(net)

    @model_validator(mode="after")
    def _sensible(self) -> Run:
        reads = bool(self.method.needs.teacher)
        if reads and self.teacher is None:
            raise ValueError(
                f"the method '{self.method.name()}' learns from a teacher and none is given; name one, e.g. teacher.net=resnet20"
            )
        if not reads and self.teacher is not None:
            raise ValueError(f"the method '{self.method.name()}' reads no teacher, but one is given")
        agree(self.peer, self.peers, self.turn, bool(self.data.validation))
        if self.route is not None and self.teacher is None:
            raise ValueError("a route is the teacher's, and none is given; name one, e.g. teacher.net=resnet20")
        if self.route is not None and self.teacher is not None:
            self.route.check(self.teacher.epochs, self.epochs, alone=not self.peers)
        if self.peers and self.start is not None:
            raise ValueError("networks that learn together begin with fresh weights; leave start out")
        return self

    @cached_property
    def digest(self) -> str:
        return digest(self)

    @property
    def peer(self) -> Peer:
        """What its peers have to know of it."""
        return Peer(net=self.net, recipe=self.recipe, method=self.method, seed=self.seed)

    @property
    def group(self) -> tuple[Run, ...]:
        """The runs that are trained together with this one, itself among them, in the order of their turns."""
        if not self.peers:
            return (self,)
        members = [*self.peers[: self.turn], self.peer, *self.peers[self.turn :]]
        return tuple(
            dataclasses.replace(
                self,
                net=one.net,
                recipe=one.recipe,
                method=one.method,
                seed=one.seed,
                peers=(*members[:turn], *members[turn + 1 :]),
                turn=turn,
            )
            for turn, one in enumerate(members)
        )

    @property
    def twins(self) -> int:
        """How many earlier networks of its group have its architecture and seed: they began otherwise."""
        return sum((one.net, one.seed) == (self.net, self.seed) for one in self.peers[: self.turn])

    @property
    def own_seed(self) -> int:
        """What initialisation and the learner's own random streams are drawn from: the seed, if it has no earlier twin."""
        return derive(self.seed, "twin", self.twins) if self.twins else self.seed

    @cached_property
    def label(self) -> str:
        """Short and readable; with the digest it is also the folder's name."""
        return f"{self.net.replace(':', '-')}.{method_label(self.method)}.s{self.seed}"

    @property
    def epochs(self) -> int:
        """Length of the training, over all stages."""
        return sum(stage.length(self.recipe.epochs) for stage in self.method.stages())

    @property
    def anchors(self) -> tuple[int, ...]:
        """The epochs of the teacher along the route; none without a route."""
        return () if self.route is None or self.teacher is None else self.route.epochs(self.teacher.epochs)

    @property
    def needed(self) -> tuple[Run, ...]:
        """The runs that must be finished before this one can begin."""
        return tuple(r for r in (self.teacher, self.start and self.start.run) if r is not None)

    @property
    def cohort(self) -> tuple[Any, ...]:
        """Runs with equal values here can share batches and a teacher's pass."""
        batches = (digest(self.data), self.data_seed, self.recipe.batch_size, self.recipe.precision)
        if self.route is None:
            return (*batches, self.teacher.digest if self.teacher else None)
        by = self.digest if self.route.how == "greedy" else self.epochs  # what decides on the anchor of an epoch
        return (*batches, self.teacher.digest if self.teacher else None, digest(self.route), by)


def method_label(method: Method) -> str:
    """The method's name, with its preset where its settings are exactly a preset's: ``fitnet+kd``."""
    name = method.name()
    given = {f: getattr(method, f) for f in required(type(method))}
    for preset in method.presets:
        if method == choose(Method, {"name": f"{name}+{preset}", **given}):
            return f"{name}+{preset}"
    return name


def required(cls: type[Method]) -> list[str]:
    """The settings of a method that have no default."""
    nothing = dataclasses.MISSING
    return [f.name for f in dataclasses.fields(cls) if f.default is nothing and f.default_factory is nothing]  # type: ignore[arg-type]


def everything(runs: list[Run]) -> list[Run]:
    """``runs``, their groups and all they need, each once, the needed before those that need them."""
    found: dict[str, Run] = {}

    def visit(run: Run) -> None:
        for needed in run.needed:
            visit(needed)
        found.setdefault(run.digest, run)
        for member in run.group if run.peers else ():
            found.setdefault(member.digest, member)

    for run in runs:
        visit(run)
    return list(found.values())


def depth(run: Run) -> int:
    """0 for a run that needs no other, one more than the deepest it needs otherwise."""
    return 1 + max(map(depth, run.needed), default=-1)


def network(run: Run) -> BlockNet:
    """The run's network, freshly initialised on the CPU under its own seed.

    A student that has its teacher's network and seed would begin as its teacher began; it has a stream of its own.
    """
    about = facts(run.data)
    twin = run.teacher is not None and (run.teacher.net, run.teacher.seed) == (run.net, run.seed)
    with seeded(run.own_seed, "net", *(["taught"] if twin else [])):
        return nets.create(run.net, about.classes, about.image[0])


def pair(run: Run, net: BlockNet, teacher: BlockNet | None, labels: Tensor) -> Pair:
    """Both networks with their shapes for this run's images. ``labels``: of the training images.

    Raises:
        ValueError: the images do not survive a network's strides, or the teacher was trained for other classes.
    """
    about = facts(run.data)
    shapes = net.shapes(about.image)
    if shapes.classes != about.classes:
        raise ValueError(f"the network gives {shapes.classes} logits, {run.data.label} has {about.classes} classes")
    taught = teacher.shapes(about.image) if teacher is not None else None
    if taught is not None and taught.classes != about.classes:
        raise ValueError(f"the teacher tells {taught.classes} classes apart, {run.data.name} has {about.classes}")
    with torch.device("meta"):
        beside = [nets.create(one.net, about.classes, about.image[0]).shapes(about.image) for one in run.peers]
    for one, told in zip(run.peers, beside, strict=True):
        if told.classes != about.classes:
            raise ValueError(f"its peer {one.net} gives {told.classes} logits, {run.data.label} has {about.classes} classes")
    return Pair(net, shapes, about.image, about.classes, labels, run.recipe.batch_size, teacher, taught, tuple(beside))


def placeholders(run: Run, samples: int) -> Tensor:
    """Labels that stand for those of ``samples`` training images where only their number matters."""
    return torch.arange(samples, device="cpu") % facts(run.data).classes


def extras(run: Run, two: Pair) -> nn.Module:
    """The parts that the run's method adds, freshly initialised on the CPU under the run's own seed."""
    with seeded(run.own_seed, "extras"):
        return run.method.build(two)


def begin(net: BlockNet, tensors: dict[str, Any], part: str) -> None:
    """Load the weights of ``part`` of a Record into ``net``: all of them for "net", else those that the part holds.

    Raises:
        ValueError: the part does not exist, or its weights do not fit the network.
    """
    prefix = "net." if part == "net" else f"extras.{part}."
    given = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    own = net.state_dict()
    if not given:
        raise ValueError(f"the run to start from has no part {part!r}")
    wrong = [k for k, v in given.items() if k not in own or own[k].shape != v.shape]
    if wrong or (part == "net" and len(given) != len(own)):
        example = wrong[0] if wrong else next(k for k in own if k not in given)
        raise ValueError(f"the weights to start from do not fit this network (first difference: {example})")
    net.load_state_dict(given, strict=part == "net")
