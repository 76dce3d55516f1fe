"""Values and gradients of 8 bits, by hand and as ONNX Runtime has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from didact.nets.quantised.arithmetic import LARGEST, REACH, affine, rounded, rounded_weight, scales, shared_scales


def test_activations_by_hand() -> None:
    """From -1 to 4.1: a step of 0.02, and 50 stands for 0."""
    span = torch.tensor([-1.0, 4.1])
    scale, zero = affine(span)
    assert float(scale) == pytest.approx(0.02) and int(zero) == 50
    x = torch.tensor([-3.0, -1.0, -0.031, 0.0, 0.009, 0.011, 4.0, 9.0])
    expected = torch.tensor([-1.0, -1.0, -0.04, 0.0, 0.0, 0.02, 4.0, 4.1])
    torch.testing.assert_close(rounded(x, span), expected, rtol=0, atol=1e-6)


def test_the_range_always_holds_zero_exactly() -> None:
    for low, high in ((0.5, 3.0), (-3.0, -0.5), (0.0, 2.0), (-0.3, 0.1)):
        assert float(rounded(torch.zeros(1), torch.tensor([low, high]))) == 0
    assert int(affine(torch.tensor([0.5, 3.0]))[1]) == 0, "what a ReLU gives has the zero point 0"


def test_weights_by_hand() -> None:
    """A channel's greatest weight is 64 steps, of either sign; a channel of zeros stays one."""
    weight = torch.tensor([[0.64, -0.128, 0.004], [0.01, -0.32, 0.0], [0.0, 0.0, 0.0]])
    assert scales(weight)[:2].tolist() == pytest.approx([0.01, 0.005])
    expected = torch.tensor([[0.64, -0.13, 0.0], [0.01, -0.32, 0.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(rounded_weight(weight, scales(weight)), expected, rtol=0, atol=1e-7)


def test_one_scale_for_a_layer_by_hand() -> None:
    """Behind a norm that doubles the second channel and turns the third, the greatest weight is 0.64, so that a step is
    0.01 of what leaves; before the norm that is 0.01, 0.005 and 0.01. A channel that is switched off has zeros."""
    weight = torch.tensor([[0.128, -0.004], [0.013, -0.32], [0.306, 0.0], [5.0, -7.0]])
    factor = torch.tensor([1.0, 2.0, -1.0, 0.0])
    scale = shared_scales(weight, factor)
    assert scale[:3].tolist() == pytest.approx([0.01, 0.005, 0.01])
    expected = torch.tensor([[0.13, 0.0], [0.015, -0.32], [0.31, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(rounded_weight(weight, scale), expected, rtol=0, atol=1e-7)
    assert shared_scales(torch.zeros(2, 3), factor[:2]).min() > 0


@given(st.integers(0, 2**31), st.floats(0.1, 8))
def test_one_scale_is_that_of_the_folded_weights(seed: int, spread: float) -> None:
    """Rounding them all by it is the same before the norm and after."""
    generator = torch.Generator().manual_seed(seed)
    weight, factor = torch.randn(4, 5, generator=generator), spread * torch.randn(4, generator=generator)
    folded = weight * factor[:, None]
    wanted = rounded_weight(folded, torch.full((4,), float(folded.abs().max()) / REACH))
    found = rounded_weight(weight, shared_scales(weight, factor)) * factor[:, None]
    step = float(folded.abs().max()) / REACH
    off = (found - wanted).abs()
    assert float(off.max()) <= 1.01 * step, "a value in the middle may fall on either side"
    assert int((off > 1e-3 * step).sum()) <= 1


def test_straight_through() -> None:
    """Rounding has the gradient 1, and what was clipped has none; a weight is never clipped."""
    x = torch.tensor([-3.0, -1.0, 0.009, 4.0, 4.2], requires_grad=True)
    factors = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    (rounded(x, torch.tensor([-1.0, 4.1])) * factors).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 2, 3, 4, 0]
    weight = torch.tensor([[0.64, -0.128], [-0.3, 0.1]], requires_grad=True)
    (rounded_weight(weight, scales(weight)) * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert weight.grad is not None and weight.grad.tolist() == [[1, 2], [3, 4]]


@given(st.floats(-8, 8), st.floats(1 / 64, 8), st.integers(0, 2**31))
def test_a_norm_changes_no_integer_of_a_channel(factor: float, spread: float, seed: int) -> None:
    """So it does not matter whether a norm is folded into a convolution before it is quantised, or after."""
    if abs(factor) < 1e-3:
        return
    weight = spread * torch.randn(3, 7, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(
        rounded_weight(factor * weight, scales(factor * weight)),
        factor * rounded_weight(weight, scales(weight)),
        rtol=1e-5,
        atol=1e-6,
    )


def test_values_are_those_of_onnx_runtime() -> None:
    """QuantizeLinear and DequantizeLinear give the very floats, for activations and for weights by channel."""
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    from didact.deploy.engine import session

    helper, kinds = onnx.helper, onnx.TensorProto
    generator = torch.Generator().manual_seed(0)
    x, weight = 3 * torch.randn(5, 40, generator=generator), torch.randn(5, 40, generator=generator)
    span = torch.tensor([-2.0, 5.0])
    scale, zero = affine(span)
    constants = {
        "scale": scale.numpy(), "zero": np.asarray(int(zero), np.uint8),
        "scales": scales(weight).numpy(), "zeros": np.zeros(5, np.int8),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
        helper.make_node("QuantizeLinear", ["w", "scales", "zeros"], ["p"], axis=0),
        helper.make_node("DequantizeLinear", ["p", "scales", "zeros"], ["v"], axis=0),
    ]
    names = {"x": ["x", "w"], "y": ["y", "v"]}
    ends = {
        key: [helper.make_tensor_value_info(name, kinds.FLOAT, [5, 40]) for name in named] for key, named in names.items()
    }
    held = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "both", ends["x"], ends["y"], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    y, v = session(model.SerializeToString(), 1).run(["y", "v"], {"x": x.numpy(), "w": weight.numpy()})
    assert torch.equal(rounded(x, span), torch.from_numpy(y))
    assert torch.equal(rounded_weight(weight, scales(weight)), torch.from_numpy(v))
    assert (
        len(rounded(x, span).unique()) <= LARGEST + 1
        and len(rounded_weight(weight, scales(weight))[0].unique()) <= 2 * REACH + 1
    )
