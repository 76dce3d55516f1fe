"""Groups on streams, and CUDA graphs: the order in which a GPU would be told things, with names in the place of streams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from didact.data import Data, Loader, load
from didact.engine import whole
from didact.engine.captured import CudaGraphs
from didact.engine.lanes import OneLane, Streams
from didact.engine.recipe import Recipe
from didact.engine.tally import Tally
from didact.engine.whole import Steps
from didact.methods.ce import CE
from support.training import learner

CUDA = torch.device("cuda:0")


class Told:
    """What takes the place of ``torch.cuda``: it writes down who waits for whom, and where work is given to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[str] = []
        self.now: list[Stream] = [Stream(self, "main")]
        self.count = 0
        told = self

        class Graph:
            """A CUDA graph."""

            def register_generator_state(self, generator: torch.Generator) -> None:
                told.say("registers a generator")

            def pool(self) -> str:
                return "pool"

            def replay(self) -> None:
                told.say("replays")

        for name, value in {
            "Stream": lambda device: self.stream(),
            "current_stream": lambda device: self.now[-1],
            "stream": self.on,
            "CUDAGraph": Graph,
            "graph": self.recording,
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)

    def say(self, what: str) -> None:
        self.lines.append(f"{self.now[-1].name}: {what}")

    def stream(self) -> Stream:
        self.count += 1
        return Stream(self, f"s{self.count}")

    @contextmanager
    def on(self, stream: Stream) -> Iterator[None]:
        self.now.append(stream)
        yield
        self.now.pop()

    @contextmanager
    def recording(self, graph: Any, pool: Any, stream: Stream) -> Iterator[None]:
        self.say(f"records on {stream.name}, pool {pool}")
        with self.on(stream):
            yield


class Stream:
    """A name, and whom it waits for."""

    def __init__(self, told: Told, name: str) -> None:
        self.told, self.name = told, name

    def wait_stream(self, other: Stream) -> None:
        self.told.lines.append(f"{self.name} waits for {other.name}")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(monkeypatch)


def test_groups_wait_for_the_teacher_and_the_next_step_for_them(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "teach", lambda *args: told.say("teacher"))
    monkeypatch.setattr(whole, "compute", lambda group, *args: told.say(f"group of {len(group)}"))
    dataset = load(Data(per_class=2, classes=2))
    one = learner(CE(), "resnet8", dataset, Recipe(epochs=1, batch_size=2))
    steps = Steps([[one], [one, one]], 2, {}, lanes=Streams(CUDA, 2))
    for number, batch in enumerate(Loader(dataset, batch_size=2, data_seed=0).epoch(0)):
        steps(batch, number)
    once = ["main: teacher", "s1 waits for main", "s2 waits for main", "s1: group of 1", "s2: group of 2"]
    once += ["main waits for s1", "main waits for s2"]
    assert told.lines == once * 2
    assert told.count == 2  # the same streams in every step


def test_one_lane_is_the_usual_order() -> None:
    """And lanes change nothing of a step on a processor."""
    dataset = load(Data(per_class=2, classes=2))
    states = []
    for lanes in (OneLane(), Named()):
        two = [learner(CE(), "resnet8", dataset, Recipe(epochs=1, batch_size=2), label=str(n), seed=n) for n in (0, 1)]
        steps = Steps([[one] for one in two], 2, {one.label: Tally(one.device) for one in two}, lanes=lanes)
        for number, batch in enumerate(Loader(dataset, batch_size=2, data_seed=0).epoch(0)):
            steps(batch, number)
        states.append([one.state()[0] for one in two])
    assert lanes.lines == ["fork", 0, 1, "join"] * 2
    for a, b in zip(*states, strict=True):
        assert all(torch.equal(a[k], b[k]) for k in a)


class Named(OneLane):
    """Writes down the calls."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def fork(self) -> None:
        self.lines.append("fork")

    def lane(self, place: int) -> Any:
        self.lines.append(place)
        return super().lane(place)

    def join(self) -> None:
        self.lines.append("join")


def test_graphs_are_recorded_on_a_stream_of_their_own_in_one_pool(told: Told) -> None:
    graphs = CudaGraphs(CUDA)
    with graphs.running():
        for _ in range(2):
            graph = graphs.record(lambda: told.say("work"), [torch.Generator()])
            graph.replay()
    once = ["s1: registers a generator", "s1: records on s1, pool {}", "s1: work", "s1: replays"]
    lines = [line.format(pool) for pool in ("None", "pool") for line in once]
    assert told.lines == ["s1 waits for main", *lines, "main waits for s1"]


def test_what_cannot_be_recorded_says_what_to_do(told: Told) -> None:
    def fails() -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match="not permitted") as caught:
        CudaGraphs(CUDA).record(fails, [])
    assert "--capture off" in caught.value.__notes__[0]
