"""The course of a training: its stages, and the clock that says where a learner is in them."""

from __future__ import annotations

from dataclasses import dataclass

from didact.tensors import Needs, reads


@dataclass(frozen=True)
class Stage:
    """A part of a training run. One that gives neither ``epochs`` nor ``share`` is the main one: it
    takes the recipe's epochs.

    Attributes:
        name: shown in the metrics.
        epochs: its length.
        share: its length as a share of the recipe's epochs, rounded, at least one (30 of 240 epochs
            are 0.125).
        moves: which parameters are trained: names under ``net.`` or ``extras.``, as prefixes. "" is
            everything.
        learning_rate: None for the recipe's. With a rate or with ``milestones`` of its own the
            stage does not follow the recipe's schedule.
        milestones: shares of the stage after which its learning rate falls to a tenth; none of
            them: a constant rate.
        needs: what is read in this stage, where it differs from the method's ``needs``. A network
            from which nothing is read is not run.
    """

    name: str = "train"
    epochs: int | None = None
    share: float | None = None
    moves: tuple[str, ...] = ("",)
    learning_rate: float | None = None
    milestones: tuple[float, ...] | None = None
    needs: Needs | None = None

    @property
    def main(self) -> bool:
        """Whether it is the method's own stage, as long as the recipe says."""
        return self.epochs is None and self.share is None

    def length(self, epochs: int) -> int:
        """Its length under a recipe of ``epochs`` epochs."""
        if self.epochs is not None:
            return self.epochs
        return epochs if self.share is None else max(1, round(self.share * epochs))

    def lr(self, epoch: int, epochs: int, usual: float) -> float | None:
        """The learning rate in ``epoch`` (from 0) of the stage's ``epochs``; None where the
        recipe's schedule holds.

        Args:
            usual: the recipe's learning rate.
        """
        if self.learning_rate is None and self.milestones is None:
            return None
        fallen = sum(epoch >= round(share * epochs) for share in self.milestones or ())
        return (usual if self.learning_rate is None else self.learning_rate) * 0.1**fallen


def initialising(epochs: int | None, parts: str, alpha: float) -> tuple[Stage, Stage]:
    """The two stages of a method that only initialises, as RepDistiller has them.

    "init" trains stem, blocks and extras to resemble the teacher, at the recipe's rate throughout.
    The main stage trains on the labels and no longer reads the teacher, unless it adds KD.

    Args:
        epochs: of the first stage; None for an eighth of the recipe's (30 of 240).
        parts: what the first stage reads of both networks.
        alpha: weight of KD in the main stage.
    """
    moves, needs = ("extras.", "net.stem", "net.blocks"), reads(parts, teacher=parts)
    first = Stage("init", epochs=epochs, share=0.125, moves=moves, milestones=(), needs=needs)
    return first, Stage(moves=("net.",), needs=reads("logits", teacher="logits" if alpha else ""))


@dataclass(frozen=True)
class Clock:
    """Where a learner is in its training. Counts start at 0.

    Attributes:
        epoch, epochs: within the current stage, and that stage's length.
        step, steps: within the epoch, and the epoch's length.
        total: epochs since the start, over all stages.
        stage: the current stage's name.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    total: int
    stage: str = "train"

    def progress(self) -> float:
        """Share of the current stage that is done, in [0, 1)."""
        return (self.epoch + self.step / self.steps) / self.epochs

    def warmup(self, share: float) -> float:
        """The factor, in (0, 1], of a weight that rises epoch by epoch and is reached at the end of
        ``share`` of the stage.

        (epoch + 1) / (share * epochs), at most 1, as the code of DKD and ReviewKD counts; 1 for no
        share.
        """
        return min((self.epoch + 1) / (share * self.epochs), 1.0) if share else 1.0
