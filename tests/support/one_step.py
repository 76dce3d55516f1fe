"""For tests of methods: all that a method is told in one step, put together as the engine does it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn

from didact.data import Data, load
from didact.data.loader import Loader
from didact.method import Clock, Method, Pair, Stage, StepContext, View
from didact.nets.blocks import BlockNet
from didact.seeds import seeded, stream
from didact.tensors import Outputs

PAIRS = [
    ("resnet20", "resnet8"),
    ("wrn_16_2", "shufflenet_v1"),
    ("resnet8x4", "mobilenet_v2"),
    ("basic-8-2x16-2x32-2x64-2x64s1", "basic-8-1x16-1x32-1x48-1x48s1"),
]
"""Teacher and student: of one family, of two, with different numbers of blocks, with four blocks of which two are of one size."""

DIGITS = load(Data(per_class=2))


@dataclasses.dataclass
class Told:
    """A method with all that it is told in one step, put together as the engine does it."""

    method: Method
    stage: Stage
    pair: Pair
    extras: nn.Module
    context: StepContext

    def terms(self) -> dict[str, Tensor]:
        return self.method.terms(self.extras, self.context)


def tell(
    make: Callable[..., Pair], method: Method, teacher: str, student: str, *, stage: Stage | None = None, bf16: bool = False
) -> Told:
    """One step of a stage (the main one) on four digits. All is drawn anew from fixed seeds; only what is read is shown."""
    stage = stage or next(s for s in method.stages() if s.main)
    needs = stage.needs or method.needs
    batch = next(Loader(DIGITS, batch_size=4, data_seed=0, views=needs.views).epoch(0))
    two = make(teacher if method.needs.teacher else None, student, classes=10, size=16, channels=1)
    with seeded(0, "extras"):
        extras = method.build(two)
    two.net.train()
    extras.train()
    if two.teacher is not None:
        two.teacher.eval()
    peers = [make(None, "resnet8", classes=10, size=16, channels=1).net] if needs.peers else []
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        shown = StepContext(
            batch=batch,
            own=looked(two.net, batch.images, needs.own if needs.main else frozenset()),
            teacher=frozen(two.teacher, batch.images, needs.teacher if needs.main else frozenset()),
            clock=Clock(epoch=1, epochs=3, step=0, steps=2, total=1, stage=stage.name),
            random=stream(0, "learner"),
            peers=tuple(peer.outputs(batch.images, needs.peers).detached() for peer in peers),
            views={
                v: View(looked(two.net, x, needs.own), frozen(two.teacher, x, needs.teacher)) for v, x in batch.views.items()
            },
            net=two.net,
        )
    return Told(method, stage, two, extras, shown)


def looked(net: BlockNet, images: Tensor, parts: frozenset[str]) -> Outputs:
    return net.outputs(images, parts) if parts else Outputs()


def frozen(net: BlockNet | None, images: Tensor, parts: frozenset[str]) -> Outputs | None:
    if net is None or not parts:
        return None
    with torch.no_grad():
        return net.outputs(images, parts)
