"""``didact export``. Imports no torch before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, StorePath, TrustStore, WeightScales, exactly
from didact.spec import Count


def export(
    run: Annotated[str, Parameter(help="A digest, or the beginning of one, or a folder's name.")],
    *,
    to: Annotated[
        str | None,
        Parameter(help="The file's form: onnx, pt2, executorch or tflite; by the ending of --output, or onnx."),
    ] = None,
    bits: Annotated[int, Parameter(converter=exactly(Count), help="32, or 8: quantised.")] = 32,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="A new file; named like the run by default.")
    ] = None,
    calibration: Annotated[
        int | None,
        Parameter(
            converter=exactly(Count),
            help="With 8 bits: training images from which ranges are taken; 512 by default, or all where there are fewer.",
        ),
    ] = None,
    float_ends: Annotated[
        bool, Parameter(negative="", help="With 8 bits: keep the first and the last layer in float.")
    ] = False,
    weight_scales: WeightScales = None,
    python: Annotated[
        Path | None,
        Parameter(help="The Python of executorch or tflite, which have an environment of their own (docs/export.md)."),
    ] = None,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
) -> int:
    """Convert, measure and write; the help stands where the command is named."""
    from didact import streams
    from didact.deploy.bench import FORMS
    from didact.sharing.checks import usual_place
    from didact.sharing.export import export as write
    from didact.sharing.exported import summary
    from didact.store.choice import chosen

    to = to or (FORMS.get(output.suffix.lower()) if output is not None else None) or "onnx"
    records = answer.opened(store, trust_store)
    found, record = chosen(records, run)
    path = usual_place(records, found, bits, to, weight_scales) if output is None else output.expanduser()
    done = write(
        records,
        found,
        record,
        path,
        to=to,
        bits=bits,
        images=calibration,
        float_ends=float_ends,
        python=python,
        weight_scales=weight_scales,
    )
    for line in summary(done):
        streams.say(line)
    if done.warning is not None:
        streams.say(done.warning, to_stderr=True)
    return 0
