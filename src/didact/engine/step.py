"""One step of a cohort: one forward pass of the teacher, then forward pass, loss and optimiser step
for each learner.

Nothing here waits for the device: sums stay there and are read once an epoch.

Where several processes share the batch, each runs the networks on its share
(:mod:`didact.engine.parallel.processes`); a group takes its terms on the gathered outputs unless
all its methods allow it to take them on the share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from didact.engine.checks import check_metrics, check_terms
from didact.engine.learner import Learner
from didact.engine.parallel.processes import Share
from didact.engine.tally import Tally
from didact.engine.teach import TeacherOutputs, autocast
from didact.method import Clock, MetricsContext, StepContext, View
from didact.tensors import Batch, Outputs


def advance(
    group: Sequence[Learner], batch: Batch, taught: TeacherOutputs, step: int, steps: int, tallies: Mapping[str, Tally]
) -> None:
    """One step of a group of peers, or of a single learner: all forward passes first, then each
    update.
    """
    for learner in group:
        learner.begin_step(learner.clock(step, steps))
    compute(group, batch, taught, step, steps, tallies)
    for learner in group:
        learner.end_step(learner.clock(step, steps))


def compute(
    group: Sequence[Learner], batch: Batch, taught: TeacherOutputs, step: int, steps: int, tallies: Mapping[str, Tally]
) -> None:
    """What the device does in a step of a group, without the host's share before and after it.

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
            tallies[learner.label].add(terms, logits, read)
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
