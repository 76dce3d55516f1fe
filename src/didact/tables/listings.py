"""Tables of networks, pools, methods and data sets."""

from __future__ import annotations

import dataclasses

import torch

from didact import nets
from didact.catalogue.methods import Added, Described, added, describe, stage_text
from didact.data import Data, facts, names
from didact.data import describe as about
from didact.method import Method
from didact.nets.architecture import cost, parse
from didact.nets.blocks import parameters
from didact.nets.supernet import SPACES
from didact.spec import catalogue, from_json
from didact.tables.listing import Listing
from didact.tables.table import Cell, Table


def networks() -> Listing:
    """Every network, built for 100 classes, with its parameters and its MACs for images of
    3x32x32."""
    rows: list[list[Cell]] = []
    for name in nets.names():
        with torch.device("meta"):
            net = nets.create(name, 100)
        shapes, work = net.measured((3, 32, 32))
        features = " / ".join(f"{c}@{h}" for c, h, _ in shapes.features)
        rows.append([name, parameters(net), round(work / 1e6, 2), features, nets.entry(name).paper_rate])
    columns = ["net", "parameters", "MACs (M)", "features (channels@size)", "paper's rate"]
    return Listing.of(columns, rows, ["paper's rate", "features (channels@size)"])


def pools() -> Listing:
    """Every named pool of students."""
    rows: list[list[Cell]] = []
    for name, space in SPACES.items():
        low, high = (cost(parse(student), 100, (3, 32, 32)) for student in (space.smallest, space.largest))
        range_ = f"{low.parameters:,} to {high.parameters:,}"
        macs = f"{low.macs / 1e6:.1f} to {high.macs / 1e6:.1f}"
        rows.append([name, space.kind, f"{space.size:,}", range_, macs, space.smallest, space.largest])
    columns = ["pool", "kind", "students", "parameters (100 classes)", "MACs (M, 3x32x32)", "smallest", "largest"]
    return Listing.of(columns, rows, ["largest", "smallest", "kind", "MACs (M, 3x32x32)"])


def data_sets(data: str | None = None) -> Listing:
    """Every data set, or only ``data``, and whether its files are on this machine."""
    rows: list[list[Cell]] = []
    for name in names() if data is None else [data]:
        d = about(name)
        size = "x".join(map(str, d.image)) if d.image else "sizes differ"
        here = "no" if not d.present else f"{d.part:,} of {d.train:,}" if d.part else "yes"
        rows.append([d.name, d.classes, size, d.train, d.test, d.augment, here, d.where, d.source])
    return Listing.of(
        ["data", "classes", "image", "train", "test", "augment", "here", "where", "source"],
        rows,
        ["source", "where", "augment", "test", "image"],
    )


def methods(net: str = "resnet8x4", teacher: str = "resnet32x4", data: str = "cifar100") -> Listing:
    """Every method, with the parameters that it adds to a pair of networks, or the reason why it
    cannot serve the pair.

    Raises:
        SpecError: no such network or data set.
    """
    images = from_json(Data, {"name": data}, "data")
    net, teacher = nets.resolve(net), nets.resolve(teacher)
    for name in (net, teacher):
        nets.create(name, facts(images).classes, facts(images).image[0])  # a wrong name is an error, not a row
    columns = ("method", "what it is", "year", "reads: own", "teacher", "views", "stages", "extra parameters")
    rows: list[tuple[Cell, ...]] = []
    plain = []
    for name in catalogue(*Method.homes):
        described = describe(name)
        extras: Added | None = None
        why = ""
        try:
            extras = added(name, net, teacher, images)
        except ValueError as error:
            why = f"not for this pair: {error}"
        rows.append((*_method(described), extras.text() if extras else why))
        adds = {"net": net, "teacher": teacher, "data": images.name}
        plain.append(described.plain() | {"adds": adds | (dataclasses.asdict(extras) if extras else {"refused": why})})
    title = f"Extra parameters: for {net} from {teacher} on {images.name} ({facts(images).train:,} images)"
    details = ("views", "year", "stages", "teacher", "reads: own")
    return Listing(Table(columns, tuple(rows), title, details=details), plain)


def _method(described: Described) -> tuple[Cell, ...]:
    about, reads = described.about, described.reads
    of_others = [*reads["teacher"], *(f"peers' {part}" for part in reads["peers"])]
    stages = ", ".join(map(stage_text, described.stages))
    joined = (", ".join(parts) for parts in (reads["own"], of_others, reads["views"]))
    return (described.name, about.heading, about.year or "", *joined, stages)
