"""Which tensor of a file is which of a network: by name, or by order and shape.

By name: didact's own names, those of a network that was split, or the published ones
(:mod:`didact.nets.published`). By order: the layers of both in the order in which they run, where
every tensor has the same kind (weight, bias, running_mean ...) and shape. The fit is complete: no
tensor is left over on either side. The last layer may have another number of outputs; who loads it
decides what becomes of them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from didact.files.weights import Tensors, WeightsError
from didact.nets.blocks import BlockNet
from didact.nets.published import common, ordered, published
from didact.nets.splitting.names import own_names
from didact.nets.splitting.parts import CutHead
from didact.nets.zoo import create, entry, names
from didact.spec import clean, first_of

PREFERRED = ("net", "model", "state_dict", "model_state", "model_state_dict", "network", "weights")
"""Where a network is looked for first in a file that holds several which fit."""

COUNTER = "num_batches_tracked"
"""What old files lack: it counts batches and changes nothing."""

BY_NAME, BY_ORDER = "by name", "by order and shape"

DIFFERENCES = 3
"""How many differences of a kind a message shows."""

HEAD = "head.classifier."


@dataclass(frozen=True)
class Match:
    """How a file's tensors fit a network.

    Attributes:
        place: where in the file they are; "" for the file itself.
        tensors: by the network's own names; the last layer may have another number of rows.
        how: "by name", or "by order and shape".
        outputs: rows of the last layer in the file.
        rows: own names of the tensors with a row for each output.
    """

    place: str
    tensors: Tensors
    how: str
    outputs: int
    rows: tuple[str, ...]


def match(net: BlockNet, name: str, found: Mapping[str, Tensors]) -> Match:
    """The one network in a file that fits ``net``.

    Args:
        net: also on the meta device.
        name: its name, as :func:`didact.nets.create` takes it.
        found: what in the file could be a network, as :func:`didact.files.weights.candidates` gives
            it.

    Raises:
        WeightsError: none fits, or several that differ; the message shows the first differences and
            the network of the zoo that would fit.
    """
    network = _Network.of(net, name)
    fits = [one for place, tensors in found.items() if (one := network.fit(place, tensors)) is not None]
    fits = [one for one in fits if one.how == BY_NAME] or fits
    if not fits:
        raise WeightsError(_differences(network, found))
    first = next((one for key in PREFERRED for one in fits if one.place == key), fits[0])
    others = [one for one in fits if not _same(one.tensors, first.tensors)]
    if others and first.place not in PREFERRED:
        listed = ", ".join(repr(clean(one.place)) for one in [first, *others])
        raise WeightsError(
            f"it holds several networks that fit {name} and differ ({listed}); save the state dict of the one that is meant"
        )
    return first


def _same(one: Tensors, other: Tensors) -> bool:
    return one.keys() == other.keys() and all(
        value is other[key] or torch.equal(value, other[key]) for key, value in one.items()
    )


@dataclass(frozen=True)
class _Network:
    """What has to be known of a network to pair its tensors with those of a file.

    Attributes:
        own: its state dict.
        namings: by a way to name tensors ("own", "split", "common"), the name of each of its own.
        order: its own names in the order in which the layers run; empty where that is not known.
        rows: as :class:`Match` has them.
    """

    name: str
    own: Tensors
    namings: dict[str, dict[str, str]]
    order: tuple[str, ...]
    rows: tuple[str, ...]

    @classmethod
    def of(cls, net: BlockNet, name: str) -> _Network:
        own = net.state_dict()
        namings = {"own": {key: key for key in own}}
        split = isinstance(net.head, CutHead)
        if split:
            namings["split"] = own_names(net)
        elif names := published(net, entry(name).family):
            namings["common"] = names
        # the order of a network that was split is its author's
        return cls(name, own, namings, () if split else tuple(ordered(net)), _rows(own))

    def fit(self, place: str, tensors: Tensors) -> Match | None:
        """How ``tensors`` fit; None where they do not, completely."""
        needed = [key for key in self.own if not _counts(key)]
        if not len(needed) <= len(tensors) <= len(self.own):
            return None
        for how, pairs in self._ways(tensors):
            given = {mine: tensors[theirs] for mine, theirs in pairs.items()}
            complete = len(given) == len(tensors) and all(key in given for key in needed)
            if complete and all(self.alike(key, value) for key, value in given.items()):
                outputs = {len(given[key]) for key in self.rows}
                if len(outputs) == 1:
                    return Match(place, given, how, outputs.pop(), self.rows)
        return None

    def _ways(self, tensors: Tensors) -> Iterator[tuple[str, dict[str, str]]]:
        """The ways to pair own names with a file's, the surest first."""
        for naming, named in self.namings.items():
            spelt = {_spelt(key, naming): key for key in tensors}
            yield BY_NAME, {mine: spelt[other] for mine, other in named.items() if other in spelt}
        counted = any(map(_counts, tensors))
        mine = [key for key in self.order if counted or not _counts(key)]
        if [key.rpartition(".")[2] for key in mine] == [key.rpartition(".")[2] for key in tensors]:
            yield BY_ORDER, dict(zip(mine, tensors, strict=True))

    def alike(self, key: str, given: Tensor) -> bool:
        """Whether the shapes agree; those of the last layer up to the number of its outputs."""
        own = self.own[key]
        if key in self.rows:
            return own.dim() == given.dim() and own.shape[1:] == given.shape[1:] and len(given) > 0
        return own.shape == given.shape


def _spelt(key: str, naming: str) -> str:
    return common(key) if naming == "common" else key


def _counts(key: str) -> bool:
    return key.rpartition(".")[2] == COUNTER


def _rows(own: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The tensors with a row for each class: of the last layer, or of the last layers of a network
    with two."""
    last = [key for key in own if key.startswith(HEAD) and own[key].dim()]
    classes = {len(own[key]) for key in last if key.endswith(".bias")} or {len(own[key]) for key in last}
    return tuple(key for key in last if len(own[key]) in classes and key.rpartition(".")[2] in ("weight", "bias"))


# ------------------------------------------------------------------------------------------------
# what does not fit


def _differences(network: _Network, found: Mapping[str, Tensors]) -> str:
    """The first differences between a network and what in the file is most like it."""
    likest = max(
        ((place, naming) for place in found for naming in network.namings),
        key=lambda one: (*_agreeing(network, one[1], found[one[0]]), one[1] != "own"),
    )
    place, naming = likest
    tensors = {_spelt(key, naming): value for key, value in found[place].items()}
    mine = {other: own for own, other in network.namings[naming].items()}
    missing = [other for other in mine if other not in tensors and not _counts(other)]
    extra = [other for other in tensors if other not in mine]
    extra = [other for other in extra if not _counts(other)] or extra  # as among the missing ones
    shapes = [
        f"{other} is {tuple(tensors[other].shape)} there and {tuple(network.own[own].shape)} in {network.name}"
        for other, own in mine.items()
        if other in tensors and not network.alike(own, tensors[other])
    ]
    kinds = (("missing", missing), ("extra", extra), ("other shapes", shapes))
    told = [f"{kind}: {_first(keys)}" for kind, keys in kinds if keys]
    at = f" (at {clean(place)})" if place else ""
    return f"the weights{at} are not those of {network.name}; {'; '.join(told)}; {_looks_like(network, found)}"


def _agreeing(network: _Network, naming: str, tensors: Tensors) -> tuple[int, int]:
    """How many names agree, and then how large the group is, so that the whole network comes before
    a part."""
    spelt = {_spelt(key, naming) for key in tensors}
    return len(spelt.intersection(network.namings[naming].values())), len(tensors)


def _first(keys: list[str]) -> str:
    return first_of(list(map(clean, keys)), DIFFERENCES)


@functools.cache
def _of_the_zoo(name: str, channels: int) -> _Network:
    with torch.device("meta"):
        return _Network.of(create(name, 2, channels), name)


def _looks_like(network: _Network, found: Mapping[str, Tensors]) -> str:
    """Which networks of the zoo a file would fit, for the end of a sentence."""
    channels = next((value.shape[1] for value in network.own.values() if value.dim() == 4), 3)
    likely = [
        one.name
        for one in map(_of_the_zoo, names(), [channels] * len(names()))
        if any(one.fit(place, tensors) is not None for place, tensors in found.items())
    ]
    if likely:
        return f"they fit {' and '.join(likely)}"
    largest = max(found.values(), key=len)
    size = sum(value.numel() for value in largest.values())
    return f"they fit no network of the zoo ({len(largest)} tensors, {size:,} numbers, first {clean(next(iter(largest)))})"
