"""Steps that are recorded once in an epoch and replayed for every further batch of the same size.

On a GPU the recording is a CUDA graph: the host then gives the device one call for a whole step of
the cohort instead of one for each operation. A recording holds the addresses of tensors and the
Python numbers of the step in which it was made. So

    batches           are copied into the tensors that the recording reads;
    learning rates    are tensors (:mod:`didact.engine.updates`), set before each replay;
    random numbers    come from the learners' own generators, which the recording goes on with;
    sums              are added in place (:mod:`didact.engine.tally`);
    all else          (weights that rise by the epoch, stages, the teacher of a route, shapes) stays
                      the same within an epoch, and is recorded anew in the next.

What changes on the host from step to step cannot be recorded:
:meth:`didact.method.Method.on_host`, code of the user's own (it draws from global generators),
several batches in a step, kept answers, several processes. The caller leaves such steps as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from didact.engine.whole import Steps
from didact.tensors import Batch

FIRST = 2
"""Steps of an epoch before the recording: in them kernels are chosen, and optimisers take memory."""


class Recording(Protocol):
    """Work that was recorded."""

    def replay(self) -> None:
        """Give the device the same work again, on the same tensors."""
        ...


class Recorder(Protocol):
    """What records: CUDA graphs, or what stands in for them where there is no GPU."""

    def running(self) -> AbstractContextManager[None]:
        """All steps of an epoch, recorded or not, are in such a block."""
        ...

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Recording:
        """Record what ``work`` gives the device, without computing it.

        Args:
            generators: what is drawn from; replays go on with them.
        """
        ...


class Captured:
    """The steps of an epoch, recorded and replayed: called as :class:`~didact.engine.whole.Steps`
    are, with the same results.

    Batches of another size than the first are computed as they are, such as the last of an epoch.
    """

    def __init__(self, steps: Steps, recorder: Recorder) -> None:
        self.steps = steps
        self.recorder = recorder
        self._batch: Batch | None = None
        self._recording: Recording | None = None
        self._size = 0

    def __call__(self, batch: Batch, step: int) -> None:
        """The whole step of this number, from 0."""
        if step == 0:
            self._size = len(batch)
        if step < FIRST or len(batch) != self._size:
            self.steps(batch, step)
            return
        self.steps.begin(step)
        if self._batch is None or self._recording is None:
            self._batch = held = mapped(batch, torch.clone)
            generators = [learner.random for learner in self.steps.learners]
            self._recording = self.recorder.record(lambda: self.steps.compute(held, step), generators)
        else:
            fill(self._batch, batch)
        self._recording.replay()
        self.steps.end(step)


def mapped(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with each of its tensors changed."""
    return replace(
        batch,
        images=change(batch.images),
        labels=change(batch.labels),
        index=change(batch.index),
        views={name: change(view) for name, view in batch.views.items()},
        soft=None if batch.soft is None else change(batch.soft),
    )


def fill(held: Batch, batch: Batch) -> None:
    """Copy a batch of the same shapes into the tensors of ``held``."""
    assert held.views.keys() == batch.views.keys() and held.labelled == batch.labelled
    pairs = [(held.images, batch.images), (held.labels, batch.labels), (held.index, batch.index)]
    pairs += [(held.views[name], view) for name, view in batch.views.items()]
    if held.soft is not None and batch.soft is not None:
        pairs.append((held.soft, batch.soft))
    for into, values in pairs:
        into.copy_(values)


class CudaGraphs:
    """Recordings that are CUDA graphs, all of them in one pool of memory.

    Args:
        device: the GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self._last: torch.cuda.CUDAGraph | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """On a stream of its own, because the default one cannot be recorded; it waits for what was
        before, and is waited for.
        """
        outside = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(outside)
        with torch.cuda.stream(self.stream):
            yield
        outside.wait_stream(self.stream)

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Recording:
        """A graph of ``work``. The one before is not replayed again: its memory is used."""
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        pool = None if self._last is None else self._last.pool()
        try:
            with torch.cuda.graph(graph, pool=pool, stream=self.stream):
                work()
        except RuntimeError as error:
            error.add_note("a step could not be recorded as a CUDA graph; --capture off computes each as it is")
            raise
        self._last = graph
        return graph
