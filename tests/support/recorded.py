"""For tests of the store: Records as they may come from elsewhere, with any spec.json, sealed as if they had been trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from didact.files.tensors import write_tensors
from didact.spec import canonical, digest
from didact.store.record import Record


def recorded(root: Path, spec: dict[str, Any], label: str = "x") -> Record:
    """A Record of what ``spec`` describes, of which nothing is imported: one epoch, 50 % right, weights of no network."""
    folder = root / "runs" / f"{label}.{digest(spec)}"
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(canonical(spec))
    (folder / "environment.json").write_text(json.dumps({"command": "didact train"}))
    (folder / "images.json").write_text("{}")
    (folder / "metrics.jsonl").write_text(json.dumps({"epoch": 1, "test_top1": 50.0}) + "\n")
    write_tensors(folder / "weights.safetensors", {"net.x": torch.zeros(1)}, {"samples": 1})
    return Record.seal(folder)
