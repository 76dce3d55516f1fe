"""Progress on a terminal and in a pipe, from events alone; several jobs may be trained at once."""

from __future__ import annotations

import io

import pytest

from didact.data import Data
from didact.execution.progress import EpochBegins, Event, Failed, JobBegins, JobEnds, Learned, StepEnds
from didact.report import text
from didact.runs.run import Run
from didact.track import terminal

RUNS = [Run(net="resnet8", data=Data(name="digits", per_class=4), seed=seed) for seed in (0, 1, 2)]
FIRST, SECOND, THIRD = (run.digest for run in RUNS)


def row(top1: float) -> dict[str, float]:
    return {"test_top1": top1, "images_per_second": 1000.0}


EVENTS: list[Event] = [
    JobBegins(0, tuple(RUNS[:2]), None),
    EpochBegins(0, 0, 2, 4, (FIRST, SECOND)),
    JobBegins(1, (RUNS[2],), RUNS[0]),
    EpochBegins(1, 0, 1, 3, (THIRD,)),
    StepEnds(1, 3),
    StepEnds(0, 4),
    Learned(0, FIRST, row(50), False),
    Failed(0, SECOND, "epoch 1: NaN"),
    Learned(1, THIRD, row(90), True),
    JobEnds(1),
    EpochBegins(0, 1, 2, 4, (FIRST,)),
    StepEnds(0, 4),
    Learned(0, FIRST, row(60), True),
    JobEnds(0),
]


def shown(terminal_: bool, events: list[Event] = EVENTS) -> tuple[str, int]:
    raw = io.StringIO()
    screen = text.Screen(file=raw, force_terminal=terminal_, color_system=None, width=200)
    show = terminal.show(screen)
    for event in events:
        show(event)
    return raw.getvalue(), raw.getvalue().count("\x1b[?25l") - raw.getvalue().count("\x1b[?25h")


def test_lines() -> None:
    lines = shown(False)[0].splitlines()
    assert lines == [
        "training 2 x [resnet8 ce], seeds 0, 1: digits 4 per class",
        "training 1 x [resnet8 ce] from standard resnet8, seeds 2: digits 4 per class",
        f"  STOPPED resnet8.ce.s1.{SECOND}: epoch 1: NaN; its last good state is saved",
        f"  done resnet8.ce.s2.{THIRD}: test 90.00 %",
        f"  done resnet8.ce.s0.{FIRST}: test 60.00 %",
    ]


def test_a_line_of_an_epoch_names_its_job_where_several_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal.Lines, "every", -1.0)
    (line,) = (line for line in shown(False)[0].splitlines() if "epoch 1/2" in line)
    assert line == "  epoch 1/2  test 50.0 %  1000 images/s"
    both = [event for event in EVENTS if not isinstance(event, JobEnds)]
    (line,) = (line for line in shown(False, both)[0].splitlines() if "epoch 1/2" in line)
    assert line == "  epoch 1/2  test 50.0 %  1000 images/s  2 x [resnet8 ce], seeds 0, 1"


def test_bars() -> None:
    output, hidden = shown(True)
    for part in (
        "done test 90.0 %  1 x [resnet8 ce] from standard",
        "done test 60.0 %\n",
        f"STOPPED resnet8.ce.s1.{SECOND}: epoch 1: NaN",
    ):
        assert part in output
    assert hidden == 0, "the cursor is shown again"
