"""Exported files as tests need them: a few bytes, and the description of a network."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from didact.deploy import figures

ABOUT = {
    "net": "resnet8",
    "run": "resnet8.ce.s0",
    "digest": "1f0c",
    "bits": 8,
    "image": [3, 32, 32],
    "parameters": 1000,
    "peak": 300,
    "accuracy": {"file": 61.25, "float32": 61.5, "record": 61.5, "test_images": 10_000},
}


def written(path: Path, size: int = 1200, milliseconds: float | None = None, **changes: Any) -> Path:
    """A file of a form without a graph of its own, its description, and what didact bench has kept of it."""
    path.write_bytes(b"x" * size)
    checksum = hashlib.sha256(b"x" * size).hexdigest()
    figures.description_of(path).write_text(json.dumps({**ABOUT, "sha256": checksum, **changes}))
    if milliseconds is not None:
        kept = {"format": 1, "sha256": checksum, "machine": "a board", "date": "2026-11-29", "threads": 2}
        kept |= {"runtime": "executorch 1", "memory": None, "activations": None}
        row = {"batch": 1, "median": milliseconds, "p95": 2 * milliseconds, "passes": 20}
        figures.place(path).write_text(json.dumps(kept | {"latency": [row]}))
    return path
