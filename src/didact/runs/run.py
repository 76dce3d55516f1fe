"""Run: the full description of one trained network. Its teacher is another Run. Its digest is its
address.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator, model_validator

from didact import nets
from didact.data import Data
from didact.engine.recipe import Recipe
from didact.method import Method
from didact.methods.ce import CE
from didact.runs.engine import Engine
from didact.runs.given import Given, Inputs
from didact.runs.groups import Peer, agree
from didact.runs.soft_labels import check_labels, check_unlabelled
from didact.seeds import derive
from didact.spec import Chosen, Seed, digest, full_name, spec
from didact.teaching.route import Route

BASELINE: Method = CE()
"""The training on the labels alone, which a run does unless it says otherwise; a teacher trained so
is "standard".
"""


@spec
class Start:
    """Weights to begin with instead of fresh ones, from a run or from a file."""

    later: ClassVar = ("run", "file")

    run: Run | None = None
    """The run they come from."""
    part: str = "net"
    """"net" for the whole network; otherwise a part of the run's extras, such as "branches.0.net"
    of an SFTN teacher.
    """
    file: Given | None = None
    """The file they come from."""

    @model_validator(mode="after")
    def _from_one(self) -> Start:
        if (self.run is None) == (self.file is None):
            raise ValueError("weights to begin with come from a run or from a file; give one of them")
        return self


@spec
class Run:
    """The full description of one trained network."""

    later: ClassVar = ("peers", "turn", "route", "given", "inputs", "engine")

    net: str
    """The network that learns; a name of the zoo, or module:function."""
    data: Data = Data()
    """What it is trained and tested on."""
    recipe: Recipe = Recipe()
    """How it is trained."""
    method: Chosen[Method] = BASELINE
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
    """The route of the teacher's training that is followed; none: the finished teacher teaches
    throughout.
    """
    given: Given | None = None
    """The weights of a network that was trained elsewhere; it is not trained here."""
    inputs: Inputs | None = None
    """How the network is shown the images, where not as the data say."""
    engine: Engine | None = None
    """What computes the teacher; none: torch, in the recipe's precision."""

    @field_validator("net")
    @classmethod
    def _known(cls, net: str) -> str:
        return nets.resolve(net)

    @model_validator(mode="after")
    def _sensible(self) -> Run:
        reads = bool(self.method.needs.teacher)
        if reads and self.teacher is None:
            raise ValueError(
                f"the method '{self.method.name()}' learns from a teacher and none is given; name it, e.g. --teacher.net resnet20"
            )
        if not reads and self.teacher is not None:
            raise ValueError(f"the method '{self.method.name()}' reads no teacher, but one is given")
        check_labels(self.method, self.recipe)
        if self.given is None:
            check_unlabelled(self.method, self.recipe, self.data)
        if self.given is not None:
            self._check_given()
        agree(self.peer, self.peers, self.turn, bool(self.data.validation))
        if self.route is not None and self.teacher is None:
            raise ValueError("a route is the teacher's, and none is given; name one, e.g. --teacher.net resnet20")
        if self.route is not None and self.teacher is not None and self.teacher.given is not None:
            raise ValueError("route: a teacher with weights from a file has no route, only its end; leave route out")
        if self.route is not None and self.teacher is not None:
            self.route.check(self.teacher.epochs, self.epochs, alone=not self.peers)
        if self.engine is not None:
            self._check_engine(self.engine)
        if self.recipe.bits == 8 and self.method.teaches:
            raise ValueError(
                f"recipe.bits: the method '{self.method.name()}' prepares a teacher, which is trained in 32 bits; "
                "leave bits out here, and give it to the student"
            )
        if self.recipe.weight_scales == "layer" and self.start is None and self.given is None:
            raise ValueError(
                "recipe.weight_scales: with one scale for a layer, norms keep the statistics that the student begins with, so "
                "it is trained on from a finished one; write start=DIGEST or weights=FILE, or leave weight_scales out"
            )
        if self.peers and self.start is not None:
            raise ValueError("networks that learn together begin with fresh weights; leave start and weights out")
        return self

    def _check_given(self) -> None:
        """A network that is not trained has nothing that says how."""
        for field in dataclasses.fields(self):
            if field.name not in ("net", "data", "given", "inputs") and getattr(self, field.name) != field.default:
                raise ValueError(f"{field.name}: a network with weights from a file is not trained; leave it out")

    def _check_engine(self, engine: Engine) -> None:
        if self.teacher is None:
            raise ValueError("an engine computes the teacher, and none is given; name one, e.g. --teacher.net resnet20")
        if self.teacher.recipe.bits == 8:
            raise ValueError(
                "an engine computes a teacher of 32 bits, and this one is trained in 8; leave teacher.engine out"
            )
        if engine.precision == "int8" and "preacts" in self.method.needs.teacher.union(
            *(stage.needs.teacher for stage in self.method.stages() if stage.needs)
        ):
            raise ValueError(
                f"the method '{self.method.name()}' reads the teacher's values before an activation, and an int8 engine cuts "
                "them off at 0; write teacher.precision=fp32"
            )

    @cached_property
    def digest(self) -> str:
        return digest(self)

    @property
    def peer(self) -> Peer:
        """What its peers have to know of it."""
        return Peer(net=self.net, recipe=self.recipe, method=self.method, seed=self.seed)

    @property
    def group(self) -> tuple[Run, ...]:
        """The runs that are trained together with this one, itself among them, in the order of
        their turns.
        """
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
    def duplicates_before(self) -> int:
        """How many earlier networks of its group have its architecture and seed: they began
        otherwise.
        """
        return sum((one.net, one.seed) == (self.net, self.seed) for one in self.peers[: self.turn])

    @property
    def own_seed(self) -> int:
        """What initialisation and the learner's own random streams are drawn from: the seed, if it
        has no earlier twin.
        """
        return derive(self.seed, "twin", self.duplicates_before) if self.duplicates_before else self.seed

    @property
    def rendering_seed(self) -> int:
        """What an augmentation of its own is drawn from, where its method asks for one."""
        return derive(self.data_seed, "rendering", self.seed, self.turn)

    @cached_property
    def label(self) -> str:
        """Short and readable; with the digest it is also the folder's name."""
        return f"{nets.title(self.net).replace(':', '-')}.{self.way}.s{self.seed}"

    @property
    def way(self) -> str:
        """How its weights came about, in a word or two: its method's label, or "given" with the
        start of a file's checksum.
        """
        return full_name(self.method) if self.given is None else f"given-{self.given.sha256[:6]}"

    @property
    def epochs(self) -> int:
        """Length of the training, over all stages; 0 for a network that is not trained."""
        return 0 if self.given is not None else sum(stage.length(self.recipe.epochs) for stage in self.method.stages())

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
        recipe, given = self.recipe, self.given and self.digest
        batches = (digest(self.data), self.data_seed, recipe.batch_size, recipe.precision, recipe.mixing, given)
        taught = (self.teacher.digest if self.teacher else None, digest(self.engine) if self.engine else None)
        if self.route is None:
            return (*batches, *taught)
        by = self.digest if self.route.schedule == "greedy" else self.epochs  # what decides on the anchor of an epoch
        return (*batches, *taught, digest(self.route), by)


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
