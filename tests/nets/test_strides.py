"""1x1 convolutions with a stride and few channels: oneDNN computes wrong weight gradients for them, or crashes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from didact.nets import create
from didact.nets.layers import StridedPointwise, conv_norm, index_strides


@pytest.mark.parametrize("channels", [1, 3, 4, 7, 8, 12, 15])
@pytest.mark.parametrize("size", [7, 16])
def test_gradients_are_those_of_float64(channels: int, size: int) -> None:
    torch.manual_seed(0)
    conv = conv_norm(channels, 8, 1, 2)[0]
    assert isinstance(conv, StridedPointwise)
    conv = conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(32, channels, size, size).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = conv(x)
    weights = torch.randn_like(y)
    (y * weights).sum().backward()

    x64 = x.detach().double().contiguous().requires_grad_()
    w64 = conv.weight.detach().double().contiguous().requires_grad_()
    y64 = torch.einsum("bchw,oc->bohw", x64[:, :, ::2, ::2], w64[:, :, 0, 0])
    (y64 * weights.double()).sum().backward()
    bound = 32 * 64 * torch.finfo(torch.float32).eps  # one rounding for each product of the sum
    assert torch.allclose(y.double(), y64, atol=bound)
    assert conv.weight.grad is not None and w64.grad is not None and x.grad is not None and x64.grad is not None
    assert torch.allclose(conv.weight.grad.double(), w64.grad, atol=bound * 32)
    assert torch.allclose(x.grad.double(), x64.grad, atol=bound)


def test_without_gradients_it_is_an_ordinary_convolution() -> None:
    conv = conv_norm(4, 8, 1, 2)[0]
    x = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        assert torch.equal(conv(x), nn.Conv2d.forward(conv, x))  # type: ignore[arg-type]


def test_only_what_needs_it_changes() -> None:
    plain = [nn.Conv2d(4, 8, 1), nn.Conv2d(4, 8, 3, 2, 1), nn.Conv2d(16, 8, 1, 2), nn.Conv2d(4, 4, 1, 2, groups=4)]
    net = nn.Sequential(*plain, nn.Conv2d(15, 8, 1, 2))
    keys = list(net.state_dict())
    assert [type(m) is StridedPointwise for m in index_strides(net)] == [False] * 4 + [True]  # type: ignore[arg-type]
    assert list(net.state_dict()) == keys


def test_narrow_networks_have_finite_gradients() -> None:
    net = create("basic-4-1x4-1x8-1x8", num_classes=10, in_channels=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net(torch.randn(32, 1, 16, 16).contiguous(memory_format=torch.channels_last)).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in net.parameters())
