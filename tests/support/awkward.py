"""A table of texts that are markup somewhere: pipes, backslashes, brackets, commas, unicode, control characters."""

from __future__ import annotations

from math import nan

from didact.runs.spread import Sample
from didact.tables.table import Quantity, Table

NAME = r"sftn (direction=teacher||branch) a\b_c *x* <b> & [red]y[/red] 50% #1 {z} ~ $5$ `q`"

PAIRED = Quantity(Sample((70.0, 72.5), (0, 1)), Sample((-1.0, -3.0), ((0,), (1,))), of=3)

AWKWARD = Table(
    columns=("method", NAME, "n|a", "parameters"),
    rows=(
        ("[red]kd[/red] | \x1b[2J", PAIRED, Quantity.single(nan), 78_042),
        ('größe ± 日本, "quoted"', Quantity.single(-1.25), "", 950),
        ("* --star_", "= text", Quantity.single(3.5, 1, sign=True), nan),
    ),
    title=NAME,
    note="# first\nKL(teacher || student) in 5_000 <nats>",
)
