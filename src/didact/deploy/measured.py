"""What is known of exported files, next to what arithmetic says of their networks, and which devices
hold them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from didact.deploy import figures
from didact.deploy.bench import FORMS, form_of, size_of
from didact.deploy.device import Device
from didact.deploy.fit import Fit, Footprint, Verdict, fit, lacks
from didact.deploy.onnx_file import FORMAT
from didact.deploy.onnx_graph import UnknownShapeError, activations
from didact.deploy.pte_program import planned
from didact.files.checked import file_checksum, read_json
from didact.files.reading import DamagedError, content, is_file
from didact.spec import RequestError, clean


@dataclass(frozen=True)
class Measured:
    """An exported file.

    Attributes:
        path: the file.
        about: what it says of itself (didact export).
        size: bytes of the file.
        activations: bytes at their peak for one image, computed from the file's graph; from the
            network where the form shows none. A TFLite file shows it to ``didact bench --keep``.
        planned: bytes that an ExecuTorch file has set aside before the first pass
            (:mod:`didact.deploy.pte_program`); None for other forms.
        arithmetic: what :mod:`didact.deploy.fit` computes for its network at its bit width.
        verdicts: of devices, by the size of the file and its activations.
        bench: the figures that ``didact bench --keep`` has kept; None where there are none.
    """

    path: Path
    about: dict[str, Any]
    size: int
    activations: int
    arithmetic: Fit
    verdicts: tuple[Verdict, ...]
    bench: dict[str, Any] | None
    planned: int | None = None

    @property
    def name(self) -> str:
        """The network, as the file says."""
        return clean(str(self.about["net"]))

    @property
    def form(self) -> str:
        """The form of the file, as ``didact export --to`` names it."""
        return clean(str(self.about.get("form", "onnx")))

    def latency(self, batch: int = 1) -> float | None:
        """The median in milliseconds of a pass with ``batch`` images, where it is kept."""
        rows = [] if self.bench is None else self.bench["latency"]
        return next((row["median"] for row in rows if row["batch"] == batch), None)

    def plain(self) -> dict[str, Any]:
        """As plain JSON data: sizes in bytes, what is measured and what is computed apart."""
        return {
            "file": str(self.path),
            "network": self.about["net"],
            "run": self.about["run"],
            "digest": self.about["digest"],
            "form": self.form,
            "bits": self.arithmetic.bits,
            "computed": {
                "parameters": self.arithmetic.parameters,
                "weights": self.arithmetic.weights,
                "activations": self.arithmetic.activations,
                "activations_of_file": self.activations,
                **({} if self.planned is None else {"planned_by_file": self.planned}),
            },
            "measured": {"bytes": self.size, "accuracy": self.about["accuracy"], "bench": self.bench},
            "devices": [{"device": v.device, "fits": v.fits, "missing": dict(v.missing)} for v in self.verdicts],
        }


def files_in(places: Iterable[Path]) -> list[Path]:
    """The exported files that are named, and those in folders that are named, in order.

    Raises:
        RequestError: there is nothing at a place, or no such file in a folder.
    """
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            inside = sorted(
                path for path in place.iterdir() if path.suffix in FORMS and figures.description_of(path).is_file()
            )
            if not inside:
                raise RequestError(f"{clean(place)} holds no file of didact export; 'didact export RUN -o FILE' makes one")
            found += inside
        else:
            form_of(place)
            found.append(place)
    return list(dict.fromkeys(found))


def measured(path: Path, devices: Sequence[Device]) -> Measured:
    """What is known of the file at ``path``.

    Raises:
        RequestError: it has no description next to it, or that of another file.
        SpecError: its name ends in no known way.
    """
    form, about = form_of(path), described(path)
    bits = about["bits"]
    need = Footprint(about["parameters"], about["peak"])
    arithmetic = fit(str(about["net"]), need, bits, devices)
    size, used = size_of(path), arithmetic.activations
    if form == "onnx":
        with contextlib.suppress(UnknownShapeError, ModuleNotFoundError):  # the arithmetic stands
            used = activations(path, list(about["image"]))
    bench = figures.kept(path)
    if bench is not None and bench["activations"] is not None:
        used = bench["activations"]
    verdicts = tuple(Verdict(device.name, device.executes(bits), lacks(device, size, used)) for device in devices)
    before = planned(content(path, largest=None)) if form == "executorch" else None
    return Measured(path, about, size, used, arithmetic, verdicts, bench, before)


def described(path: Path) -> dict[str, Any]:
    """The description next to an exported file.

    Raises:
        RequestError: there is none, or it is not of this file, or of another version of didact.
    """
    beside, again = figures.description_of(path), f"export it again: didact export RUN -o {clean(path.name)}"
    try:
        about = read_json(beside)
    except DamagedError:
        lacks = "a damaged" if is_file(beside) else "no"
        raise RequestError(f"{clean(path)} has {lacks} description next to it, {clean(beside.name)}; {again}") from None
    keys = ("net", "run", "digest", "bits", "image", "accuracy", "parameters", "peak", "sha256")
    version = about.get("format") if isinstance(about, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise RequestError(f"{clean(beside)} is of a later didact than this one; update didact, or {again}")
    if not isinstance(about, dict) or any(key not in about for key in keys):
        raise RequestError(f"{clean(beside)} is of another version of didact; {again}")
    if about["sha256"] != file_checksum(path):
        raise RequestError(f"{clean(path)} is not the file that its description is of; {again}")
    return about
