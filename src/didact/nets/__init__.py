"""Networks as rows of blocks. ``create(name, num_classes)`` makes one; the files are the families.
``split(model)`` makes one of any PyTorch classifier."""

from didact.nets.blocks import Block, BlockNet, Head, Shapes, join
from didact.nets.libraries import title
from didact.nets.splitting import cuts, split
from didact.nets.zoo import Entry, create, entry, names, resolve

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
