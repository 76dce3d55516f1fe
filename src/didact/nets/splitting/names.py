"""Names in the state dict of a network that was split, and the network's own names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from didact.nets.blocks import BlockNet

_PART = re.compile(r"(stem|head\.(body|classifier)|blocks\.[^.]+\.(body|act))\.")


def own_names(net: BlockNet) -> dict[str, str]:
    """The network's own name for each entry of the split one's state dict, also of a slice of it."""
    return {name: _PART.sub("", name, count=1) for name in net.state_dict()}


def own_state(net: BlockNet) -> dict[str, Tensor]:
    """The state dict of a network that was split under the network's own names."""
    state = net.state_dict()
    return {own: state[name] for name, own in own_names(net).items()}


def load_own(net: BlockNet, state: Mapping[str, Tensor]) -> None:
    """Load a state dict of the network that ``net`` was made of.

    Raises:
        ValueError: an entry is missing, unknown or of another shape.
    """
    names = own_names(net)
    current = own_state(net)
    wrong = [name for name in current if name not in state or state[name].shape != current[name].shape]
    wrong += [name for name in state if name not in current]
    if wrong:
        raise ValueError(f"the state dict does not fit the network that was split: {', '.join(wrong[:3])} (of {len(wrong)})")
    net.load_state_dict({name: state[own] for name, own in names.items()})
