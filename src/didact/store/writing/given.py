"""The Record of a network that was not trained: written in one go, file by file, its seal last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from didact.engine.environment import environment
from didact.files.checked import clear_temporary, json_text, write
from didact.files.tensors import write_tensors
from didact.runs.foreign import sources
from didact.runs.run import Run
from didact.spec import canonical, strict_json
from didact.store.record import CHECKED, Record
from didact.store.store import Store
from didact.store.writing.run_folder import RunFolder


def seal(
    store: Store,
    run: Run,
    images: dict[str, Any],
    row: dict[str, Any],
    weights: dict[str, Tensor],
    device: str,
    samples: int,
    circumstances: Mapping[str, Any],
) -> Record:
    """The Record of ``run``, which is locked. What a kill left earlier is written over.

    Args:
        images: which ones it is measured on, as plain JSON data.
        row: its metrics.
        weights: ``net.*``.
        samples: size of the training set.
        circumstances: what environment.json says beside
            :func:`~didact.engine.environment.environment`.
    """
    folder = store.folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    clear_temporary(folder)
    RunFolder(folder, store.say).clear_names([*CHECKED, "record.json"])
    own = sources(run)
    contents = {
        "spec.json": canonical(run).encode(),
        "environment.json": json_text({**environment(device), **circumstances, **({"source": own} if own else {})}),
        "images.json": canonical(images).encode(),
        "metrics.jsonl": f"{strict_json(row)}\n".encode(),
    }
    for name, content in contents.items():
        write(folder / name, content)
    write_tensors(folder / "weights.safetensors", weights, {"samples": samples})
    return Record.seal(folder)
