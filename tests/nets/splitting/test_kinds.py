"""Networks of the kinds that papers have: each split is compared with the whole network bit by bit while it is made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from didact.nets.splitting import split
from support import kinds, plain

IMAGE = (3, 32, 32)


@pytest.mark.parametrize("make", kinds.NETS.values(), ids=kinds.NETS)
def test_it_is_split_and_learns_as_a_whole(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    net = split(make(), IMAGE, 3)
    shapes = net.shapes(IMAGE)
    assert len(net) >= 2 and shapes.classes == kinds.CLASSES
    assert all(len(feature) == 3 for feature in shapes.features)
    assert [feature[1] for feature in shapes.features] == sorted((f[1] for f in shapes.features), reverse=True)


def test_there_are_many_kinds() -> None:
    assert len(kinds.NETS) + len(plain.NETS) >= 25
