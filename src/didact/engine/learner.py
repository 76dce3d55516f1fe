"""A learner: a network, its method, the method's extras, an optimiser, a random stream and a clock
of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from didact.engine.average import STATISTICS, Average
from didact.engine.parallel.processes import ALONE, Processes, Share
from didact.engine.recipe import Recipe
from didact.engine.updates import Updates
from didact.method import Clock, Method, Stage
from didact.nets.blocks import BlockNet
from didact.nets.layers import guard_tiny_maps, index_strides
from didact.nets.quantised import hold, settle
from didact.seeds import reseed, stream
from didact.tensors import Batch, Needs, Outputs


class Learner:
    """What trains one network. Nothing in it is shared with other learners, so its result does not
    depend on them.

    Args:
        label: what the learner is called in progress and errors.
        net: the network that learns, on the CPU; it is moved to ``device``.
        method: what it learns from.
        extras: what ``method.build`` gave.
        recipe: epochs, optimiser, schedule, precision.
        seed: names the learner's own random stream.
        device: where it trains.
        compiled: whether the network is compiled with torch.compile.
        foreign: whether the network or the method is not didact's own and may draw from the
            process's global generators. Then these begin a stream of the learner's own wherever its
            code runs.
        processes: those that share its batches.
    """

    def __init__(
        self,
        *,
        label: str,
        net: BlockNet,
        method: Method,
        extras: nn.Module,
        recipe: Recipe,
        seed: int,
        device: str = "cpu",
        compiled: bool = False,
        foreign: bool = True,
        processes: Processes = ALONE,
    ) -> None:
        self.label = label
        self.processes = processes
        self.method = method
        self.recipe = recipe
        self.device = torch.device(device)
        for part in (net, extras):
            index_strides(part)  # networks and extras of one's own are not made by conv_norm
            if recipe.precision == "bf16":
                guard_tiny_maps(part)
        self.net = net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.extras = extras.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.seed = seed
        self.foreign = foreign
        self.random = stream(seed, "learner", device=self.device)
        self.stages = method.stages()
        assert sum(s.main for s in self.stages) == 1, "exactly one stage takes the recipe's epochs"
        self.stage_index = 0
        self.epoch = 0  # within the stage
        self.total = 0  # over all stages
        self.failure: str | None = None
        self._trainable = {name for name, p in self._named() if p.requires_grad}
        self._forward = torch.compile(self.net.outputs) if compiled else self.net.outputs
        self._enter_stage()

    # -------------------------------------------------------------------------------------------- where it is

    @property
    def stage(self) -> Stage:
        """The stage of the method that is trained now."""
        return self.stages[min(self.stage_index, len(self.stages) - 1)]

    @property
    def needs(self) -> Needs:
        """What is read in the stage in which the learner is."""
        return self.stage.needs or self.method.needs

    @property
    def views(self) -> frozenset[str]:
        """The further views that are read in any stage."""
        return self.method.needs.views.union(*(s.needs.views for s in self.stages if s.needs))

    @property
    def own_images(self) -> bool:
        """Whether it is shown an augmentation of its own, a view of the batch under its label, in
        any stage.
        """
        return self.method.needs.own_images or any(s.needs.own_images for s in self.stages if s.needs)

    @property
    def epochs(self) -> int:
        """Length of the whole training, over all stages."""
        return sum(self._length(s) for s in self.stages)

    @property
    def done(self) -> bool:
        """Whether all stages are over."""
        return self.stage_index == len(self.stages)

    def clock(self, step: int, steps: int) -> Clock:
        """Where the training is before ``step`` of the ``steps`` of this epoch."""
        return Clock(self.epoch, self._length(self.stage), step, steps, self.total, self.stage.name)

    def end_epoch(self) -> None:
        """Move the clock on by an epoch, and into the next stage where this one is over."""
        self.epoch += 1
        self.total += 1
        if self.epoch == self._length(self.stage):
            self.stage_index, self.epoch = self.stage_index + 1, 0
            if not self.done:
                self._enter_stage()

    def _length(self, stage: Stage) -> int:
        return stage.length(self.recipe.epochs)

    def _named(self) -> list[tuple[str, nn.Parameter]]:
        named = [(f"net.{k}", p) for k, p in self.net.named_parameters()]
        return named + [(f"extras.{k}", p) for k, p in self.extras.named_parameters()]

    def _enter_stage(self) -> None:
        """A stage has its own moving parameters, a fresh optimiser and average; what does not move
        gets no gradient.
        """
        moving = []
        for name, parameter in self._named():
            moves = name in self._trainable and any(name.startswith(prefix) for prefix in self.stage.moves)
            parameter.requires_grad_(moves)
            if moves:
                moving.append(parameter)
            else:
                parameter.grad = None
        self.updates = Updates(self.recipe, moving, self.processes)
        parts = {"net": self.net, "extras": self.extras}
        self.average = None if self.recipe.ema is None else Average(parts, self.recipe.ema)

    # -------------------------------------------------------------------------------------------- what it does

    def draw_for(self, what: str, step: int = 0, *, alike: bool = True) -> None:
        """Put the global generators where the learner's own code expects them: at the start of a
        stream for this ``step``.

        The stream follows from the learner's seed and clock, so the code draws the same alone and
        in a cohort, and nothing has to be kept for going on after an interruption. didact's own
        networks and methods never draw from them.

        Args:
            alike: whether all processes that share a batch draw the same; otherwise each has a
                stream of its own, for its own images.
        """
        if self.foreign:
            own = () if alike or self.processes.rank == 0 else ("process", self.processes.rank)
            reseed(self.seed, "global", what, self.total, step, *own, device=self.device)

    def train_mode(self) -> None:
        """Put the network and the extras into train mode; what is settled in 8 bits stays as it is."""
        self.net.train()
        self.extras.train()
        hold(self.net)
        if self.recipe.settled(self.total, self.epochs):
            settle(self.net)

    def shown(self, batch: Batch) -> Batch:
        """The batch as this learner sees it: with an augmentation of its own where its method asks
        for one.
        """
        return replace(batch, images=batch.views[self.label]) if self.needs.own_images else batch

    def forward(self, images: Tensor, asked: frozenset[str] = frozenset()) -> Outputs:
        """What the network shows for ``images``, with gradient: the parts its method reads, those
        ``asked`` by peers, the logits.

        A network of which nothing is read is not run: it would cost time and move its running
        statistics.
        """
        parts = self.needs.own | asked
        return self._forward(images, parts | {"logits"}) if parts else Outputs()

    def forward_after_update(self, images: Tensor, asked: frozenset[str]) -> Outputs:
        """What the network shows now that it has moved: in training mode, without gradient, its
        running statistics unmoved.
        """
        before = [(buffer, buffer.clone()) for buffer in self.net.buffers()]
        with torch.no_grad():
            shown = self._forward(images, asked)
            for buffer, value in before:
                buffer.copy_(value)
        return shown

    def begin_step(self, clock: Clock) -> None:
        """The host's share of a step before it: the learning rate, where the optimiser moves."""
        if self.updates.due(clock):
            self.updates.set_rate(self._rate(self.updates.optimiser_clock(clock)))

    def update(self, loss: Tensor, clock: Clock, images: int) -> None:
        """Take in the gradient of ``loss``, the mean over a batch of so many images, and move where
        a step is due. Between :meth:`begin_step` and :meth:`end_step`; it is given to the device
        alone.
        """
        self.updates.add(loss, images)
        if self.updates.due(clock):
            self.updates.move()

    def end_step(self, clock: Clock) -> None:
        """The host's share of a step after it: what it keeps of it, and the average of the
        weights.
        """
        if self.updates.due(clock):
            self.updates.note()
            if self.average is not None:
                self.average.follow()

    def _rate(self, clock: Clock) -> float:
        rate = self.stage.lr(clock.epoch, clock.epochs, self.recipe.learning_rate)
        return self.recipe.lr(clock.epoch, clock.epochs, clock.progress()) if rate is None else rate

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the block network and extras have the averaged weights, where the recipe says so:
        those to test and hand on.
        """
        with nullcontext() if self.average is None else self.average.in_place():
            yield

    def norms(self, share: Share) -> AbstractContextManager[object]:
        """Within the block batch norms take the statistics of a batch as the recipe says."""
        return share.norms(self.recipe.norm_shares)

    def settle(self) -> None:
        """Average the running statistics over the processes, where each has taken its own."""
        if self.recipe.norm_shares == 1:
            return
        named = [*self.net.named_buffers(), *self.extras.named_buffers()]
        kept = [] if self.average is None else list(self.average.means.items())
        self.processes.settle([x for name, x in (*named, *kept) if name.rpartition(".")[2] in STATISTICS])

    def deployed(self) -> nn.Module:
        """The network to evaluate and hand on, in eval mode. Turns the learner's own modules to
        eval mode too.
        """
        self.net.eval()
        self.extras.eval()
        return self.method.deployed(self.extras, self.net).eval()

    # -------------------------------------------------------------------------------------------- what it remembers

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything needed to go on from here as if nothing had happened: tensors, and plain
        values.
        """
        tensors = {f"net.{k}": v for k, v in self.net.state_dict().items()}
        tensors |= {f"extras.{k}": v for k, v in self.extras.state_dict().items()}
        tensors["random"] = self.random.get_state()
        tensors |= {f"optimiser.{k}": v for k, v in self.updates.state().items()}
        values = {"stage": self.stage_index, "epoch": self.epoch, "total": self.total}
        if self.average is not None:
            tensors |= {f"average.{k}": v for k, v in self.average.means.items()}
            values["averaged"] = self.average.steps
        return tensors, values

    def weights(self) -> dict[str, Tensor]:
        """The network and the extras as they are tested and handed on: with averaged weights where
        the recipe says so.
        """
        parts = {"net": self.net.state_dict(keep_vars=True), "extras": self.extras.state_dict(keep_vars=True)}
        shown = {f"{part}.{k}": v for part, state in parts.items() for k, v in state.items()}
        return {k: (v if self.average is None else self.average.of(v)).detach() for k, v in shown.items()}

    def restore(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Go back to a :meth:`state`."""
        self.net.load_state_dict(_below("net.", tensors))
        self.extras.load_state_dict(_below("extras.", tensors))
        self.stage_index, self.epoch, self.total = values["stage"], values["epoch"], values["total"]
        if not self.done:
            self._enter_stage()
            self.updates.restore(_below("optimiser.", tensors))
        if self.average is not None:
            self.average.restore(_below("average.", tensors), values["averaged"])
        self.random.set_state(tensors["random"].cpu())


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
