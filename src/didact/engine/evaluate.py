"""Figures after an epoch: accuracies of deployed networks, further metrics of methods, answers on
held-out images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack

import torch

from didact.data import Dataset, evaluation_batches
from didact.engine.accuracy import Accuracies
from didact.engine.checks import check_metrics
from didact.engine.learner import Learner
from didact.engine.teach import autocast
from didact.method import HeldOut, MetricsContext
from didact.tensors import Batch, Logits, answered


def evaluate(learners: Sequence[Learner], batches: Iterable[Batch], prefix: str) -> list[dict[str, float]]:
    """Top-1 and top-5 accuracy in percent for each learner's deployed network, and for the further
    classifiers of its method.

    Each batch goes through all networks before the next one is made. Weights are the averaged ones
    where the recipe keeps an average. Processes of one training count what each has seen together;
    none may see an image of another. Keys: ``<prefix>_top1``, ``<prefix>_top5``, and
    ``<prefix>_<name>_top1`` for the further classifiers; ``<prefix>_unanswered``, how many images
    the deployed network has no answer for (:func:`didact.tensors.answered`), where there are any.
    """
    with ExitStack() as averaged:
        for learner in learners:
            averaged.enter_context(learner.averaged())
        return _evaluated(learners, batches, prefix)


def _evaluated(learners: Sequence[Learner], batches: Iterable[Batch], prefix: str) -> list[dict[str, float]]:
    deployed = [learner.deployed() for learner in learners]
    accuracies = [Accuracies() for _ in learners]
    unanswered = [torch.zeros((), dtype=torch.long, device=learner.device) for learner in learners]
    with torch.no_grad():
        for number, batch in enumerate(batches):
            for learner, net, counted, without in zip(learners, deployed, accuracies, unanswered, strict=True):
                learner.draw_for(prefix, number)
                with autocast(learner.device, learner.recipe.precision):
                    own = learner.net.outputs(batch.images, learner.method.needs.own | {"logits"})
                    logits = own.logits if net is learner.net else net(batch.images)
                    assert logits is not None
                    further = learner.method.metrics(learner.extras, MetricsContext("test", own))
                if number == 0:
                    check_metrics(learner.method, further, dimensions=2)
                counted.add({"": logits} | further, batch.labels)
                without += (~answered(logits)).sum()
    missing = [int(without) for without in unanswered]
    processes = learners[0].processes
    if processes.size > 1:
        found = processes.gather(([counted.plain() for counted in accuracies], missing))
        for number, counted in enumerate(accuracies):
            counted.merge([plain[number] for plain, _ in found])
        missing = [sum(column) for column in zip(*(counts for _, counts in found), strict=True)]
    rows = [counted.percentages(prefix) for counted in accuracies]
    return [row | ({f"{prefix}_unanswered": without} if without else {}) for row, without in zip(rows, missing, strict=True)]


def watched(learner: Learner) -> dict[str, float]:
    """The scalars that the learner's method adds to the metrics at the end of an epoch."""
    learner.draw_for("watches")
    with torch.no_grad():
        figures = learner.method.metrics(learner.extras, MetricsContext("epoch"))
    check_metrics(learner.method, figures, dimensions=0)
    return {name: float(value) for name, value in figures.items()}


def refresh(groups: Iterable[Sequence[Learner]], dataset: Dataset) -> None:
    """Give the methods that need them (``held``) the answers of their group's networks for the
    validation images.
    """
    for group in groups:
        asking = [learner for learner in group if learner.needs.held]
        if asking:
            assert dataset.validation is not None, "a run that reads held-out images is refused where there are none"
            batches = list(evaluation_batches(dataset, dataset.validation))
            with torch.no_grad():
                held = HeldOut(
                    tuple(_logits(learner, batches) for learner in group), torch.cat([batch.labels for batch in batches])
                )
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
