"""Networks with weights from a file: loaded, measured on the test images, kept as Records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from didact.data import Dataset, evaluation_batches, facts
from didact.engine.evaluate import evaluate
from didact.engine.learner import Learner
from didact.execution.manner import command
from didact.execution.settings import Execution
from didact.nets.shown import adaptation
from didact.runs.build import beginning
from didact.runs.foreign import foreign
from didact.runs.guessing import guesses
from didact.runs.run import Run
from didact.seeds import preserved
from didact.store.record import Record
from didact.store.store import Store
from didact.store.writing.given import seal

PASSES = 2
"""Passes of the test images when a network is measured: for its accuracy, and for which output is
which class.
"""


def keep(run: Run, store: Store, dataset: Dataset, device: str, execution: Execution) -> Record:
    """Load the weights, measure the network in float32, say how good it is, and keep its Record.

    Raises:
        WeightsError: the file is not where it was, has changed, or does not fit.
    """
    net = beginning(run)
    if (shown := adaptation(net)) is not None:
        shown.given(dataset.mean, dataset.std)
    learner = Learner(
        label=run.label,
        net=net,
        method=run.method,
        extras=nn.Identity(),
        recipe=run.recipe,
        seed=run.own_seed,
        device=device,
        foreign=bool(foreign(run)),
    )
    with preserved(learner.device), torch.no_grad():
        tested = evaluate([learner], evaluation_batches(dataset, dataset.test), "test")[0]
        counts = _confusion(learner, dataset)
    row = {"epoch": 0, "stage": "given", **tested, "seconds": 0.0, "cpu_seconds": 0.0}
    row |= {"test_regrouped": _regrouped(counts), "test_guess": 100 * float(counts.sum(0).max() / counts.sum())}
    weights = {f"net.{key}": value for key, value in net.state_dict().items()}
    about = command(execution)
    record = seal(store, run, dataset.record(), row, weights, device, samples=len(dataset.train), circumstances=about)
    for line in told(run, row, record.tested):
        store.say(line)
    return record


def told(run: Run, row: Mapping[str, Any], images: int | None) -> list[str]:
    """What a person should know of the network: its accuracy, and likely causes where that is
    chance.

    Args:
        row: its metrics; "test_guess" is the share of the most frequent class in percent.
        images: number of test images; None: as published.
    """
    top1, classes = row["test_top1"], facts(run.data).classes
    guess = row.get("test_guess", 100 / classes)
    lines = [f"{run.label}: {top1:.2f} % of the test images of {run.data.label} are right"]
    if not guesses(run, top1, images, guess):
        return lines
    regrouped = row.get("test_regrouped", 0.0)  # the best of as many networks as there are ways to name the outputs
    if regrouped > 2 * max(top1, guess) and not guesses(run, regrouped, images, guess, tried=classes**classes):
        cause = (
            f"with its outputs in another order up to {regrouped:.0f} % would be right, so its classes are in another order: "
            "give teacher.outputs"
        )
    else:
        cause = (
            "it has hardly been trained, or on other classes, or it is shown the images otherwise than when it was trained: "
            "give its own teacher.mean, teacher.std or teacher.size"
        )
    return [*lines, f"{run.label}: WARNING: that cannot be told from chance ({guess:.2f} %); {cause}"]


def _confusion(learner: Learner, dataset: Dataset) -> Tensor:
    """(output, class): how many test images of each class have each output as their highest."""
    counts = torch.zeros(dataset.classes * dataset.classes, dtype=torch.long, device=learner.device)
    for number, batch in enumerate(evaluation_batches(dataset, dataset.test)):
        learner.draw_for("confusion", number)
        highest = learner.net(batch.images).argmax(1)
        counts += torch.bincount(highest * dataset.classes + batch.labels, minlength=len(counts))
    return counts.view(dataset.classes, dataset.classes)


def _regrouped(counts: Tensor) -> float:
    """The accuracy in percent if each output stood for the class that most of its images are of."""
    return 100 * float(counts.max(1).values.sum() / counts.sum())
