"""What a cohort's learners leave in the store: every epoch, and Records at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from didact.data import Dataset
from didact.engine.learner import Learner
from didact.engine.train import Listener
from didact.execution.jobs import Outcome
from didact.runs.run import Run
from didact.store.store import Store
from didact.store.writing.unfinished import Unfinished


class Recorder(Listener):
    """The listener that puts every epoch into the store and turns learners that are done into
    Records.
    """

    def __init__(
        self,
        store: Store,
        dataset: Dataset,
        outcome: Outcome,
        anchors: Mapping[str, frozenset[int]],
        circumstances: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            outcome: the Records that exist when a group is admitted; Records and failures of the
                training are added.
            anchors: by digest, after which epochs a run's network is kept for students.
            circumstances: go into environment.json, as plain JSON data.
        """
        self.circumstances = dict(circumstances or {})
        self.anchors = anchors
        self.store = store
        self.dataset = dataset
        self.outcome = outcome
        self.groups: list[tuple[Learner, ...]] = []
        self.learners: dict[str, Learner] = {}
        self.runs: dict[str, Run] = {}
        self.unfinished: dict[str, Unfinished] = {}
        self.images = dataset.record()
        self.ended: set[str] = set()

    def admit(self, group: dict[Run, Learner], device: str) -> None:
        """Take a group in, each learner in the state of its last checkpoint, all at the same epoch."""
        for run, learner in group.items():
            self.unfinished[learner.label] = Unfinished(self.store, run, self.images, self.circumstances)
        epoch = self._common_epoch(group) if len(group) > 1 else None
        open_ = {run: learner for run, learner in group.items() if run.digest not in self.outcome.records}
        for run, learner in open_.items():
            self.runs[learner.label] = run
            self.learners[learner.label] = learner
            self.unfinished[learner.label].open(learner, device, epoch)
            if learner.done:
                self._finish(learner)
        self.groups.append(tuple(open_.values()))

    def _common_epoch(self, group: dict[Run, Learner]) -> int:
        """The last epoch with a checkpoint of every run of the group; the end, where only Records
        are missing.

        Where a member has neither its Record nor its end, the group is trained again, with the
        members that have one.
        """
        done = {run for run in group if run.digest in self.outcome.records}
        epochs = [{*self.unfinished[member.label].kept(member)} for run, member in group.items() if run not in done]
        end = next(learner.epochs for learner in group.values())
        if all(end in checkpoints for checkpoints in epochs):
            return end
        for run in done:
            self.unfinished[group[run].label].run_folder.set_aside(
                f"a peer of {run.label} has to be trained again, and that takes the whole group"
            )
            del self.outcome.records[run.digest]
        return max(set.intersection(*epochs), default=0) if not done else 0

    def _finish(self, learner: Learner) -> None:
        run = self.runs[learner.label]
        self.outcome.records[run.digest] = self.unfinished[learner.label].finish(learner, len(self.dataset.train))

    def learned(self, learner: Learner, row: dict[str, Any]) -> None:
        run, unfinished = self.runs[learner.label], self.unfinished[learner.label]
        if learner.total in self.anchors.get(run.digest, ()):
            unfinished.keep_anchor(learner)
        unfinished.keep(learner, row)
        if learner.done:
            self.ended.add(learner.label)
            group = next(group for group in self.groups if learner in group)
            if all(member.label in self.ended for member in group):  # so that a kill leaves all their last checkpoints
                for member in group:
                    self._finish(member)

    def failed(self, learner: Learner) -> None:
        assert learner.failure is not None
        run = self.runs[learner.label]
        self.unfinished[learner.label].fail(learner.failure)
        self.outcome.failures[run.digest] = learner.failure
