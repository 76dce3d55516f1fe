"""Convolutions in bfloat16 whose kernels reach beyond a tiny map: oneDNN leaves weight gradients unset there."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from didact.nets.layers import PaddedConv2d, guard_tiny_maps, has_idle_taps


@pytest.mark.parametrize(("kernel", "stride", "size"), [(3, 2, 1), (3, 3, 2), (5, 1, 1), (5, 2, 1), (7, 1, 2), (7, 3, 2)])
@pytest.mark.parametrize(("channels", "groups"), [(8, 1), (256, 1), (64, 64)])
def test_gradients_are_those_of_float64(kernel: int, stride: int, size: int, channels: int, groups: int) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(channels, 2 * channels, kernel, stride, kernel // 2, groups=groups)
    conv = guard_tiny_maps(plain).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert type(conv) is PaddedConv2d
    x = torch.randn(16, channels, size, size).contiguous(memory_format=torch.channels_last).requires_grad_()
    exact = nn.Conv2d(channels, 2 * channels, kernel, stride, kernel // 2, groups=groups).double()
    exact.load_state_dict(conv.state_dict())
    x64 = x.detach().double().requires_grad_()
    for _ in range(3):  # what is unset is nought at times
        conv.zero_grad()
        exact.zero_grad()
        x.grad = x64.grad = None
        with torch.autocast("cpu", torch.bfloat16):
            y = conv(x)
        weights = torch.randn(y.shape)
        (y.float() * weights).sum().backward()
        (exact(x64) * weights).sum().backward()
        for found, expected in zip((x, *conv.parameters()), (x64, *exact.parameters()), strict=True):
            assert found.grad is not None and expected.grad is not None
            assert torch.allclose(found.grad.double(), expected.grad, atol=2e-2)


def test_idle_taps_by_hand() -> None:
    assert has_idle_taps(nn.Conv2d(1, 1, 3, 1, 1), 1, 8), "of a map one high, taps above and below meet padding"
    assert has_idle_taps(nn.Conv2d(1, 1, 3, 3, 1), 8, 2), "one place, in which the first tap meets padding"
    assert not has_idle_taps(nn.Conv2d(1, 1, 3, 1, 1), 2, 2), "every tap meets a pixel at some place"
    assert not has_idle_taps(nn.Conv2d(1, 1, 3, 2, 1), 4, 4)
    assert has_idle_taps(nn.Conv2d(1, 1, 3, 1, 2, dilation=2), 2, 2)
    assert not has_idle_taps(nn.Conv2d(1, 1, 4, padding="same"), 3, 3)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_idle_taps_have_no_gradient(kernel: int, stride: int, padding: int, dilation: int) -> None:
    conv = nn.Conv2d(1, 1, kernel, stride, padding, dilation=dilation).double()
    for size in range(1, 7):
        if size + 2 * padding > dilation * (kernel - 1):
            conv.zero_grad()
            conv(torch.ones(1, 1, size, size, dtype=torch.float64)).sum().backward()
            assert conv.weight.grad is not None
            assert has_idle_taps(conv, size, size) == bool((conv.weight.grad == 0).any())


def test_only_what_pads_changes() -> None:
    net = nn.Sequential(
        nn.Conv2d(4, 8, 1), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding="same")
    )
    keys = list(net.state_dict())
    assert [type(part) is PaddedConv2d for part in guard_tiny_maps(net)] == [False, False, True, True]  # type: ignore[arg-type]
    assert list(net.state_dict()) == keys


def test_larger_maps_are_computed_as_before() -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(8, 16, 3, 2, 1)
    x = torch.randn(4, 8, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        before = plain(x)
        after = guard_tiny_maps(plain)(x)
    assert after.dtype == torch.bfloat16 and torch.equal(before, after)
