"""ExecuTorch files for XNNPACK on processors (phones, small computers), made and run in a Python
that has executorch.

In 8 bits: weights with a sign and a scale for each output channel, activations with a sign
(XNNPACK's own quantiser). A file takes up to :data:`didact.deploy.lowering.LARGEST` images.
"""

from __future__ import annotations

from didact.deploy.forms.lowered import Lowered


class Executorch(Lowered):
    """See :class:`didact.deploy.forms.contract.Form`."""

    name = "executorch"
    suffix = ".pte"
    keeps = True


form = Executorch
