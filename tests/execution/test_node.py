"""The box of a cluster's messages: none is lost with an answer that did not arrive, none comes twice. Errors of a node."""

from __future__ import annotations

import errno
import platform
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from didact.execution.jobs import Job
from didact.execution.node import Box, Parcel, run_job
from didact.execution.worker import Raised
from didact.files.disk import refusal


def test_messages_stay_until_they_have_arrived() -> None:
    box = Box()
    box.put("a")
    box.put("b")
    name, number, messages = box.take("", 0)
    assert (number, messages) == (2, ["a", "b"])
    assert box.take("", 0) == (name, 2, ["a", "b"])  # the first answer was lost on the way
    box.put("c")
    assert box.take(name, 2) == (name, 3, ["c"])
    assert box.take(name, 1) == (name, 3, ["c"])  # an earlier call, begun again
    assert box.take(name, 3) == (name, 3, [])


def test_another_box_begins_again() -> None:
    old, new = Box(), Box()
    new.put("a")
    name, number, messages = new.take(old.name, 7)
    assert name != old.name and (number, messages) == (1, ["a"])


@pytest.mark.parametrize("files", [("/tmp/didact-1/weights",), ("/tmp/a", None, "/tmp/b")])
def test_a_full_disk_is_said_with_its_node(files: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def work(job: Job, show: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", *files)

    box = SimpleNamespace(put=SimpleNamespace(remote=lambda _: None), flush=SimpleNamespace(remote=lambda: None))
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get=lambda answer: answer))
    came = run_job(Parcel(Job(0, ()), work, 1), box)  # type: ignore[arg-type]
    assert isinstance(came, Raised) and isinstance(came.error, OSError) and came.error.errno == errno.ENOSPC
    said = refusal(came.error)
    assert said.startswith(f"on the node {platform.node()}: No space left on device: /tmp/") and said.endswith(
        str(files[-1])
    )
