"""Networks computed by ONNX Runtime: the same outputs in float32, near ones in 8 bits, whichever are asked for."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch import Tensor, nn

from didact.nets.blocks import Block, BlockNet, Head
from didact.nets.folded import folded
from didact.spec import SpecError
from didact.tensors import PARTS
from support.training import network

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

from didact.deploy.engine import Computed, check_installed, exported, quantised, shows

IMAGE = (3, 16, 16)


def frozen(name: str) -> BlockNet:
    net = network(name, 5, 3)
    torch.optim.swa_utils.update_bn([torch.randn(16, *IMAGE)], net)
    return folded(net.eval().requires_grad_(False))


@pytest.fixture(scope="module")
def net() -> BlockNet:
    torch.manual_seed(0)
    return frozen("resnet8")


@pytest.fixture(scope="module")
def model(net: BlockNet) -> bytes:
    return exported(net, IMAGE)


@pytest.mark.parametrize(
    "name",
    ["resnet8", *(pytest.param(n, marks=pytest.mark.slow) for n in ("wrn_16_1", "vgg8", "mobilenet_v2", "shufflenet_v2"))],
)
def test_every_part_is_that_of_the_network(name: str) -> None:
    net = frozen(name)
    computed = Computed(exported(net, IMAGE), net.shapes(IMAGE), 1)
    assert not computed.training and len(computed) == len(net) and computed.shapes(IMAGE) == net.shapes(IMAGE)
    for count in (1, 5):
        images = torch.randn(count, *IMAGE).to(memory_format=torch.channels_last)
        mine, theirs = computed.outputs(images), net.outputs(images)
        for part in PARTS:
            one, two = (x if isinstance(x := getattr(o, part), tuple) else (x,) for o in (mine, theirs))
            for a, b in zip(one, two, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(computed(images), mine.logits, rtol=0, atol=0)


def test_what_is_read_changes_no_bit(net: BlockNet, model: bytes) -> None:
    images = torch.randn(4, *IMAGE)
    for one in (model, quantised(exported(net, IMAGE, "int8"), [images])):
        computed = Computed(one, net.shapes(IMAGE), 1)
        logits = computed.outputs(images, frozenset({"logits"}))
        both = computed.outputs(images, frozenset({"logits", "features"}))
        assert logits.logits is not None and both.logits is not None
        assert torch.equal(logits.logits, both.logits) and not logits.features and len(both.features) == len(net)
        assert all(f.is_contiguous(memory_format=torch.channels_last) for f in both.features)


@pytest.mark.parametrize("channels", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_network_of_a_training_has_another_layout(channels: int) -> None:
    """Its weights are channels-last. torch 2.9 refuses maps of such a network as outputs for one image."""
    image = (channels, 16, 16)
    net = network("resnet8", 5, channels).eval().requires_grad_(False)
    row_major = Computed(exported(net, image), net.shapes(image), 1)
    net = net.to(memory_format=torch.channels_last)
    strides = [one.stride() for one in net.parameters()]
    computed = Computed(exported(net, image), net.shapes(image), 1)
    assert [one.stride() for one in net.parameters()] == strides
    for count in (1, 5):
        images = torch.randn(count, *image)
        assert torch.equal(computed(images), row_major(images))


def test_eight_bits_are_near_and_the_same_every_time(net: BlockNet) -> None:
    images = torch.randn(64, *IMAGE)
    flat = exported(net, IMAGE, "int8")
    one, two = (Computed(quantised(flat, images.split(16)), net.shapes(IMAGE), 1)(images) for _ in range(2))
    assert torch.equal(one, two)
    exact = net(images)
    assert 0 < float((one - exact).abs().max()) < 0.2 * float(exact.abs().max())
    assert "preacts" not in shows("int8") and shows("fp32") == PARTS


class Strange(nn.Module):
    """A layer that no exporter takes: it depends on values."""

    def forward(self, x: Tensor) -> Tensor:
        return x if float(x.detach().sum()) > 0 else -x


def test_an_operation_without_a_word_is_named() -> None:
    net = BlockNet(nn.Identity(), [("1", Block(nn.Sequential(nn.Conv2d(3, 4, 3), Strange())))], Head(4, 5))
    with pytest.raises(SpecError, match=r"cannot be computed by ONNX Runtime: .*leave teacher.engine out"):
        exported(net.eval().requires_grad_(False), IMAGE)


def test_what_is_not_installed_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("didact.deploy.engine.find_spec", lambda name: None if name == "onnxruntime" else find(name))
    with pytest.raises(SpecError, match=r"needs onnxruntime, which is not installed: pip install 'didact-distill\[onnx\]'"):
        check_installed()
