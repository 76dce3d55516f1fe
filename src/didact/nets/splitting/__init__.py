"""Any PyTorch classifier as a row of blocks.

:func:`split` follows the forward of a network operation by operation, cuts it where a single value
goes on, and makes a :class:`~didact.nets.BlockNet` of the parts. The parts run the network's own
modules, so parameters and buffers are shared with it, and dropout and stochastic depth draw from
torch's generator as they did.

A key of its state dict is the part and then the network's own key:
``blocks.2.body.layer2.0.conv1.weight``. :func:`own_state` gives the network's own state dict,
:func:`load_own` takes one.

Features are maps (b, c, h, w): maps with channels last are permuted, tokens are folded, and class
and register tokens, which no map has a place for, travel on with the tokens and are left out of the
feature (:mod:`didact.nets.splitting.layout`).
"""

from didact.nets.splitting.names import load_own, own_names, own_state
from didact.nets.splitting.network import Place, cuts, split, with_classes

__all__ = ["Place", "cuts", "load_own", "own_names", "own_state", "split", "with_classes"]
