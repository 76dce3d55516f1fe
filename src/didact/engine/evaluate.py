"""Accuracy of deployed networks, and what is looked at on held-out images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from didact.data import Dataset, evaluation_batches
from didact.engine.learner import Learner
from didact.engine.step import autocast, hits
from didact.method import HeldOut
from didact.tensors import Batch, Logits, answered


def evaluate(learners: Sequence[Learner], batches: Iterable[Batch], prefix: str) -> list[dict[str, float]]:
    """Top-1 and top-5 accuracy in percent for each learner's deployed network, and for whatever else its method shows.

    Each batch is shown to all learners before the next one is made. Keys: ``<prefix>_top1``, ``<prefix>_top5``, and
    ``<prefix>_<name>_top1`` for the further classifiers; ``<prefix>_unanswered``, how many images the deployed network has
    no answer for (:func:`didact.tensors.answered`), where there are any.
    """
    deployed = [learner.deployed() for learner in learners]
    sums: list[dict[str, torch.Tensor]] = [{} for _ in learners]
    unanswered = [torch.zeros((), dtype=torch.long, device=learner.device) for learner in learners]
    images = 0
    with torch.no_grad():
        for number, batch in enumerate(batches):
            images += len(batch)
            for learner, net, counted, without in zip(learners, deployed, sums, unanswered, strict=True):
                learner.draw_for(prefix, number)
                with autocast(learner.device, learner.recipe.precision):
                    own = learner.net.outputs(batch.images, learner.method.needs.own | {"logits"})
                    logits = own.logits if net is learner.net else net(batch.images)
                    assert logits is not None
                    shown = {"": logits} | learner.method.auxiliary_logits(learner.extras, own)
                for name, values in shown.items():
                    counted[name] = counted.get(name, 0) + hits(values, batch.labels)
                without += (~answered(logits)).sum()
    rows = [_percentages(counted, images, prefix) for counted in sums]
    return [
        row | ({f"{prefix}_unanswered": int(without)} if without else {})
        for row, without in zip(rows, unanswered, strict=True)
    ]


def _percentages(counted: dict[str, torch.Tensor], images: int, prefix: str) -> dict[str, float]:
    rows: dict[str, float] = {}
    for name, pair in counted.items():
        head = f"{prefix}_{name}_" if name else f"{prefix}_"
        top1, top5 = (100 * pair.double() / images).tolist()
        rows |= {f"{head}top1": top1, f"{head}top5": top5} if not name else {f"{head}top1": top1}
    return rows


def refresh(groups: Iterable[Sequence[Learner]], dataset: Dataset) -> None:
    """Tell the methods that ask for it what the networks of their group answer for the validation images."""
    for group in groups:
        asking = [learner for learner in group if learner.needs.held]
        if asking:
            assert dataset.validation is not None, "a run that reads held-out images is refused where there are none"
            batches = list(evaluation_batches(dataset, dataset.validation))
            with torch.no_grad():
                held = HeldOut(tuple(_logits(learner, batches) for learner in group), dataset.validation.labels)
                for learner in asking:
                    learner.draw_for("refresh")
                    learner.method.refresh(learner.extras, held)


def _logits(learner: Learner, batches: Iterable[Batch]) -> Logits:
    learner.net.eval()
    shown = []
    for number, batch in enumerate(batches):
        learner.draw_for("held", number)
        with autocast(learner.device, learner.recipe.precision):
            own = learner.net.outputs(batch.images, frozenset({"logits"}))
        assert own.logits is not None
        shown.append(own.logits.float())
    return torch.cat(shown)
