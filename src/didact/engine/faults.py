"""What stops a learner at the end of an epoch: weights that are not finite, images without an
answer, a peer that was stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from didact.engine.learner import Learner


def agreed(learners: Sequence[Learner], faults: list[str | None]) -> dict[str, str | None]:
    """Faults by label; of several processes the first that has found one is right."""
    found = learners[0].processes.gather(faults) if learners else [faults]
    each = [next((fault for fault in one if fault is not None), None) for one in zip(*found, strict=True)]
    return {learner.label: fault for learner, fault in zip(learners, each, strict=True)}


def broken(learner: Learner) -> str | None:
    """What of the network is not finite. A mask of -inf among its buffers is meant; NaN and +inf
    are not.
    """
    finite = {f"weight '{k}'": p.isfinite().all() for k, p in learner.net.named_parameters()}
    finite |= {f"buffer '{k}'": (b < torch.inf).all() for k, b in learner.net.named_buffers() if b.is_floating_point()}
    there = torch.stack(list(finite.values())).tolist() if finite else []  # one wait for the device, not one for each
    name = next((name for name, good in zip(finite, there, strict=True) if not good), None)
    return None if name is None else f"the {name} was not finite at the end"


def speechless(learner: Learner, row: dict[str, Any]) -> str | None:
    """How many images have no finite answer at the end of the training. Before its end a network
    may still recover.
    """
    for split in ("test", "validation") if learner.done else ():
        if images := row.get(f"{split}_unanswered"):
            return f"its logits were not finite for {images} {split} image{'s' if images > 1 else ''}"
    return None


def stop(groups: Sequence[Sequence[Learner]], faults: Mapping[str, str | None], epoch: int) -> list[Learner]:
    """Stop the learners that have a fault, each with its group. Returns those that are stopped now."""
    stopped: list[Learner] = []
    for group in groups:
        if any(learner.failure is not None for learner in group):
            continue
        for learner in group:
            if faults[learner.label] is not None:
                remedy = f"try a learning_rate below {learner.recipe.learning_rate:g} in its recipe"
                learner.failure = f"epoch {epoch + 1}: {faults[learner.label]}; {remedy}"
        first = next((learner for learner in group if learner.failure is not None), None)
        if first is not None:
            for learner in group:
                learner.failure = learner.failure or f"its peer {first.label} stopped in {first.failure}"
            stopped += group
    return stopped
