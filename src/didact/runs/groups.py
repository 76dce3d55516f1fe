"""Peers: the other networks of a group that learns together, as a Run names them, and what must
agree between them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import field_validator

from didact import nets
from didact.engine.recipe import Recipe
from didact.method import Method
from didact.spec import Chosen, Seed, canonical, spec

SHARED = ("epochs", "batch_size", "precision", "mixup", "cutmix", "label_smoothing")
"""What the recipes of a group have in common; the rest of a recipe is each network's own."""


@spec
class Peer:
    """A network that learns together with the Run's own: on the same images, from the same teacher
    if any.
    """

    net: str
    """The network; a name of the zoo, or module:function."""
    recipe: Recipe = Recipe()
    """How it is trained: as long as the Run's own, in batches of the same size and in the same
    precision.
    """
    method: Chosen[Method]
    """What it learns from."""
    seed: Seed = 0
    """Its initialisation and random streams."""

    @field_validator("net")
    @classmethod
    def _known(cls, net: str) -> str:
        return nets.resolve(net)


def placed(own: Peer, others: Sequence[Peer]) -> tuple[tuple[Peer, ...], int]:
    """The peers and the turn with which ``own`` describes itself in a group of it and ``others``,
    in this order.

    Without turns the order means nothing: all orders are made the same, so that they are one group.
    """
    group = [own, *others]
    if not any(peer.method.sequential for peer in group):
        group.sort(key=canonical)
    turn = next(place for place, peer in enumerate(group) if peer is own)
    return tuple(peer for peer in group if peer is not own), turn


def agree(own: Peer, peers: Sequence[Peer], turn: int, held: bool) -> None:
    """Whether a network and its peers can learn together; a network without peers can if it reads
    none.

    Args:
        held: whether there are held-out images.

    Raises:
        ValueError: they cannot; the message says what to write instead.
    """
    for peer in (own, *peers):
        if peer.method.needs.held and not held:
            raise ValueError(
                f"the method '{peer.method.name()}' as it is set reads held-out images; set some aside, e.g. data.validation=0.1"
            )
    if not peers:
        if own.method.needs.peers:
            raise ValueError(
                f"the method '{own.method.name()}' learns from peers and none is given; name some, e.g. --peers.net resnet20"
            )
        if turn:
            raise ValueError(f"turn {turn} is a place among peers, and none is given")
        return
    group = [own, *peers]
    if turn > len(peers):
        raise ValueError(f"turn {turn} in a group of {len(group)}: the first is 0, the last {len(peers)}")
    if not any(peer.method.needs.peers for peer in group):
        raise ValueError(
            f"peers are given, but the method '{own.method.name()}' looks at none; write method=dml or method=kdcl"
        )
    if len({bool(peer.method.needs.teacher) for peer in group}) > 1:
        raise ValueError("networks that learn together either all read the teacher or all do without")
    for name in SHARED:
        _same(f"share recipe.{name}", group, [getattr(peer.recipe, name) for peer in group])
    lengths = [sum(stage.length(peer.recipe.epochs) for stage in peer.method.stages()) for peer in group]
    _same("train for the same epochs over all stages", group, lengths)


def _same(what: str, group: Sequence[Peer], values: Sequence[object]) -> None:
    if len(set(values)) > 1:
        differing = ", ".join(f"{peer.net} {value}" for peer, value in zip(group, values, strict=True))
        raise ValueError(f"networks that learn together {what}; found {differing}")
