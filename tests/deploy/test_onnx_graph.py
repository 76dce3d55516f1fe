"""Peak activations of ONNX graphs, worked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra onnx is not installed")

import onnx

from didact.deploy.onnx_graph import UnknownShapeError, activations

IMAGE = [2, 4, 4]  # 32 numbers


def saved(path: Path, nodes: list[tuple[str, str, str]], weights: dict[str, np.ndarray], shape: list[object]) -> Path:
    """A graph from x to y; a node is (operator, inputs, output)."""
    helper = onnx.helper
    made = [helper.make_node(kind, given.split(), [out]) for kind, given, out in nodes]
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("x", float32, shape)],
        [helper.make_tensor_value_info("y", float32, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


SHAPE = ["n", 2, 4, 4]
WIDE = {"w": np.zeros((4, 2, 1, 1), np.float32), "v": np.zeros((2, 4, 1, 1), np.float32)}


def test_a_shortcut_lives_until_it_is_added(tmp_path: Path) -> None:
    nodes = [("Conv", "x w", "a"), ("Relu", "a", "b"), ("Conv", "b v", "c"), ("Add", "c x", "y")]
    # x (32) lives to the end; the widest: x, b (64) and c (32)
    assert activations(saved(tmp_path / "g.onnx", nodes, WIDE, SHAPE), IMAGE) == 4 * (32 + 64 + 32)


def test_without_the_shortcut_the_image_is_freed(tmp_path: Path) -> None:
    nodes = [("Conv", "x w", "a"), ("Relu", "a", "b"), ("Conv", "b v", "y")]
    assert activations(saved(tmp_path / "g.onnx", nodes, WIDE, SHAPE), IMAGE) == 4 * (32 + 64)


def test_what_is_computed_in_8_bits_counts_in_8_bits(tmp_path: Path) -> None:
    scales = {"s": np.array(0.1, np.float32), "z": np.array(0, np.uint8)}
    nodes = [
        ("QuantizeLinear", "x s z", "xq"),
        ("DequantizeLinear", "xq s z", "xd"),
        ("Conv", "xd w", "a"),
        ("Relu", "a", "b"),
        ("QuantizeLinear", "b s z", "bq"),
        ("DequantizeLinear", "bq s z", "bd"),
        ("Conv", "bd v", "c"),
        ("QuantizeLinear", "c s z", "cq"),
        ("DequantizeLinear", "cq s z", "y"),
    ]
    # x in float (128 bytes) and quantised (32); then 32 and 64 bytes; then 64 and 32
    assert activations(saved(tmp_path / "g.onnx", nodes, WIDE | scales, SHAPE), IMAGE) == 128 + 32


def test_a_view_is_no_copy(tmp_path: Path) -> None:
    shape = {"to": np.array([0, -1], np.int64), "m": np.zeros((32, 3), np.float32)}
    nodes = [("Reshape", "x to", "a"), ("Gemm", "a m", "y")]
    assert activations(saved(tmp_path / "g.onnx", nodes, shape, SHAPE), IMAGE) == 4 * (32 + 3)


def test_a_shape_that_is_not_known_is_named(tmp_path: Path) -> None:
    nodes = [("Strange", "x", "a"), ("Relu", "a", "y")]
    with pytest.raises(UnknownShapeError):
        activations(saved(tmp_path / "g.onnx", nodes, {}, SHAPE), IMAGE)
