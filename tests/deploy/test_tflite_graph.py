"""Peak activations of TFLite graphs, worked by hand."""

from __future__ import annotations

from typing import Any

from didact.deploy.tflite_graph import activations


def graph(steps: list[tuple[str, str, str]], wanted: str = "y", **sizes: int) -> dict[str, Any]:
    """A graph from x; a step is (operator, inputs, outputs). Tensors without a size are weights."""
    names = list(dict.fromkeys(["x", *(name for _, given, made in steps for name in f"{given} {made}".split())]))
    at = {name: number for number, name in enumerate(names)}
    return {
        "steps": [[kind, [at[n] for n in given.split()], [at[n] for n in made.split()]] for kind, given, made in steps],
        "bytes": {str(at[name]): sizes.get(name, 1000) for name in names},
        "given": [at["x"]],
        "wanted": [at[wanted]],
    }


def test_a_shortcut_lives_until_it_is_added() -> None:
    steps = [("CONV_2D", "x w b", "a"), ("CONV_2D", "a v c", "d"), ("ADD", "d x", "y")]
    assert activations(graph(steps, x=32, a=64, d=32, y=32)) == 32 + 64 + 32


def test_images_in_float_and_what_is_computed_in_8_bits() -> None:
    steps = [("QUANTIZE", "x", "q"), ("CONV_2D", "q w b", "a"), ("FULLY_CONNECTED", "a v c", "d"), ("DEQUANTIZE", "d", "y")]
    assert activations(graph(steps, x=128, q=32, a=64, d=10, y=40)) == 128 + 32


def test_what_overwrites_and_what_is_a_view() -> None:
    # the normalised image takes the place of the image; a reshape is no copy; w is computed from weights alone
    steps = [("RESHAPE", "v", "w"), ("SUB", "x w", "a"), ("RESHAPE", "a s", "b"), ("FULLY_CONNECTED", "b m", "y")]
    assert activations(graph(steps, x=32, a=32, b=32, y=12)) == 32 + 12
