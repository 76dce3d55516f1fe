"""A finished run as a file for an inference engine, checked and measured before it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from didact import __version__
from didact.data import Dataset, evaluation_batches, load, stored
from didact.deploy.calibration import calibration
from didact.deploy.engine import Unsupported
from didact.deploy.fit import footprint
from didact.deploy.forms.contract import Form, find
from didact.deploy.onnx_file import FORMAT
from didact.engine.accuracy import hits
from didact.nets import title
from didact.runs.run import Run
from didact.sharing.checks import check, check_ranges, scales_in
from didact.sharing.deployed import Deployed, deployed
from didact.sharing.exported import Exported, written
from didact.spec import RequestError, SpecError, clean
from didact.store.record import Record
from didact.store.store import Store

TOLERANCE = 1e-4
"""How far a logit in 32 bits may be from the network's: that far, or that share of the largest
logit where it is above 1.
"""

SEED = 0
"""Which training images the ranges are taken from."""


def export(
    store: Store,
    run: Run,
    record: Record,
    path: Path,
    *,
    to: str = "onnx",
    bits: int = 32,
    images: int | None = None,
    float_ends: bool = False,
    python: Path | None = None,
    weight_scales: str | None = None,
) -> Exported:
    """Write the network that ``run`` deploys to the file at ``path``, and its description as JSON
    next to it.

    The file takes images on the scale 0 to 1 and normalises them itself. In 32 bits its logits on
    all test images are compared with the network's; in both widths its accuracy on them is
    measured. They choose nothing. Both files are there completely or not at all.

    Args:
        to: the form: onnx, pt2, executorch or tflite (:mod:`didact.deploy.forms`).
        bits: 32, or 8: static quantisation as the form has it; of a run that was trained in 8 bits
            with the integers and ranges of its training.
        images: in 8 bits, how many training images the ranges are taken from (512, or all where
            there are fewer).
        float_ends: in 8 bits, whether the first and the last layer stay in float.
        python: the interpreter of a form that has an environment of its own.
        weight_scales: in 8 bits, "channel": a scale for each output channel of a layer's weights, or
            "layer": one for all; that of the training in 8 bits, else "channel", when not given.

    Raises:
        SpecError: see :func:`didact.sharing.checks.check`; or an operation of the network has no
            counterpart.
        RequestError: see :func:`didact.sharing.checks.check`; or the network has no ranges in 8 bits;
            or the file's logits are not those of the network.
        DataError: the images are missing.
    """
    form = find(to, python)
    count = check(run, path, to, bits, images, float_ends, python, weight_scales)
    scales = scales_in(run, bits, weight_scales)
    network = deployed(store, run, record)
    check_ranges(run, network.rounds)
    dataset = load(run.data)
    own = _logits(network.net, dataset)
    if not own.isfinite().all():
        raise RequestError(f"{run.label} answers with logits that are no numbers; train it again, and export that run")
    raw = replace(dataset, mean=(0.0,) * len(network.mean), std=(1.0,) * len(network.std))
    used: list[int] = []
    batches = _counted(calibration(raw, count, SEED), used)
    try:
        exact, file = _files(form, network, batches, float_ends, scales)
    except Unsupported as error:
        raise SpecError(f"{run.label} cannot be exported to {to}: {error}") from error
    of_file = form.logits_of(file, (batch.images for batch in evaluation_batches(raw, raw.test)))
    difference = _compared(run, form, own, of_file, bits)
    about = {
        **_about(run, network, dataset),
        "form": to,
        "bits": bits,
        "float_ends": float_ends,
        "weight_scales": scales,
        "accuracy": {
            "file": _accuracy(of_file, dataset),
            "float32": _accuracy(own if network.rounds is None else _logits(network.plain, dataset), dataset),
            **({} if network.rounds is None else {"simulated": _accuracy(own, dataset)}),
            "record": record.final()["test_top1"],
            "test_images": len(dataset.test),
        },
        "difference": difference,
        "calibration": {"training_images": sum(used), "of": len(dataset.train), "seed": SEED} if used else None,
        **form.versions(),
    }
    return written(path, form.described(file, about), about, len(form.described(exact, about)))


def _files(
    form: Form, network: Deployed, batches: Iterable[Tensor], float_ends: bool, scales: str | None
) -> tuple[bytes, bytes]:
    """The network's content of a file in 32 bits, and in 8 with such ``scales`` of weights; None: in
    32 again.

    Raises:
        Unsupported: the form lacks an operation.
    """
    model = form.model_of(network.plain, network.image, network.mean, network.std)
    exact = form.floats(model)
    if network.rounds is not None:
        return exact, form.trained(network.rounds, network.image, network.mean, network.std)
    return exact, exact if scales is None else form.quantised(model, batches, float_ends, scales)


def _about(run: Run, network: Deployed, dataset: Dataset) -> dict[str, Any]:
    """What the description says of the network and its images."""
    need = footprint(network.plain, network.image)
    return {
        "format": FORMAT,
        "didact": __version__,
        "digest": run.digest,
        "run": clean(run.label),
        "net": title(run.net),
        "data": run.data.label,
        "parameters": need.parameters,
        "peak": need.peak,
        "image": list(network.image),
        "resize": list(stored(run.data)[1:]),
        "scale": [0.0, 1.0],
        "mean": list(network.mean),
        "std": list(network.std),
        "classes": list(dataset.names),
    }


def _counted(batches: Iterable[Tensor], counts: list[int]) -> Iterator[Tensor]:
    """``batches``; the images of each that was read are added to ``counts``."""
    for images in batches:
        counts.append(len(images))
        yield images


@torch.no_grad()
def _logits(net: nn.Module, dataset: Dataset) -> Tensor:
    """Logits (n, classes) of the network for all test images."""
    return torch.cat([net(batch.images).float() for batch in evaluation_batches(dataset, dataset.test)])


def _compared(run: Run, form: Form, own: Tensor, of_file: Tensor, bits: int) -> float:
    """The largest difference between two logits (n, classes) of the network and of the file.

    Raises:
        RequestError: it is too large in 32 bits, or there is a logit that is no number.
    """
    difference = float((own - of_file).abs().max())
    allowed = TOLERANCE * max(1.0, float(own.abs().max())) if bits == 32 else float("inf")
    if not of_file.isfinite().all() or difference > allowed:
        raise RequestError(
            f"the logits of the {form.name} file are up to {difference:.2g} from those of {run.label} on the test images, "
            f"and {allowed:.2g} is allowed in {bits} bits; nothing was written"
        )
    return difference


def _accuracy(logits: Tensor, dataset: Dataset) -> float:
    """Top-1 accuracy on the test images in percent, counted as in training."""
    return 100 * int(hits(logits, dataset.test.labels)[0]) / len(dataset.test)
