"""An exported file that was written, with what was measured of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from didact.deploy.bench import FORMS as SUFFIXES
from didact.deploy.figures import description_of
from didact.files.checked import clear_left, json_text, write
from didact.files.disk import refusal, unwritable
from didact.spec import plural

LOSS = 0.5
"""Points of accuracy that 8 bits may lose without a warning."""


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
        if lost <= LOSS or round(lost * accuracy["test_images"] / 100) < 2:  # one image says nothing
            return None
        if "simulated" in accuracy:
            form = self.about.get("form", "onnx")
            return f"WARNING: the {form} file loses {lost:.2f} points of accuracy to torch, which computed the same 8 bits"
        layer = self.about.get("weight_scales") == "layer"
        calibrated = self.about["calibration"]
        more = calibrated is not None and calibrated["training_images"] < calibrated["of"]
        return (
            f"WARNING: {self.about['bits']} bits lose {lost:.2f} points of accuracy; write --bits 32"
            + (", or --weight-scales channel where the device allows it" if layer else "")
            + (", calibrate on more images with --calibration" if more else "")
            + ", or train on in 8 bits: "
            + f"didact train --start {self.about['digest']} --recipe.bits 8"
            + (" --recipe.weight_scales layer" if layer else "")
        )


def written(path: Path, model: bytes, about: dict[str, Any], float_size: int) -> Exported:
    """Write the description, then the file, so that where the file is, both are.

    Raises:
        UnwritableError: the disk refuses.
        RequestError: no such file can be written.
    """
    done = Exported(path, about, len(model), float_size)
    beside = about | {"sha256": hashlib.sha256(model).hexdigest(), "bytes": len(model)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_left(path.parent, (*SUFFIXES, done.beside.name))
        write(done.beside, json_text(beside))
        try:
            write(path, model)
        except BaseException:
            done.beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(error, f"output: {refusal(error)}") from None
    return done


def summary(done: Exported) -> list[str]:
    """What was measured, in lines for a person."""
    accuracy, bits = done.about["accuracy"], done.about["bits"]
    size = _kilobytes(done.size) + ("" if bits == 32 else f" ({_kilobytes(done.float_size)} in 32 bits)")
    lines = [f"exported {done.about['run']} ({done.about['digest']}) in {bits} bits: {done.path}, {size}"]
    one = "; one scale for the weights of a layer" if done.about.get("weight_scales") == "layer" else ""
    if "simulated" in accuracy:
        lines.append(f"integers and ranges are those of its training in 8 bits{one}")
    elif bits == 8:
        images = done.about["calibration"]
        ends = "; first and last layer in float" if done.about["float_ends"] else ""
        lines.append(
            f"calibrated on {plural(images['training_images'], 'training image')}, seed {images['seed']}{ends}{one}"
        )
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
