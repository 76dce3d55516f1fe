"""A moving average of the weights: what is tested and kept, while the weights themselves go on
training.

    decay_t = min(ema, (1 + t) / (10 + t)),  mean = decay_t mean + (1 - decay_t) weight     after step t = 1, 2, ...

(Polyak and Juditsky 1992 for averages; the decay rises as in TensorFlow's ExponentialMovingAverage
with ``num_updates``, so that the first weights are forgotten in a short training too.) Running
statistics of batch norms are averaged like weights, as torchvision's and timm's averages do; all
other buffers (counts, memory banks) are those of the training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

STATISTICS = ("running_mean", "running_var")


class Average:
    """The moving average of the parameters and running statistics of ``modules``, by name as in
    their state dicts.
    """

    def __init__(self, modules: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.live: dict[str, Tensor] = {}
        for prefix, module in modules.items():
            self.live |= {f"{prefix}.{k}": p for k, p in module.named_parameters()}
            self.live |= {f"{prefix}.{k}": b for k, b in module.named_buffers() if k.rpartition(".")[2] in STATISTICS}
        self.means = {name: tensor.detach().clone() for name, tensor in self.live.items()}
        self._by_tensor = {id(tensor): name for name, tensor in self.live.items()}
        self._in_place = False

    @torch.no_grad()
    def follow(self) -> None:
        """Take in the weights after a step of the optimiser."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        get_ema_multi_avg_fn(decay)(tuple(self.means.values()), tuple(t.detach() for t in self.live.values()), self.steps)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block the modules have the averaged weights; afterwards their own, to the bit."""
        if self._in_place:
            yield
            return
        self._exchange()
        self._in_place = True
        try:
            yield
        finally:
            self._exchange()
            self._in_place = False

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, tensor in self.live.items():
            own = tensor.detach().clone()
            tensor.copy_(self.means[name])
            self.means[name].copy_(own)

    def of(self, tensor: Tensor) -> Tensor:
        """The mean of a tensor of the modules; the tensor itself where none is taken. Not within
        :meth:`in_place`.
        """
        assert not self._in_place
        name = self._by_tensor.get(id(tensor))
        return tensor if name is None else self.means[name]

    def restore(self, means: Mapping[str, Tensor], steps: int) -> None:
        """Go back to these ``means`` after so many steps."""
        assert means.keys() == self.means.keys()
        self.steps = steps
        for name, mean in means.items():
            self.means[name].copy_(mean)
