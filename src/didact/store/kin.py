"""What a run's spec.json says of other runs, without building a Run: a spec may name code that is
not trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from didact.spec import digest

_OWN = ("net", "recipe", "method", "seed")
"""What differs between the networks of a group (:class:`didact.runs.groups.Peer`)."""


def needed(spec: Mapping[str, Any]) -> frozenset[str]:
    """The digests of the runs that this one needs, at any depth: teachers, and runs that its
    weights come from."""
    return frozenset(digest(inner) for inner in _needed(spec))


def _needed(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    start = spec.get("start")
    for inner in (spec.get("teacher"), start.get("run") if isinstance(start, Mapping) else None):
        if isinstance(inner, Mapping):
            yield inner
            yield from _needed(inner)


def depth(spec: Mapping[str, Any]) -> int:
    """How many runs in a row must be finished before this one."""
    start = spec.get("start")
    inner = (spec.get("teacher"), start.get("run") if isinstance(start, Mapping) else None)
    return max((1 + depth(one) for one in inner if isinstance(one, Mapping)), default=0)


def group(spec: Mapping[str, Any]) -> list[str]:
    """The digests of the runs that are trained together with this one, in the order of their turns;
    its own where it has no peers. The first stands for the group's lock."""
    peers, turn = spec.get("peers"), spec.get("turn", 0)
    if (
        not isinstance(peers, list)
        or not peers
        or not isinstance(turn, int)
        or not all(isinstance(p, Mapping) for p in peers)
    ):
        return [digest(spec)]
    shared = {key: value for key, value in spec.items() if key not in (*_OWN, "peers", "turn")}
    members = [*peers[:turn], {key: spec[key] for key in _OWN if key in spec}, *peers[turn:]]
    digests = []
    for place, member in enumerate(members):
        others = [*members[:place], *members[place + 1 :]]
        digests.append(digest({**shared, **member, "peers": others, **({"turn": place} if place else {})}))
    return digests
