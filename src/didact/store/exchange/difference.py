"""What sets apart two Records of the same run.

They need not be equal. Another kind of processor rounds otherwise: after a training the weights
differ, and all results with them. A network whose weights were given is measured where it is asked
for: its weights are the same, and an image at the edge of two classes may fall to the other side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from didact.engine.train import EFFORT
from didact.files.checked import parse_rows
from didact.files.reading import parsed
from didact.spec import cut, plural, shown
from didact.store.record import Record

WEIGHTS, METRICS, IMAGES = "weights.safetensors", "metrics.jsonl", "images.json"

RELATIVE, ABSOLUTE = 1e-5, 1e-6
"""Numbers as close as that are equal but for rounding in float32. An accuracy that differs by one
image is never as close: of fewer than 10 million."""

SHOWN = 3
"""How many values a message names."""


def difference(here: Record, sums: Mapping[str, str], content: Callable[[str], bytes]) -> str | None:
    """What the Record that is ``here`` has that another one of the same run has not, as the end of
    a sentence; None if they are the same.

    When, where and in what time they were trained is no difference, nor is the last bit of a number.

    Args:
        sums: the checksum of each file of the other, by name.
        content: the content of such a file. Raises DamagedError where it is not what it should be.

    Raises:
        DamagedError: a file of the other cannot be read.
    """
    differing = {name for name, sum_ in here.sums.items() if sums.get(name) != sum_}
    values = list(_values(here, content)) if METRICS in differing else []
    what = ["weights"] if WEIGHTS in differing else []
    what += ["networks of its route"] if any(name.startswith("route/") for name in differing) else []
    what += ["images"] if IMAGES in differing and _has_other_images(here, content) else []
    what += ["results"] if values else []
    if not what:
        return None
    listed = " and ".join(filter(None, [", ".join(what[:-1]), what[-1]]))
    return f"has other {listed} here ({_told(values)})" if values else f"has other {listed} here, and the same results"


def other_answers(both: Mapping[str, Sequence[tuple[Any, Any]]]) -> str | None:
    """What sets apart the results that were computed of one run here and there, as the end of a sentence;
    None if nothing does.

    One of another Record (that of the teacher, of a similarity) is no other answer: each is used beside
    its own Record only.

    Args:
        both: by file, the answers here and there to each question.
    """
    values = [
        f"{name.partition('-')[0]} {_number(ours)} here, {_number(theirs)} there{path and f' ({cut(path)})'}"
        for name, pairs in both.items()
        for own, other in pairs
        if _record(own) == _record(other)
        for path, ours, theirs in _unequal(own, other)
    ]
    return f"has other results computed from it here ({_told(values)})" if values else None


def _record(answer: Any) -> Any:
    return answer.get("record") if isinstance(answer, Mapping) else None


def _has_other_images(here: Record, content: Callable[[str], bytes]) -> bool:
    return any(_unequal(here.images(), parsed(content(IMAGES), Path(IMAGES))))


def _values(here: Record, content: Callable[[str], bytes]) -> Iterator[str]:
    """Every value of the metrics that differs, those of the last epoch first, of these what was
    found on test images."""
    own, other = here.metrics(), parse_rows(content(METRICS), Path(METRICS))
    if len(own) != len(other):
        yield f"{plural(len(own), 'epoch')} here, {len(other)} there"
        return
    for number in reversed(range(len(own))):
        found = sorted(_unequal(own[number], other[number]), key=lambda one: not one[0].startswith("test_"))
        when = "" if number + 1 == len(own) else f" after epoch {number + 1}"
        for path, ours, theirs in found:
            if path not in EFFORT:
                yield f"{cut(path)} {_number(ours)} here, {_number(theirs)} there{when}"


def _told(values: list[str]) -> str:
    more = len(values) - SHOWN
    return "; ".join(values[:SHOWN]) + (f"; and {plural(more, 'more value')}" if more > 0 else "")


def _unequal(ours: Any, theirs: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The values of plain data that differ, with their paths. What only one of them has is left
    out: an epoch may have been tested in one training only."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in (key for key in ours if key in theirs):
            yield from _unequal(ours[key], theirs[key], f"{path}.{key}" if path else key)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for at, (own, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _unequal(own, other, f"{path}.{at}" if path else str(at))
    elif not _is_close(ours, theirs):
        yield path, ours, theirs


def _is_close(ours: Any, theirs: Any) -> bool:
    try:
        return ours == theirs or math.isclose(ours, theirs, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    except (TypeError, OverflowError):  # no numbers, or larger than any that was measured
        return False


def _number(value: Any) -> str:
    return f"{value:.7g}" if isinstance(value, float) else shown(value)
