"""A network as a file that normalises, takes any number of images, and says what it is."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn

from didact.nets.blocks import Block, BlockNet, Head
from support.training import network

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

from didact.deploy.engine import Unsupported, session
from didact.deploy.onnx_file import KEY, described, ends, logits_of, model_of

IMAGE = (3, 16, 16)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)


@pytest.mark.parametrize(
    "name",
    ["resnet8", *(pytest.param(n, marks=pytest.mark.slow) for n in ("wrn_16_1", "vgg8", "mobilenet_v2", "shufflenet_v2"))],
)
def test_it_takes_images_as_they_are(name: str) -> None:
    torch.manual_seed(0)
    net = network(name, 5, 3)
    torch.optim.swa_utils.update_bn([torch.randn(16, *IMAGE)], net)
    net.eval().requires_grad_(False)
    model = model_of(net, IMAGE, MEAN, STD)
    images = torch.rand(6, *IMAGE)
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    wanted = net((images - mean) / std)
    for parts in ([6], [1, 5]):
        found = logits_of(model, images.split(parts))
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_it_says_what_it_is_and_nothing_of_the_machine() -> None:
    net = network("resnet8", 5, 3).eval().requires_grad_(False)
    model = model_of(net, IMAGE, MEAN, STD)
    made = described(model, {"classes": ["köder", "b"], "accuracy": float("nan")})
    entries = session(made, 1).get_modelmeta().custom_metadata_map
    assert {key: json.loads(text) for key, text in entries.items()} == {KEY: {"classes": ["köder", "b"], "accuracy": None}}
    assert b".py" not in made and b"stack_trace" not in made
    images = torch.rand(2, *IMAGE)
    assert torch.equal(logits_of(made, [images]), logits_of(model, [images]))


class Strange(nn.Module):
    """A layer that no exporter takes: it depends on values."""

    def forward(self, x: Tensor) -> Tensor:
        return x if float(x.detach().sum()) > 0 else -x


class Bessel(nn.Module):
    """A layer that torch.export takes, and ONNX has no operation for."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


@pytest.mark.parametrize(("kind", "said"), [(Strange, "data-dependent"), (Bessel, "No ONNX function found for .*bessel_j0")])
def test_an_operation_without_a_counterpart_is_named(kind: type[nn.Module], said: str) -> None:
    net = BlockNet(nn.Identity(), [("1", Block(nn.Sequential(nn.Conv2d(3, 4, 3), kind())))], Head(4, 5))
    with pytest.raises(Unsupported, match=rf"{said}.*\(in net\.blocks\.1\.body\.1, a {kind.__name__}\)"):
        model_of(net.eval().requires_grad_(False), IMAGE, MEAN, STD)


def test_a_network_without_layers_has_no_ends() -> None:
    net = nn.Sequential(nn.AvgPool2d(16), nn.Flatten()).eval()
    with pytest.raises(Unsupported, match="no layer with weights that could stay in float; leave --float-ends out"):
        ends(model_of(net, IMAGE, MEAN, STD))
