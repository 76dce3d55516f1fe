"""Which modules and operations are elementwise activations."""

from __future__ import annotations

from torch import fx, nn

_ACTIVATIONS = {
    *("relu", "relu6", "leakyrelu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish"),
    *("hardswish", "hardtanh", "hardsigmoid", "hardmish", "softplus", "softsign", "tanh", "sigmoid"),
    *("swish", "hswish", "hsigmoid", "quickgelu", "gelutanh"),
}
"""Names in small letters, without underscores."""


def is_activation(module: nn.Module) -> bool:
    """Whether the module is an elementwise activation, by the name of its class."""
    name = type(module).__name__.lower().replace("_", "").removesuffix("activation").removesuffix("me")
    return name in _ACTIVATIONS and not any(module.children())


def activates(node: fx.Node, whole: nn.Module) -> bool:
    """Whether the node applies an elementwise activation to one other node."""
    if node.op == "call_module":
        return len(node.all_input_nodes) == 1 and is_activation(whole.get_submodule(str(node.target)))
    name = node.target if node.op == "call_method" else getattr(node.target, "__name__", "")
    return (
        node.op.startswith("call")
        and len(node.all_input_nodes) == 1
        and str(name).rstrip("_").replace("_", "") in _ACTIVATIONS
    )
