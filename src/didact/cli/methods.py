"""What ``didact list methods`` and ``didact explain`` tell."""

from __future__ import annotations

import dataclasses
from typing import Any

from didact import nets
from didact.catalogue.methods import Added, Described, added, changes_text, describe, reads_text, stage_details, stage_text
from didact.data import Data, facts
from didact.method import Method
from didact.spec import catalogue, from_json


def methods(
    net: str = "resnet8x4", teacher: str = "resnet32x4", data: str = "cifar100"
) -> tuple[list[str], list[list[Any]], list[dict[str, Any]], str]:
    """Heading, rows, the same with everything there is to know for programs, and a title that names the pair.

    A method that cannot serve the pair says why in its row.

    Raises:
        SpecError: no such network or data set.
    """
    images = from_json(Data, {"name": data}, "data")
    net, teacher = nets.resolve(net), nets.resolve(teacher)
    for name in (net, teacher):
        nets.create(name, facts(images).classes, facts(images).image[0])  # one that does not exist is no matter of the rows
    heading = ["method", "what it is", "year", "reads: own", "teacher", "views", "stages", "extra parameters"]
    rows: list[list[Any]] = []
    plain = []
    for name in catalogue(*Method.homes):
        found = describe(name)
        cost: Added | None = None
        try:
            cost = added(name, net, teacher, images)
            why = ""
        except ValueError as error:
            why = f"not for this pair: {error}"
        rows.append([*_row(found), cost.text() if cost else why])
        adds = {"net": net, "teacher": teacher, "data": images.name}
        plain.append(found.plain() | {"adds": adds | (dataclasses.asdict(cost) if cost else {"refused": why})})
    title = f"Extra parameters: for {net} from {teacher} on {images.name} ({facts(images).train:,} images)"
    return heading, rows, plain, title


def _row(found: Described) -> list[Any]:
    told, shown = found.about, found.reads
    of = [*shown["teacher"], *(f"peers' {part}" for part in shown["peers"])]
    stages = ", ".join(map(stage_text, found.stages))
    return [
        found.name,
        told.heading,
        told.year or "",
        ", ".join(shown["own"]),
        ", ".join(of),
        ", ".join(shown["views"]),
        stages,
    ]


def explained(found: Described) -> str:
    """All there is to know of a method, as text."""
    told = found.about
    parts = [f"{found.name}: {told.heading}", told.citation, *told.body, f"To ask for it:\n  {found.command}"]
    lines = []
    for key, kind, default, text in found.settings:
        lines += [f"  --{found.option}.{key}  [{kind}, default {default}]", f"        {text}"]
    parts.append("\n".join(["Settings:", *lines]) if lines else "It has no settings.")
    base = found.name.partition("+")[0]
    presets = [f"  {base}+{name}: {changes_text(changes)}" for name, changes in found.presets.items()]
    parts.append("\n".join(["Presets:", *presets]) if presets else "")
    stages = "; ".join(map(stage_details, found.stages))
    parts.append(f"Reads: {reads_text(found.reads)}\nStages: {stages}\nFile: {found.file}")
    return "\n\n".join(part.replace("``", "`") for part in parts if part)
