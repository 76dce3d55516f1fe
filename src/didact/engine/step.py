"""One step of a cohort: one forward pass of the teacher, then forward pass, loss and optimiser step
for each learner.

There is no ``.item()`` here: sums stay on the device and are read once an epoch.

Where several processes share the batch, each runs the networks on its share
(:mod:`didact.engine.parallel.processes`); a group takes its terms on the gathered outputs unless
all its methods allow it to take them on the share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from didact.engine.accuracy import Accuracies
from didact.engine.learner import Learner
from didact.engine.parallel.processes import Share
from didact.method import Clock, Method, MetricsContext, StepContext, View
from didact.nets.blocks import BlockNet
from didact.spec import SpecError
from didact.tensors import Batch, Logits, Outputs


@dataclass(frozen=True)
class TeacherOutputs:
    """What the teacher showed for a batch and its views; empty where no learner reads it.

    Where processes share the batch, ``main`` and ``views`` are for the share of this one, and
    ``whole`` has what is read of the whole batch.
    """

    main: Outputs | None = None
    views: dict[str, Outputs] = field(default_factory=dict)
    whole: TeacherOutputs | None = None


class Answers(Protocol):
    """A teacher's answers for the batches of one epoch, as far as they were kept."""

    def recall(self, what: str, parts: frozenset[str], batch: Batch) -> Outputs | None:
        """What the teacher showed for the next batch: ``parts`` of its outputs for ``what``, "main"
        or the name of a view.

        None where that was not kept; what is then computed is given to :meth:`keep`.
        """
        ...

    def keep(self, what: str, outputs: Outputs) -> None:
        """Keep what was computed for the batch that the last :meth:`recall` asked for."""
        ...


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bfloat16 autocast when ``precision`` is bf16, a context that does nothing otherwise."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def teach(
    net: BlockNet | None,
    batch: Batch,
    learners: Iterable[Learner],
    precision: str,
    draw_for: Callable[[str], object] = lambda what: None,
    answers: Answers | None = None,
) -> TeacherOutputs:
    """One pass of the teacher, without gradient, that keeps just what these learners read between
    them.

    Args:
        draw_for: called before each pass with "main" or the name of the view, for teachers that
            draw from global generators.
        answers: takes the place of a pass whose outputs it has, and is given those of the others.
    """
    learners = list(learners)
    if net is None:
        return TeacherOutputs()
    assert not net.training, "the teacher is frozen"
    share = learners[0].processes.share(batch)
    batch = share.part
    with torch.no_grad(), autocast(batch.images.device, precision):
        shown = {}
        for what, read in _read(learners, batch.views).items():
            if read:
                kept = None if answers is None else answers.recall(what, read, batch)
                if kept is None:
                    draw_for(what)
                    kept = net.outputs(batch.images if what == "main" else batch.views[what], read)
                    if answers is not None:
                        answers.keep(what, kept)
                shown[what] = kept
        if not share.rows:
            return TeacherOutputs(shown.pop("main", None), shown)
        wanted = _read([one for one in learners if one.method.parallel() != "images"], batch.views)
        whole = {what: share.gather(outputs.only(wanted[what])) for what, outputs in shown.items() if wanted[what]}
        return TeacherOutputs(shown.pop("main", None), shown, TeacherOutputs(whole.pop("main", None), whole))


def _read(learners: Sequence[Learner], views: Iterable[str]) -> dict[str, frozenset[str]]:
    """What these learners read of the teacher between them: for the batch, "main", and for each
    view.
    """
    parts = {"main": frozenset[str]().union(*(one.needs.teacher for one in learners if one.needs.main))}
    return parts | {
        v: frozenset[str]().union(*(one.needs.teacher for one in learners if v in one.needs.views)) for v in views
    }


def advance(
    group: Sequence[Learner], batch: Batch, taught: TeacherOutputs, step: int, steps: int, tallies: dict[str, Tally]
) -> None:
    """One step of a group of peers, or of a single learner: all forward passes first, then each
    update.

    Where peers move one after the other (``sequential``), each that has moved gives the others its
    outputs after the update. One that has yet to move needs no second pass: its weights are still
    those of its first.
    """
    precision = group[0].recipe.precision
    asked = frozenset[str]().union(*(one.needs.peers for one in group)) if len(group) > 1 else frozenset()
    turns = any(one.method.sequential for one in group)
    seen = Seen.of(group, batch)
    outputs = _forward(group, seen, asked, step)
    shown = [own.only(asked).detached() for own in outputs] if asked else []
    for position, (learner, own) in enumerate(zip(group, outputs, strict=True)):
        clock, read = learner.clock(step, steps), learner.shown(seen.read)
        learner.draw_for("terms", step, alike=seen.whole)
        with autocast(batch.images.device, precision), seen.extras(learner):
            peers = tuple(o.only(learner.needs.peers) for other, o in enumerate(shown) if other != position)
            context = _context(learner, seen, own, taught, clock, peers, position)
            terms = learner.method.terms(learner.extras, context)
            logits = learner.method.metrics(learner.extras, MetricsContext("step", own, context.views))
        if step == 0:
            check_terms(learner.method, terms)
            check_metrics(learner.method, logits, dimensions=2)
        if seen.share.counts(seen.whole):
            tallies[learner.label].add(terms, logits, read, step)
        loss = torch.stack([t.float() for t in terms.values()]).sum()
        learner.update(loss if seen.weight == 1 else seen.weight * loss, clock, len(batch))
        if turns and asked and position + 1 < len(group):
            learner.draw_for("look again", step, alike=False)
            with autocast(batch.images.device, precision), learner.norms(seen.share):
                again = learner.forward_after_update(learner.shown(seen.share.part).images, asked)
            shown[position] = seen.gather(again)


@dataclass(frozen=True)
class Seen:
    """What a group sees of a batch: the networks run on this process's share; the terms read it, or
    the ``whole`` batch.
    """

    share: Share
    whole: bool

    @classmethod
    def of(cls, group: Sequence[Learner], batch: Batch) -> Seen:
        """For a group, which takes its terms on shares only where all its methods can."""
        return cls(group[0].processes.share(batch), any(one.method.parallel() != "images" for one in group))

    @property
    def read(self) -> Batch:
        """The images that the terms are of."""
        return self.share.whole if self.whole else self.share.part

    @property
    def weight(self) -> float:
        """Factor of the loss in a mean over processes."""
        return 1.0 if self.whole else self.share.weight

    def gather(self, outputs: Outputs) -> Outputs:
        """Outputs for the images that the terms are of."""
        return self.share.gather(outputs) if self.whole else outputs

    def taught(self, taught: TeacherOutputs) -> TeacherOutputs:
        """The teacher's outputs for the images that the terms are of."""
        return taught.whole if self.whole and taught.whole is not None else taught

    def extras(self, learner: Learner) -> AbstractContextManager[object]:
        """Within the block norms of a learner's extras take their statistics as its network's do;
        where they see the whole batch, over all of it.
        """
        return nullcontext() if self.whole else learner.norms(self.share)


def _context(
    learner: Learner,
    seen: Seen,
    own: Outputs,
    taught: TeacherOutputs,
    clock: Clock,
    peers: tuple[Outputs, ...],
    position: int,
) -> StepContext:
    """The inputs of a learner's terms. Its network runs on further views here."""
    needs, taught = learner.needs, seen.taught(taught)
    views = {}
    for view in needs.views:
        with learner.norms(seen.share):
            outputs = learner.forward(seen.share.part.views[view])
        views[view] = View(seen.gather(outputs), taught.views.get(view))
    return StepContext(
        batch=learner.shown(seen.read),
        own=own,
        teacher=taught.main.only(needs.teacher) if taught.main is not None and needs.main else None,
        clock=clock,
        random=learner.random,
        peers=peers,
        views=views,
        net=learner.net,
        position=position,
    )


def _forward(group: Sequence[Learner], seen: Seen, asked: frozenset[str], step: int) -> list[Outputs]:
    """What every network of the group gives for its batch, with gradient; nothing where its method
    reads nothing of it.
    """
    outputs = []
    with autocast(seen.share.part.images.device, group[0].recipe.precision):
        for learner in group:
            learner.draw_for("look", step, alike=False)
            images = learner.shown(seen.share.part).images
            with learner.norms(seen.share):
                outputs.append(seen.gather(learner.forward(images, asked)) if learner.needs.main else Outputs())
    return outputs


def check_terms(method: Method, terms: object) -> None:
    """Whether ``terms`` are what a method should give: named scalar tensors, of which one at least
    has a gradient.

    Raises:
        SpecError: they are not; the message names the method and the term.
    """
    name = method.name()
    if not isinstance(terms, dict) or not terms:
        given = "an empty dict" if isinstance(terms, dict) else f"a value of type {type(terms).__name__}"
        raise SpecError(f'{name}: its terms are {given}; terms are a dict of named scalars, such as {{"ce": loss}}')
    for key, term in terms.items():
        if not isinstance(key, str):
            raise SpecError(f"{name}: its term {key!r} has no name; the keys of the dict are texts")
        if not isinstance(term, Tensor):
            raise SpecError(f"{name}: its term '{key}' is a {type(term).__name__}; a term is a scalar tensor")
        if term.dim():
            raise SpecError(
                f"{name}: its term '{key}' has the shape {tuple(term.shape)}; a term is a scalar, so take its mean"
            )
    if not any(term.requires_grad for term in terms.values()):
        listed = ", ".join(f"'{key}'" for key in terms)
        raise SpecError(f"{name}: none of its terms ({listed}) has a gradient; compute them from context.own")


def check_metrics(method: Method, figures: Mapping[str, Tensor], dimensions: int) -> None:
    """Whether ``figures`` are what :meth:`Method.metrics` should give: logits (b, k), or scalars at
    the end of an epoch.

    Raises:
        SpecError: they are not; the message names the method and the figure.
    """
    for key, value in figures.items():
        if value.dim() != dimensions:
            expected = (
                "logits (b, k)" if dimensions else "a scalar at the end of an epoch; return logits at the other moments"
            )
            raise SpecError(f"{method.name()}: its metric {key!r} has the shape {tuple(value.shape)}; expected {expected}")


class Tally:
    """Sums over an epoch, kept on the device: loss terms, accuracies, and the first step at which a
    term was not finite.
    """

    def __init__(self, device: torch.device) -> None:
        self.names: tuple[str, ...] = ()
        self.sums = self.bad = torch.zeros(0, device=device)
        self.images = 0
        self.accuracies = Accuracies()

    def add(self, terms: dict[str, Tensor], logits: dict[str, Logits], batch: Batch, step: int) -> None:
        """Add the sums of one batch, which stay on the device: loss terms, and hits of the
        ``logits`` by name.
        """
        values = torch.stack([t.detach().float() for t in terms.values()])
        if not self.names:
            self.names, self.sums, self.bad = tuple(terms), torch.zeros_like(values), torch.full_like(values, torch.inf)
        assert self.names == tuple(terms), "a method's terms keep their names during an epoch"
        self.sums += values * len(batch)
        self.bad = torch.where(values.isfinite(), self.bad, self.bad.clamp(max=step))
        self.images += len(batch)
        known = batch.labelled
        self.accuracies.add({name: z[:known] for name, z in logits.items()}, batch.labels[:known])

    def plain(self) -> dict[str, Any]:
        """The sums as plain values, for :meth:`merge`."""
        sums = {"names": self.names, "sums": self.sums.tolist(), "bad": self.bad.tolist(), "images": self.images}
        return sums | {"accuracies": self.accuracies.plain()}

    def merge(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Take the place of the sums of all processes; one of them may have counted nothing."""
        counted = [one for one in found if one["names"]]
        self.names = counted[0]["names"]
        assert all(one["names"] == self.names for one in counted)
        self.sums = torch.tensor([one["sums"] for one in counted], dtype=torch.float64).sum(0)
        self.bad = torch.tensor([one["bad"] for one in counted]).amin(0)
        self.images = sum(one["images"] for one in counted)
        self.accuracies.merge([one["accuracies"] for one in found])

    def means(self) -> dict[str, float]:
        """The mean of every term over the epoch's images."""
        return dict(zip(self.names, (self.sums / self.images).tolist(), strict=True))

    def fault(self) -> str | None:
        """The term that first was not finite, and at which step; None when all were."""
        if not self.names or not self.bad.isfinite().any():
            return None
        first = int(self.bad.argmin())
        return f"term '{self.names[first]}' was not finite from step {int(self.bad[first]) + 1} on"
