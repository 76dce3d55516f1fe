"""Networks as rows of blocks. ``create(name, num_classes)`` makes one; the files are the families.
``split(model)`` makes one of any PyTorch classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from didact.lazily import from_homes

if TYPE_CHECKING:
    from didact.nets.blocks import Block, BlockNet, Head, Shapes, join
    from didact.nets.libraries import title
    from didact.nets.splitting import cuts, split
    from didact.nets.zoo import Entry, create, entry, names, resolve

_HOMES = {
    **dict.fromkeys(("Block", "BlockNet", "Head", "Shapes", "join"), "blocks"),
    "title": "libraries",
    **dict.fromkeys(("cuts", "split"), "splitting"),
    **dict.fromkeys(("Entry", "create", "entry", "names", "resolve"), "zoo"),
}

__all__ = [
    "Block",
    "BlockNet",
    "Entry",
    "Head",
    "Shapes",
    "create",
    "cuts",
    "entry",
    "join",
    "names",
    "resolve",
    "split",
    "title",
]

__getattr__ = from_homes(__name__, _HOMES)
