"""Networks of other libraries and of the user's own, as tables: their names, and where one of them
can be cut."""

from __future__ import annotations

import dataclasses

from torch import nn

from didact import nets
from didact.data import Data, facts
from didact.nets import libraries, others
from didact.nets.splitting import Place
from didact.spec import SpecError, from_json
from didact.tables.listing import Listing
from didact.tables.table import Cell

CLASSES = 10
"""What a network is built for where no data set is named."""


def classifiers(library: str) -> Listing:
    """The classifiers of a library, by the names that ``--net`` takes.

    Raises:
        SpecError: no such library, or it is not installed.
    """
    return Listing.of(["net"], [[name] for name in libraries.names(library)])


def cuts(net: str | None = None, data: str | None = None, size: int | None = None) -> Listing:
    """Where a network can be cut, and where its blocks end, for images of a data set.

    Args:
        net: the network's name.
        data: the data set, which also says the numbers of classes and channels.
        size: height of the images; None: as the data have it, else as the network's library has it.

    Raises:
        SpecError: no network is named, there is none of that name, or it cannot be split.
    """
    if net is None:
        raise SpecError("net: say whose places are listed, e.g. didact list cuts --net timm:resnet18 --data cifar100")
    name = nets.resolve(net)
    about = facts(from_json(Data, {"name": data, "size": size}, "data")) if data is not None else None
    classes, size = (about.classes, about.image[1]) if about else (CLASSES, size)
    channels = about.image[0] if about else 3
    foreign = nets.entry(name).family in ("", "library")
    places = others.places(name, classes, channels, size) if foreign else ()
    places = places or _blocks(name, classes, channels, size)
    columns = ["place", "block", "feature (channels@size)", "kind", "extra tokens", "activation"]
    rows = [_row(place) for place in places]
    return dataclasses.replace(Listing.of(columns, rows), plain=[dataclasses.asdict(place) for place in places])


def _row(place: Place) -> list[Cell]:
    block = "" if place.block is None else str(place.block) if place.block else "stem"
    channels, height, width = place.feature
    size = f"{height}" if height == width else f"{height}x{width}"
    return [place.name, block, f"{channels}@{size}", place.kind, place.extra or "", "yes" if place.activated else ""]


def _blocks(name: str, classes: int, channels: int, size: int | None) -> tuple[Place, ...]:
    """The blocks of a network that is written in blocks; it is cut nowhere else."""
    net = nets.create(name, classes, channels, size)
    features = net.shapes((channels, size or 32, size or 32)).features
    shown = enumerate(zip(net.blocks.items(), features, strict=True), 1)
    activated = [not isinstance(getattr(block, "act", None), nn.Identity) for block in net]
    return tuple(Place(key, shape, "map", 0, activated[i - 1], i) for i, ((key, _), shape) in shown)
