"""What the program that makes files in another Python says of an operator that a form lacks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

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
