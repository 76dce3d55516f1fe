"""The events of a job on a cluster are those of a local job, whatever messages are lost with a node."""

from __future__ import annotations

from itertools import combinations

import pytest
from rich.console import Console

from didact.data import Data
from didact.execution.attempts import Attempts
from didact.execution.jobs import Job
from didact.execution.node import Begun, Sent
from didact.execution.progress import EpochBegins, Event, Failed, JobBegins, JobEnds, Learned, Said, StepEnds
from didact.runs.run import Run
from didact.track.terminal import Bars, Lines

RUN = Run(net="resnet8", data=Data(name="digits", per_class=4))
JOB = Job(3, ((RUN,),))
ROW = {"test_top1": 50.0, "images_per_second": 9.0}


def sent(attempt: str, *events: Event) -> list[Sent]:
    return [Sent(attempt, event) for event in events]


EPOCH = (
    EpochBegins(3, 0, 2, 1, (RUN.digest,)),
    StepEnds(3, 1),
    Learned(3, RUN.digest, ROW, False),
    EpochBegins(3, 1, 2, 1, (RUN.digest,)),
    StepEnds(3, 1),
)
WHOLE = (JobBegins(3, (RUN,), None), *EPOCH, Learned(3, RUN.digest, ROW, True), JobEnds(3))
MESSAGES = [
    Begun(3, "first", "a"),
    *sent("a", JobBegins(3, (RUN,), None), *EPOCH),
    Begun(3, "second", "b"),
    *sent("b", JobBegins(3, (RUN,), None), *EPOCH[3:], Learned(3, RUN.digest, ROW, True), JobEnds(3)),
]


def shown(messages: list[Begun | Sent]) -> list[Event]:
    events: list[Event] = []
    attempts = Attempts(events.append)
    attempts.add(JOB)
    for message in messages:
        attempts.receive(message)
    attempts.close(JOB)
    attempts.end()
    return events


def test_nothing_lost_changes_nothing() -> None:
    assert shown([Begun(3, "first", "a"), *sent("a", *WHOLE)]) == list(WHOLE)


def test_a_second_attempt_is_said_between_two_trainings() -> None:
    events = shown(MESSAGES)
    (place,) = [i for i, event in enumerate(events) if isinstance(event, Said)]
    assert events[place - 1] == JobEnds(3) and isinstance(events[place + 1], JobBegins)
    assert events[place] == Said(3, "the job on first was lost; it goes on from its last epoch on second")


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_any_lost_messages_leave_an_order_that_displays_can_show(lost: int) -> None:
    """Trainings begin before they are counted and end once."""
    for gone in combinations(range(len(MESSAGES)), lost):
        events = shown([message for i, message in enumerate(MESSAGES) if i not in gone])
        begun = False
        for event in events:
            match event:
                case JobBegins():
                    assert not begun
                    begun = True
                case JobEnds():
                    assert begun
                    begun = False
                case Said():
                    pass
                case _:
                    assert begun, (gone, event)
        assert not begun
        for display in (Lines(Console(quiet=True)), Bars(Console(quiet=True))):
            for event in events:
                display(event)


def test_what_comes_after_the_outcome_is_left_out() -> None:
    events: list[Event] = []
    attempts = Attempts(events.append)
    attempts.add(JOB)
    attempts.receive(Begun(3, "first", "a"))
    attempts.close(JOB)
    attempts.receive(Sent("a", EPOCH[0]))
    assert events == []


def test_a_job_that_is_given_up_fails_and_ends_once() -> None:
    events: list[Event] = []
    attempts = Attempts(events.append)
    attempts.add(JOB)
    for message in MESSAGES[:4]:
        attempts.receive(message)
    attempts.lose(JOB, "died")
    attempts.close(JOB)
    attempts.end()
    assert events[-2:] == [Failed(3, RUN.digest, "died"), JobEnds(3)]
