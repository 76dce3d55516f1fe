"""What the program that makes files in another Python says of an operator that a form lacks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from didact.deploy.engine import Unsupported
from didact.deploy.forms.contract import find
from didact.deploy.lowering import layer_of


class Bessel(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


@pytest.fixture(scope="module")
def program() -> torch.export.ExportedProgram:
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sequential(nn.ReLU(), Bessel()))
    return torch.export.export(net, (torch.zeros(1, 1, 2, 2),))


@pytest.mark.parametrize(
    "error",
    ["Missing out variants: {'aten::special_bessel_j0'}", "no lowering for aten.special_bessel_j0.default, sorry"],
)
def test_the_layer_of_the_operator_is_named(program: torch.export.ExportedProgram, error: str) -> None:
    assert layer_of(program, error) == " (in 1.1, a Bessel)"


@pytest.mark.parametrize("error", ["out of memory", "aten::special_bessel_j0_backward is not there", "aten::relu6 lacks"])
def test_an_error_that_names_none(program: torch.export.ExportedProgram, error: str) -> None:
    assert layer_of(program, error) == ""


@pytest.mark.parametrize("float_ends", [False, True])
def test_a_network_of_which_nothing_can_be_quantised_is_refused(float_ends: bool) -> None:
    """Its only layer computes its weights, which a quantiser does not know as such."""
    pytest.importorskip("torchao", reason="the extra pt2 is not installed, or not for this torch", exc_type=ImportError)
    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 10, 3))
    net = nn.Sequential(layer, nn.AvgPool2d(14), nn.Flatten()).eval().requires_grad_(False)
    form = find("pt2")
    model = form.model_of(net, (1, 16, 16), [0.5], [0.5])
    for weight_scales in form.weight_scales:
        with pytest.raises(Unsupported, match="none of its layers can be quantised; write it in 32 bits"):
            form.quantised(model, [torch.rand(2, 1, 16, 16)], float_ends, weight_scales)
