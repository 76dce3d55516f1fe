"""For tests of reports: Records with metrics that nobody trained, and a page of everything that a page can hold."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Picture_

from didact.files.tensors import write_tensors
from didact.runs.run import Run
from didact.spec import canonical
from didact.store.record import Record
from didact.store.store import Store
from didact.tables.page.parts import Commands, Gallery, Image, Page, Section
from didact.tables.page.picture import Axis, Curve, Curves, Dot, Dots, HeatMap, Picture, Rule
from didact.tables.table import Quantity, Table

TWO = (Dot("x", "g", 50.0, 40.0), Dot("y", "g", 60.0, 45.0))

HOSTILE = '</script><script>alert(1)</script> <img src="http://example.org/x.png" onerror=alert(2)> & "\'`'


def begun(store: Store, run: Run, rows: Sequence[dict[str, Any]], command: str = "didact train") -> Path:
    """The folder of a run whose training has reached ``rows``."""
    folder = store.folder(run)
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(canonical(run))
    (folder / "environment.json").write_text(json.dumps({"command": command, "torch": "2", "device": "cpu"}))
    (folder / "images.json").write_text("{}")
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def ended(store: Store, run: Run, rows: Sequence[dict[str, Any]], command: str = "didact train") -> Record:
    """A Record of ``run`` with these metrics and the weights of no network."""
    return sealed(begun(store, run, rows, command))


def sealed(folder: Path) -> Record:
    """A Record of what is in ``folder``, with the weights of no network."""
    write_tensors(folder / "weights.safetensors", {"net.x": torch.zeros(1)}, {"samples": 1})
    return Record.seal(folder)


def metrics(top1: float, epochs: int = 2, **terms: float) -> list[dict[str, Any]]:
    """Rows that rise to ``top1``."""
    return [
        {"epoch": epoch, "loss": 3.0 / epoch, "terms": terms or {"ce": 3.0 / epoch}, "train_top1": top1 / 2}
        | {"test_top1": top1 * epoch / epochs, "seconds": 1.5, "cpu_seconds": 1.0}
        for epoch in range(1, epochs + 1)
    ]


class Elements(HTMLParser):
    """Every element with its attributes, and all texts. Fails where elements are not closed in order."""

    VOID = ("meta", "link", "br", "img", "input")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of this kind."""
        return [attributes for name, attributes in self.found if name == tag]


def everything(name: str = "kd") -> Page:
    """A page of every part, with ``name`` wherever a name may stand."""
    picture = io.BytesIO()
    Picture_.new("RGB", (4, 4), (200, 30, 30)).save(picture, "PNG")
    rows = tuple((f"{name} {at}", Quantity.single(value), at) for at, value in enumerate((71.0, 69.5, 100.25, 7.0, 70.0)))
    students = (Curve(f"{name} a", name, (1.0, 2.0, 3.0)), Curve(f"{name} b", name, (2.0, None, 5.0)))
    curves = Curves(
        "accuracy", "epoch", "accuracy (%)", (1, 2, 3), (*students, Curve("t", "teacher", (3.0, 4.0, 6.0), True))
    )
    dots = Dots(
        "size",
        Axis("bytes", log=True),
        Axis("accuracy (%)"),
        (Dot(f"{name} 1", name, 1e4, 60.0, 1.0), Dot("b", name, 2e5, 70.0), Dot("c", "other", 3e5, 65.0)),
        joined=frozenset({name}),
        rules=(Rule(name, 1e5),),
    )
    named = Dots(
        "methods",
        Axis("accuracy (%)"),
        Axis("method", names=(name, "at · twice")),
        (Dot("x", "standard", 50.0, name, 2.0), Dot("y", "sftn", 52.0, "at · twice")),
    )
    both = Dots(
        "both",
        Axis("teacher (%)", whole=True),
        Axis("student (%)"),
        (Dot("x", "g", 50.0, 40.0), Dot("y", "g", 60.0, 45.0)),
        diagonal=True,
    )
    heat = HeatMap("CKA", "teacher", "student", ("stem", f"{name} 1"), ("stem", "pooled"), ((0.9, None), (0.2, 0.7)))
    pictures = tuple(
        Picture(f"p{at}", f"{name} {at}", panels, name)
        for at, panels in enumerate([(curves, curves), (dots,), (named, both), (heat,)])
    )
    table = Table(("method", f"top-1 {name}", "n"), rows, f"table {name}", f"note {name}\nline 2")
    others = (
        Gallery(f"gallery {name}", (Image(picture.getvalue(), (f"image 1: {name}", "teacher: cat")),), name),
        Commands("commands", ((name, f"didact train --net '{name}'"),)),
    )
    sections = (
        Section("tables", "Tables", (table,), name),
        Section("pictures", "Pictures", pictures),
        Section("rest", "Rest", others),
    )
    return Page(f"Report of {name}", (f"line {name}",), sections)
