"""Weights are contiguous while a network is exported, and lie as before afterwards."""

from __future__ import annotations

from contextlib import suppress

import torch
from torch import nn

from didact.deploy.layout import row_major


def test_the_layout_is_another_inside_and_the_same_afterwards() -> None:
    layers = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2)
    net = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.register_buffer("turned", torch.arange(6.0).reshape(2, 3).T)
    tensors = [*net.parameters(), *net.buffers()]
    values, strides = [one.detach().clone() for one in tensors], [one.stride() for one in tensors]
    assert strides[0] == (9, 1, 3, 1), "of one channel, which is contiguous in both layouts"
    with suppress(RuntimeError), row_major(net):
        assert [one.stride() for one in net.parameters() if one.dim() == 4] == [(9, 9, 3, 1), (27, 9, 3, 1), (4, 1, 1, 1)]
        assert net.turned.stride() == (2, 1)
        assert all(torch.equal(one, value) for one, value in zip(tensors, values, strict=True))
        raise RuntimeError("no exporter")
    assert [one.stride() for one in tensors] == strides
    assert all(torch.equal(one, value) for one, value in zip(tensors, values, strict=True))
