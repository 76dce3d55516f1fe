"""Sums over the steps of an epoch: they stay on the device, and are read at its end.

Everything is added in place, so that a recorded step that is replayed adds as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from didact.engine.accuracy import Accuracies
from didact.tensors import Batch, Logits


class Tally:
    """Sums over an epoch, kept on the device: loss terms, accuracies, and the first step at which a
    term was not finite.
    """

    def __init__(self, device: torch.device) -> None:
        self.names: tuple[str, ...] = ()
        self.sums = self.bad = torch.zeros(0, device=device)
        self._images = torch.zeros((), dtype=torch.long, device=device)
        self._steps = torch.zeros((), device=device)
        self.accuracies = Accuracies()

    @property
    def images(self) -> int:
        """How many images were counted. Waits for the device."""
        return int(self._images)

    def add(self, terms: dict[str, Tensor], logits: dict[str, Logits], batch: Batch) -> None:
        """Add the sums of the next batch, which stay on the device: loss terms, and hits of the
        ``logits`` by name.
        """
        values = torch.stack([t.detach().float() for t in terms.values()])
        if not self.names:
            self.names, self.sums, self.bad = tuple(terms), torch.zeros_like(values), torch.full_like(values, torch.inf)
        assert self.names == tuple(terms), "a method's terms keep their names during an epoch"
        self.sums += values * len(batch)
        self.bad.copy_(torch.where(values.isfinite(), self.bad, self.bad.minimum(self._steps)))
        self._steps += 1
        self._images += len(batch)
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
        self._images = torch.tensor(sum(one["images"] for one in counted))
        self.accuracies.merge([one["accuracies"] for one in found])

    def means(self) -> dict[str, float]:
        """The mean of every term over the epoch's images."""
        return dict(zip(self.names, (self.sums / self.images).tolist(), strict=True))

    def fault(self) -> str | None:
        """The term that first was not finite, and at which step; None when all were."""
        steps = self.bad.tolist()
        first = min(range(len(steps)), key=steps.__getitem__, default=None)
        if first is None or steps[first] == float("inf"):
            return None
        return f"term '{self.names[first]}' was not finite from step {int(steps[first]) + 1} on"
