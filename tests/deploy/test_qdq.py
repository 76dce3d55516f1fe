"""A network trained in 8 bits and its ONNX model: the same integers, the same answers."""

from __future__ import annotations

import collections
from typing import Any

import pytest
import torch

from didact.nets.blocks import BlockNet
from didact.nets.quantised import points, quantise
from didact.nets.quantised.arithmetic import rounded_weight, scales
from support.training import network

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

from didact.deploy.onnx_file import logits_of
from didact.deploy.qdq import Onnx, integral, model_of

IMAGE = (1, 16, 16)


def trained(name: str, seed: int = 0, weight_scales: str = "channel") -> BlockNet:
    """Quantised, with ranges and statistics of a few steps."""
    net = network(name)
    quantise(net, points(net, IMAGE), weight_scales)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.SGD(net.parameters(), 0.05)
    for _ in range(4):
        images = torch.rand(32, *IMAGE, generator=generator)
        labels = torch.randint(10, (32,), generator=generator)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net((images - 0.5) / 0.5), labels).backward()
        optimiser.step()
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("weight_scales", ["channel", "layer"])
@pytest.mark.parametrize("name", ["resnet8", pytest.param("mobilenet_v2", marks=pytest.mark.slow)])
def test_the_file_answers_as_the_network(name: str, weight_scales: str) -> None:
    """Sums in integers and in floats may fall on both sides of a rounding; apart from these few steps they agree."""
    net = trained(name, weight_scales=weight_scales)
    model = model_of(net, IMAGE, [0.5], [0.5])
    images = torch.rand(64, *IMAGE, generator=torch.Generator().manual_seed(1))
    own, found = net((images - 0.5) / 0.5), logits_of(model, [images])
    spread = float(own.std())
    assert float((own - found).abs().mean()) < 0.05 * spread, "rounding on the other side is rare"
    import onnx

    graph = onnx.load_from_string(model).graph
    kinds = collections.Counter(node.op_type for node in graph.node)
    assert kinds["BatchNormalization"] == 0, "norms are folded"
    layers = kinds["Conv"] + kinds["Gemm"] + kinds["MatMul"]
    found_at = points(network(name), IMAGE)
    assert layers == len(found_at.sources)
    own_inputs = [layer for layer, source in found_at.sources.items() if layer == source]
    assert kinds["QuantizeLinear"] == len(found_at.outputs) + len(own_inputs)
    whole = collections.Counter(onnx.numpy_helper.to_array(weight).dtype.name for weight in graph.initializer)
    assert whole["int8"] >= layers and whole["int32"] >= layers
    held = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    floats = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in held]
    assert {held[node.input[1]].ndim for node in floats} == {0 if weight_scales == "layer" else 1}


def test_integers_are_those_of_the_training() -> None:
    net = trained("resnet8")
    twin = dict(integral(net, Onnx()).named_modules())
    for path, source in points(network("resnet8"), IMAGE).sources.items():
        made: Any = twin[path]
        layer: Any = dict(net.named_modules())[path]
        shape = (-1, *[1] * (layer.weight.dim() - 1))
        back = made.weight.double() * made.floats.scale.double().reshape(shape)
        norm: Any = dict(net.named_modules())[layer.norm] if layer.norm else None
        factor = torch.ones(len(layer.weight))
        if norm is not None:
            factor = norm.weight / (norm.running_var + norm.eps).sqrt()
        wanted = rounded_weight(layer.weight, scales(layer.weight)) * factor.reshape(shape)
        torch.testing.assert_close(back, wanted.double(), rtol=1e-4, atol=1e-7)
        assert int(made.weight.abs().max()) <= 64 and source


def test_a_layer_with_one_scale_has_it_with_its_norm_folded_in() -> None:
    """The greatest weight of the layer as it leaves, norm and all, is 64 steps; the others are rounded to these."""
    net = trained("resnet8", weight_scales="layer")
    parts: dict[str, Any] = dict(net.named_modules())
    parts["stem.1"].weight *= torch.linspace(0.1, -2.0, len(parts["stem.1"].weight))
    made: Any = dict(integral(net, Onnx()).named_modules())["stem.0"]
    norm = parts["stem.1"]
    factor = (norm.weight / (norm.running_var + norm.eps).sqrt()).double().reshape(-1, 1, 1, 1)
    folded = parts["stem.0"].weight.double() * factor
    scale = float(folded.abs().max()) / 64
    assert made.floats.scale.dim() == 0 and float(made.floats.scale) == pytest.approx(scale, rel=1e-5)
    away = (folded / scale - made.weight.double()).abs()
    assert float(away.max()) <= 0.5 + 1e-3 and int(made.weight.abs().max()) == 64


@pytest.mark.parametrize("weight_scales", ["channel", "layer"])
def test_a_channel_that_a_norm_switches_off(weight_scales: str) -> None:
    """Its scale would be 0 and its bias would not fit into 32 bits; it gives the norm's shift."""
    net = trained("resnet8", weight_scales=weight_scales)
    norm: Any = dict(net.named_modules())["stem.1"]
    norm.weight[0], norm.bias[0] = 0.0, 0.7
    norm.weight[1] = -norm.weight[1]
    model = model_of(net, IMAGE, [0.5], [0.5])
    images = torch.rand(16, *IMAGE, generator=torch.Generator().manual_seed(2))
    own, found = net((images - 0.5) / 0.5), logits_of(model, [images])
    assert found.isfinite().all() and float((own - found).abs().mean()) < 0.05 * float(own.std())


def test_a_network_that_saw_no_image_is_refused() -> None:
    net = network("resnet8")
    quantise(net, points(net, IMAGE))
    with pytest.raises(
        ValueError, match=r"no range of values in 8 bits at stem\.0, .*: show the network images in train mode"
    ):
        model_of(net.eval(), IMAGE, [0.5], [0.5])
