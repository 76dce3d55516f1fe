"""Accuracy of deployed networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from didact.engine.learner import Learner
from didact.engine.step import autocast, hits
from didact.tensors import Batch


def evaluate(learners: Sequence[Learner], batches: Iterable[Batch], prefix: str) -> list[dict[str, float]]:
    """Top-1 and top-5 accuracy in percent for each learner's deployed network, and for whatever else its method shows.

    Each batch is shown to all learners before the next one is made. Keys: ``<prefix>_top1``, ``<prefix>_top5``, and
    ``<prefix>_<name>_top1`` for the further classifiers.
    """
    deployed = [learner.deployed() for learner in learners]
    sums: list[dict[str, torch.Tensor]] = [{} for _ in learners]
    images = 0
    with torch.no_grad():
        for batch in batches:
            images += len(batch)
            for learner, net, counted in zip(learners, deployed, sums, strict=True):
                with autocast(learner.device, learner.recipe.precision):
                    own = learner.net.look(batch.images, learner.method.needs.own | {"logits"})
                    logits = own.logits if net is learner.net else net(batch.images)
                    assert logits is not None
                    shown = {"": logits} | learner.method.shows(learner.extras, own)
                for name, values in shown.items():
                    counted[name] = counted.get(name, 0) + hits(values, batch.labels)
    return [_percentages(counted, images, prefix) for counted in sums]


def _percentages(counted: dict[str, torch.Tensor], images: int, prefix: str) -> dict[str, float]:
    rows: dict[str, float] = {}
    for name, pair in counted.items():
        head = f"{prefix}_{name}_" if name else f"{prefix}_"
        top1, top5 = (100 * pair.double() / images).tolist()
        rows |= {f"{head}top1": top1, f"{head}top5": top5} if not name else {f"{head}top1": top1}
    return rows
