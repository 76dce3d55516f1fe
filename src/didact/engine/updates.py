"""Steps of an optimiser: its parameter groups, several batches a step, clipped gradients, and what
is kept of it.

On a GPU the learning rate and AdamW's count are tensors on the device, and one kernel moves all
parameters: so a step can be recorded and replayed (:mod:`didact.engine.captured`), and gives the
same bits when it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from didact.engine.parallel.processes import ALONE, Processes
from didact.engine.recipe import Recipe
from didact.method import Clock


def on_device(device: torch.device) -> bool:
    """Whether what the optimiser reads of a step, its rate and its count, is on ``device``."""
    return device.type == "cuda"


def optimiser(recipe: Recipe, parameters: Sequence[nn.Parameter]) -> Optimizer:
    """A fresh optimiser. Without ``decay_norms`` parameters of one dimension or none are a group
    that does not decay.
    """
    if recipe.decay_norms:
        groups = [{"params": list(parameters)}]
    else:
        flat, large = ([p for p in parameters if (p.dim() < 2) == one] for one in (True, False))
        groups = [{"params": large}, {"params": flat, "weight_decay": 0.0}]
    rate: float | Tensor = recipe.learning_rate
    fused, device, decay = None, parameters[0].device, recipe.weight_decay
    if on_device(device):
        rate, fused = torch.tensor(rate, device=device), True
    if recipe.optimiser == "adamw":
        about = {"betas": recipe.betas, "weight_decay": decay, "fused": fused, "capturable": bool(fused)}
        return torch.optim.AdamW(groups, rate, **about)  # type: ignore[arg-type]
    return torch.optim.SGD(groups, rate, recipe.momentum, nesterov=recipe.nesterov, weight_decay=decay, fused=fused)


class Updates:
    """An optimiser that moves ``parameters`` as a recipe says, from the losses of one batch or
    several.

    Gradients of several batches are averaged over their images, those of several processes by one
    exchange before a step. Sums for the metrics stay on the device. :meth:`add` and :meth:`move`
    give the device the same work in every step; what differs from step to step is said before, by
    :meth:`set_rate`, and kept afterwards, by :meth:`note`.
    """

    def __init__(self, recipe: Recipe, parameters: Sequence[nn.Parameter], processes: Processes = ALONE) -> None:
        self.recipe = recipe
        self.processes = processes
        self.parameters = list(parameters)
        self.optimiser = optimiser(recipe, self.parameters)
        self.rate = recipe.learning_rate
        """The learning rate of the last step."""
        self._images = 0  # of the batches since the last step
        self._norm = self.parameters[0].detach().new_zeros(())
        self._norms: list[Tensor] = []

    def due(self, clock: Clock) -> bool:
        """Whether a step is made after the batch at ``clock``. It takes ``recipe.accumulate`` batches,
        the last of an epoch those that are left.
        """
        return (clock.step + 1) % self.recipe.accumulate == 0 or clock.step + 1 == clock.steps

    def optimiser_clock(self, clock: Clock) -> Clock:
        """``clock`` counted in steps of the optimiser instead of batches. The learning rate follows it."""
        every = self.recipe.accumulate
        return replace(clock, step=clock.step // every, steps=-(-clock.steps // every))

    def set_rate(self, rate: float) -> None:
        """The learning rate of the next step."""
        self.rate = rate
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def add(self, loss: Tensor, images: int) -> None:
        """Take in the gradient of ``loss``, a mean over so many images."""
        if not self._images:
            self.optimiser.zero_grad(set_to_none=True)
        self._images += images
        (loss if self.recipe.accumulate == 1 else loss * images).backward()

    def move(self) -> None:
        """One step of the optimiser by the mean gradient of all processes."""
        self.processes.average([p.grad for p in self.parameters if p.grad is not None])
        if self.recipe.accumulate > 1:
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad.div_(self._images)
        self._images = 0
        if self.recipe.clip is not None:
            self._norm.copy_(nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip))
        self.optimiser.step()

    def note(self) -> None:
        """Keep the norm of the step that was made, where gradients are clipped."""
        if self.recipe.clip is not None:
            self._norms.append(self._norm.clone())

    def figures(self) -> dict[str, float]:
        """Since the last figures, of gradients that are clipped: their mean norm before it, and the
        share of steps clipped.
        """
        if self.recipe.clip is None or not self._norms:
            return {}
        norms = torch.stack(self._norms)
        self._norms = []
        mean, clipped = torch.stack([norms.mean(), (norms > self.recipe.clip).to(norms.dtype).mean()]).tolist()
        return {"gradient_norm": mean, "clipped": clipped}

    def state(self) -> dict[str, Tensor]:
        """What the optimiser remembers, by the parameter's place."""
        slots = self.optimiser.state_dict()["state"]
        return {f"{i}.{k}": v for i, kept in slots.items() for k, v in kept.items() if isinstance(v, Tensor)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go back to a :meth:`state`."""
        moved = [p for group in self.optimiser.param_groups for p in group["params"]]
        for place, value in tensors.items():
            index, _, name = place.partition(".")
            parameter = moved[int(index)]
            # a buffer takes the layout of its parameter, as if the optimiser had made it
            home = parameter.device if on_device(parameter.device) else torch.device("cpu")
            kept = value.clone().to(home) if name == "step" else torch.empty_like(parameter).copy_(value)
            self.optimiser.state[parameter][name] = kept
