"""The names of didact's networks in the files of RepDistiller, SimKD, mdistiller and torchvision.

Those code bases name the layers of a network in the order in which they run: ``conv1``, ``bn1``,
``layer1.0.conv1`` and so on. Two spellings are in use for some layers (``shortcut`` and
``downsample``; ``fc``, ``linear`` and ``classifier``); :func:`common` makes them one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import nn

from didact.nets import shufflenet, wide_resnet
from didact.nets.blocks import Block, BlockNet, Head
from didact.nets.layers import Residual

_CLASSIFIER = re.compile(r"^(fc|linear|classifier|classifier\.0)\.(?=weight$|bias$)")


def common(name: str) -> str:
    """One spelling of a name in a file."""
    return _CLASSIFIER.sub("fc.", name).replace(".shortcut.", ".downsample.")


def published(net: BlockNet, family: str) -> dict[str, str]:
    """The common published name for each entry of the network's state dict; empty for a network
    without one.

    Args:
        family: its file in :mod:`didact.nets`, as :func:`didact.nets.entry` gives it.
    """
    if family not in _NAMES:
        return {}
    layers = [name for name in ordered(net) if name.endswith(".weight")]
    names: dict[str, str] = {}
    for own, layer in zip(layers, _NAMES[family](net), strict=True):
        names[own.removesuffix(".weight")] = layer
    return {key: f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}" for key in net.state_dict()}


def ordered(net: BlockNet) -> list[str]:
    """The names of the state dict in the order in which the layers run."""
    blocks = [key for key, block in net.blocks.items() if isinstance(block, wide_resnet.WideBlock)]

    def place(name: str) -> int:
        parts = name.split(".")
        # a wide block's body runs after its ``enter`` and ``first``
        return int(parts[0] == "blocks" and parts[1] in blocks and parts[2] == "body")

    groups: dict[tuple[str, ...], list[str]] = {}
    for name in net.state_dict():
        parts = name.split(".")
        groups.setdefault(tuple(parts[:2]) if parts[0] == "blocks" else (parts[0],), []).append(name)
    return [name for group in groups.values() for name in sorted(group, key=place)]


def _convolutions(module: nn.Module) -> int:
    return sum(isinstance(part, nn.Conv2d) for part in module.modules())


def _pairs(count: int) -> Iterator[str]:
    """conv1, bn1, conv2, bn2, ..."""
    for number in range(1, count + 1):
        yield f"conv{number}"
        yield f"bn{number}"


def _units(net: BlockNet) -> Iterator[tuple[str, nn.Module]]:
    """The units of the stages, each with its place: layer1.0, layer1.1, ..."""
    for number, block in enumerate(net, 1):
        assert isinstance(block, Block) and isinstance(block.body, nn.Sequential)
        kinds = Residual | shufflenet.Beside | shufflenet.Split
        for index, unit in enumerate(part for part in block.body if isinstance(part, kinds)):
            yield f"layer{number}.{index}", unit


def _resnet(net: BlockNet) -> Iterator[str]:
    yield from _pairs(1)
    for place, unit in _units(net):
        assert isinstance(unit, Residual)
        yield from (f"{place}.{name}" for name in _pairs(_convolutions(unit.branch)))
        if _convolutions(unit.shortcut):
            yield from (f"{place}.downsample.{index}" for index in (0, 1))
    yield "fc"


def _wide_resnet(net: BlockNet) -> Iterator[str]:
    yield "conv1"
    for number, block in enumerate(net, 1):
        assert isinstance(block, wide_resnet.WideBlock) and isinstance(block.body, nn.Sequential)
        for index in range(1 + len(block.body)):
            yield from (f"block{number}.layer.{index}.{name}" for name in ("bn1", "conv1", "bn2", "conv2"))
            if index == 0 and block.first.shortcut is not None:
                yield f"block{number}.layer.{index}.convShortcut"
    yield "bn1"
    yield "fc"


def _vgg(net: BlockNet) -> Iterator[str]:
    assert net.stem is not None
    for number, part in enumerate((net.stem, *net)):
        for index in range(_convolutions(part)):
            yield from (f"block{number}.{3 * index + after}" for after in (0, 1))  # and a ReLU
    yield "fc"


def _shufflenet(net: BlockNet) -> Iterator[str]:
    yield from _pairs(1)
    for place, unit in _units(net):
        yield from (f"{place}.{name}" for name in _pairs(_convolutions(unit)))
    assert isinstance(net.head, Head)
    if _convolutions(net.head.body):
        yield "conv2"
        yield "bn2"
    yield "fc"


def _mobilenet(net: BlockNet) -> Iterator[str]:
    yield from ("conv1.0", "conv1.1")
    for group, length in enumerate((1, 2, 3, 4, 3, 3, 1)):
        for index in range(length):
            yield from (f"blocks.{group}.{index}.conv.{layer}" for layer in (0, 1, 3, 4, 6, 7))
    yield from ("conv2.0", "conv2.1", "fc")


_NAMES = {
    "resnet": _resnet,
    "wide_resnet": _wide_resnet,
    "vgg": _vgg,
    "shufflenet": _shufflenet,
    "mobilenet": _mobilenet,
}
