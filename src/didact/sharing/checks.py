"""What is refused of an export before any work."""

from __future__ import annotations

from pathlib import Path

from didact.data import training_images
from didact.deploy.figures import description_of
from didact.deploy.forms.contract import NAMES, WEIGHT_SCALES, Form, find
from didact.files.checked import read_json
from didact.files.disk import check_place
from didact.files.reading import DamagedError
from didact.nets.blocks import BlockNet
from didact.nets.quantised import unseen
from didact.runs.run import Run
from didact.spec import RequestError, SpecError, nearest, plural, shown
from didact.store.store import Store

BITS = (32, 8)

USUAL, FEWEST = 512, 16
"""Training images from which ranges are taken in 8 bits, unless said, and at least."""


def usual_place(store: Store, run: Run, bits: int, to: str = "onnx", weight_scales: str | None = None) -> Path:
    """A file in the working directory, named like the run's folder.

    Args:
        weight_scales: as of :func:`didact.sharing.export.export`.

    Raises:
        SpecError: there is no form ``to``.
    """
    layer = "-layer" if scales_in(run, bits, weight_scales) == "layer" else ""
    return Path(f"{store.folder(run).name}.{bits}bit{layer}{find(to).suffix}")


def scales_in(run: Run, bits: int, weight_scales: str | None) -> str | None:
    """Which scales the weights have in a file of ``run``: those asked for, else those of its
    training, which are usually "channel"; None in 32 bits."""
    return None if bits == 32 else weight_scales or run.recipe.weight_scales


def check(
    run: Run,
    path: Path,
    to: str,
    bits: int,
    images: int | None,
    float_ends: bool = False,
    python: Path | None = None,
    weight_scales: str | None = None,
) -> int:
    """Refuse what cannot be exported before any work. The number of calibration images, 0 in 32
    bits.

    Raises:
        SpecError: an unknown form, bit width or kind of scales, or not that of the training, or a form
            that cannot keep it; a missing extra; too few or too many calibration images.
        RequestError: there is something at ``path``, or nothing can be written there.
    """
    form = find(to, python)
    if bits not in BITS:
        raise SpecError(f"bits: 32 (float) or 8 (quantised), found {bits}; write --bits 32 or --bits 8")
    _check_scales(run, form, bits, weight_scales)
    form.check_installed(bits)
    _check_place(path, form.suffix)
    if float_ends and (bits == 32 or run.recipe.bits == 8):
        raise SpecError("float-ends: is for runs in float that are written with --bits 8; leave --float-ends out")
    if run.recipe.bits == 8:
        if not form.keeps:
            raise _not_kept(run, to)
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


def check_ranges(run: Run, net: BlockNet | None) -> None:
    """Refuse a network that was trained in 8 bits and has no range of values somewhere; None: one that
    was not.

    Raises:
        RequestError: the message says where, and what to do.
    """
    lacking = [] if net is None else unseen(net)
    if lacking:
        floats = None if run.start is None else run.start.run
        other = "" if floats is None else f", or export the run that it began with: didact export {floats.digest} --bits 8"
        raise RequestError(
            f"{run.label} was trained in 8 bits, but without ranges of values at {plural(len(lacking), 'place')} (the first is "
            f"{lacking[0]}): it saw no image before ranges were to stay. Remove it (didact runs rm {run.digest}) and train it "
            f"again{other}"
        )


def _check_scales(run: Run, form: Form, bits: int, weight_scales: str | None) -> None:
    """Refuse scales of weights that are none, or not those of the training, or not the form's."""
    if weight_scales is not None:
        if weight_scales not in WEIGHT_SCALES:
            known = f"{' or '.join(WEIGHT_SCALES)}, found {shown(weight_scales)}{nearest(weight_scales, WEIGHT_SCALES)}"
            raise SpecError(f"weight-scales: {known}")
        if bits == 32:
            raise SpecError("weight-scales: is for 8 bits; write --bits 8, or leave --weight-scales out")
        if run.recipe.bits == 8 and weight_scales != run.recipe.weight_scales:
            raise SpecError(
                f"weight-scales: {run.label} was trained in 8 bits with the scales of its recipe, "
                f"'{run.recipe.weight_scales}'; leave --weight-scales out"
            )
    asked = scales_in(run, bits, weight_scales)
    if run.recipe.bits == 32 and asked is not None and asked not in form.weight_scales:
        others = " or ".join(name for name in NAMES if asked in find(name).weight_scales)
        raise SpecError(
            f"weight-scales: {form.name} files have a scale for each output channel only; write --to {others}, or leave "
            "--weight-scales out"
        )


def _not_kept(run: Run, to: str) -> SpecError:
    """The refusal of a form that cannot hold what was trained in 8 bits."""
    floats = None if run.start is None else run.start.run
    other = "" if floats is None else f", or quantise the run that it began with: didact export {floats.digest} --to {to}"
    keeping = " or ".join(name for name in NAMES if find(name).keeps)
    return SpecError(
        f"to: {run.label} was trained in 8 bits, which {to} cannot keep as they are; write --to {keeping}{other}"
    )


def _check_place(path: Path, suffix: str) -> None:
    if path.is_dir():
        raise RequestError(f"output: {path} is a folder; name a file in it, such as {path / 'net'}{suffix}")
    if path.suffix != suffix:
        raise SpecError(f"output: the name of a file that ends in {suffix}, found {shown(str(path))}")
    for place in (path, description_of(path)):
        if (place.exists() or place.is_symlink()) and not (place != path and _left(place)):
            raise RequestError(f"output: {place} exists; name another, or remove it")
    check_place("output", path.parent)


def _left(place: Path) -> bool:
    """Whether ``place`` is a description whose file was never written, because the export was ended
    between the two."""
    try:
        about = read_json(place)
    except (DamagedError, OSError):
        return False
    return isinstance(about, dict) and {"format", "didact", "digest", "sha256"} <= set(about)
