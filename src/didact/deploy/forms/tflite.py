"""TFLite files for LiteRT, made and run in a Python that has litert-torch.

In 8 bits: weights with a sign and a scale for each output channel, activations with a sign; images
and logits stay in float (ai-edge-quantizer's static recipe).
"""

from __future__ import annotations

from didact.deploy.forms.lowered import Lowered


class Tflite(Lowered):
    """See :class:`didact.deploy.forms.contract.Form`."""

    name = "tflite"
    suffix = ".tflite"
    weight_scales = ("channel",)


form = Tflite
