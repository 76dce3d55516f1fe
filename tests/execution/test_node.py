"""The box of a cluster's messages: none is lost with an answer that did not arrive, none comes twice."""

from __future__ import annotations

from didact.execution.node import Box


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
