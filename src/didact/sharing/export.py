"""A finished run as a file for an inference engine, checked and measured before it is written."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from didact import __version__
from didact.data import Dataset, evaluation_batches, facts, load, stored, training_images
from didact.deploy import qdq
from didact.deploy.calibration import calibration
from didact.deploy.engine import Unsupported
from didact.deploy.figures import description_of
from didact.deploy.fit import footprint
from didact.deploy.forms.contract import Form, find
from didact.deploy.onnx_file import FORMAT
from didact.engine.accuracy import hits
from didact.files.checked import json_text, write
from didact.nets import BlockNet, title
from didact.runs.build import in_floats
from didact.runs.run import Run
from didact.spec import RequestError, SpecError, clean, plural, shown
from didact.store.record import Record
from didact.store.store import Store

BITS = (32, 8)

TOLERANCE = 1e-4
"""How far a logit in 32 bits may be from the network's: that far, or that share of the largest
logit where it is above 1.
"""

USUAL, FEWEST = 512, 16
"""Training images from which ranges are taken in 8 bits, unless said, and at least."""

LOSS = 0.5
"""Points of accuracy that 8 bits may lose without a warning."""

SEED = 0
"""Which training images these are."""


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: the file; ``about``: its description, which lies at ``beside`` as JSON.
        size: of the file in bytes; ``float_size``: of the same network in 32 bits.
    """

    path: Path
    about: dict[str, Any]
    size: int
    float_size: int

    @property
    def beside(self) -> Path:
        """The description as JSON."""
        return description_of(self.path)

    @property
    def warning(self) -> str | None:
        """What a person should know before the file is used; None where there is nothing."""
        accuracy = self.about["accuracy"]
        lost = accuracy.get("simulated", accuracy["float32"]) - accuracy["file"]
        if lost <= LOSS:
            return None
        if "simulated" in accuracy:
            return f"WARNING: ONNX Runtime loses {lost:.2f} points of accuracy to torch, which computed the same 8 bits"
        return (
            f"WARNING: {self.about['bits']} bits lose {lost:.2f} points of accuracy; write --bits 32, calibrate on more "
            f"images with --calibration, or train on in 8 bits: didact train --start {self.about['digest']} --recipe.bits 8"
        )


def usual_place(store: Store, run: Run, bits: int, to: str = "onnx") -> Path:
    """A file in the working directory, named like the run's folder.

    Raises:
        SpecError: there is no form ``to``.
    """
    return Path(f"{store.folder(run).name}.{bits}bit{find(to).suffix}")


def check(
    run: Run, path: Path, to: str, bits: int, images: int | None, float_ends: bool = False, python: Path | None = None
) -> int:
    """Refuse what cannot be exported before any work. The number of calibration images, 0 in 32
    bits.

    Raises:
        SpecError: an unknown form or bit width, or not that of the training, or a form that cannot
            keep it; a missing extra; too few or too many calibration images.
        RequestError: there is something at ``path``, or nothing can be written there.
    """
    form = find(to, python)
    if bits not in BITS:
        raise SpecError(f"bits: 32 (float) or 8 (quantised), found {bits}; write --bits 32 or --bits 8")
    form.check_installed(bits)
    _check_place(path, form.suffix)
    if float_ends and (bits == 32 or run.recipe.bits == 8):
        raise SpecError("float-ends: is for runs in float that are written with --bits 8; leave --float-ends out")
    if run.recipe.bits == 8:
        if form.name != "onnx":
            raise SpecError(f"to: {run.label} was trained in 8 bits, which onnx alone keeps as they are; write --to onnx")
        if bits == 32:
            raise SpecError(f"bits: {run.label} was trained in 8 bits; write --bits 8")
        if images is not None:
            raise SpecError(f"calibration: {run.label} has the ranges of its training in 8 bits; leave --calibration out")
        return 0
    if bits == 32:
        if images is not None:
            raise SpecError("calibration: is for 8 bits; write --bits 8, or leave --calibration out")
        return 0
    there = training_images(run.data)
    wanted = min(USUAL, there) if images is None else images
    if wanted < FEWEST or wanted > there:
        raise SpecError(
            f"calibration: {wanted} training images are asked for; 8 bits need at least {FEWEST}, "
            f"and {run.data.label} has {there}"
        )
    return wanted


def _check_place(path: Path, suffix: str) -> None:
    if path.is_dir():
        raise RequestError(f"output: {path} is a folder; name a file in it, such as {path / 'net'}{suffix}")
    if path.suffix != suffix:
        raise SpecError(f"output: the name of a file that ends in {suffix}, found {shown(str(path))}")
    for place in (path, description_of(path)):
        if place.exists() or place.is_symlink():
            raise RequestError(f"output: {place} exists; name another, or remove it")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        tempfile.TemporaryFile(dir=above).close()
    except OSError as error:
        raise RequestError(f"output: nothing can be written in {above}: {error.strerror}; name another place") from None


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

    Raises:
        SpecError: see :func:`check`; or an operation of the network has no counterpart.
        RequestError: see :func:`check`; or the file's logits are not those of the network.
        DataError: the images are missing.
    """
    form = find(to, python)
    count = check(run, path, to, bits, images, float_ends, python)
    net = store.deployed(run).requires_grad_(False)
    known, kept = facts(run.data), record.images()
    mean, std = kept.get("mean", list(known.mean)), kept.get("std", list(known.std))
    rounds = net if run.recipe.bits == 8 and isinstance(net, BlockNet) else None
    plain = net if rounds is None else in_floats(run, rounds)
    need = footprint(plain, known.image)
    dataset = load(run.data)
    raw = replace(dataset, mean=(0.0,) * len(mean), std=(1.0,) * len(std))
    shown_images: list[int] = []
    batches = _counted(calibration(raw, count, SEED), shown_images)
    try:
        model = form.model_of(plain, known.image, mean, std)
        exact = form.floats(model)
        if rounds is not None:
            file = qdq.model_of(rounds, known.image, mean, std)
        else:
            file = exact if bits == 32 else form.quantised(model, batches, float_ends)
    except Unsupported as error:
        raise SpecError(f"{run.label} cannot be exported to {to}: {error}") from error
    own, found = _answers(net, form, file, dataset, raw)
    difference = _compared(run, form, own, found, bits)
    about = {
        "format": FORMAT,
        "didact": __version__,
        "digest": run.digest,
        "run": clean(run.label),
        "net": title(run.net),
        "data": run.data.label,
        "form": to,
        "bits": bits,
        "float_ends": float_ends,
        "parameters": need.parameters,
        "peak": need.peak,
        "image": list(known.image),
        "resize": list(stored(run.data)[1:]),
        "scale": [0.0, 1.0],
        "mean": list(mean),
        "std": list(std),
        "classes": list(dataset.names),
        "accuracy": {
            "file": _accuracy(found, dataset.test.labels),
            "float32": _accuracy(_shown(plain, dataset) if rounds is not None else own, dataset.test.labels),
            **({"simulated": _accuracy(own, dataset.test.labels)} if rounds is not None else {}),
            "record": record.final()["test_top1"],
            "test_images": len(dataset.test),
        },
        "difference": difference,
        "calibration": {"training_images": sum(shown_images), "seed": SEED} if shown_images else None,
        **form.versions(),
    }
    return _written(path, form.described(file, about), about, len(form.described(exact, about)))


def _counted(batches: Iterable[Tensor], counts: list[int]) -> Iterator[Tensor]:
    """``batches``; the images of each that was read are added to ``counts``."""
    for images in batches:
        counts.append(len(images))
        yield images


@torch.no_grad()
def _answers(net: nn.Module, form: Form, file: bytes, dataset: Dataset, raw: Dataset) -> tuple[Tensor, Tensor]:
    """Logits of the network and of the file for all test images."""
    return _shown(net, dataset), form.logits_of(file, (batch.images for batch in evaluation_batches(raw, raw.test)))


@torch.no_grad()
def _shown(net: nn.Module, dataset: Dataset) -> Tensor:
    """Logits of the network for all test images."""
    return torch.cat([net(batch.images).float() for batch in evaluation_batches(dataset, dataset.test)])


def _compared(run: Run, form: Form, own: Tensor, found: Tensor, bits: int) -> float:
    """The largest difference between two logits.

    Raises:
        RequestError: it is too large in 32 bits, or there is a logit that is no number.
    """
    if not own.isfinite().all():
        raise RequestError(f"{run.label} answers with logits that are no numbers; train it again, and export that run")
    difference = float((own - found).abs().max())
    allowed = TOLERANCE * max(1.0, float(own.abs().max())) if bits == 32 else float("inf")
    if not found.isfinite().all() or difference > allowed:
        raise RequestError(
            f"the logits of the {form.name} file are up to {difference:.2g} from those of {run.label} on the test images, "
            f"and {allowed:.2g} is allowed in {bits} bits; nothing was written"
        )
    return difference


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    """Top-1 accuracy in percent, counted as in training."""
    return 100 * int(hits(logits, labels)[0]) / len(labels)


def _written(path: Path, model: bytes, about: dict[str, Any], float_size: int) -> Exported:
    """Write the description, then the file, so that where the file is, both are."""
    done = Exported(path, about, len(model), float_size)
    beside = about | {"sha256": hashlib.sha256(model).hexdigest(), "bytes": len(model)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(done.beside, json_text(beside))
        try:
            write(path, model)
        except BaseException:
            done.beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RequestError(f"output: {error}") from None
    return done


def summary(done: Exported) -> list[str]:
    """What was measured, in lines for a person."""
    accuracy, bits = done.about["accuracy"], done.about["bits"]
    size = _kilobytes(done.size) + ("" if bits == 32 else f" ({_kilobytes(done.float_size)} in 32 bits)")
    lines = [f"exported {done.about['run']} ({done.about['digest']}) in {bits} bits: {done.path}, {size}"]
    if "simulated" in accuracy:
        lines.append("integers and ranges are those of its training in 8 bits")
    elif bits == 8:
        images = done.about["calibration"]["training_images"]
        ends = "; first and last layer in float" if done.about["float_ends"] else ""
        lines.append(f"calibrated on {plural(images, 'training image')}, seed {SEED}{ends}")
    else:
        lines.append(f"largest difference from the network's logits on the test images: {done.about['difference']:.2g}")
    lines.append(
        f"test accuracy on {accuracy['test_images']:,} images: {accuracy['file']:.2f} % by this file, "
        + (f"{accuracy['simulated']:.2f} % by torch in 8 bits, " if "simulated" in accuracy else "")
        + f"{accuracy['float32']:.2f} % by torch in float32, {accuracy['record']:.2f} % in the Record"
    )
    return [*lines, f"its description: {done.beside}"]


def _kilobytes(size: int) -> str:
    return f"{size / 1000:,.1f} kB"
