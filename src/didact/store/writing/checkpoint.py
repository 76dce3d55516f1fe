"""A checkpoint: a run's state after an epoch, and the expected content of the files beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from didact.engine.learner import Learner
from didact.files.checked import DamagedError, file_checksum
from didact.files.tensors import read_tensors
from didact.runs.run import Run
from didact.spec import strict_json


@dataclass(frozen=True)
class Beside:
    """The files beside a run's state.

    Attributes:
        images: SHA-256 of images.json.
        environment: the content of environment.json.
        rows: the rows of metrics.jsonl.
        anchors: SHA-256 of the route's networks, by name in the folder: ``route/0060.safetensors``.
    """

    images: str
    environment: dict[str, Any]
    rows: tuple[dict[str, Any], ...] = ()
    anchors: tuple[tuple[str, str], ...] = ()

    @property
    def metrics(self) -> bytes:
        """The text of metrics.jsonl."""
        return "".join(f"{strict_json(row)}\n" for row in self.rows).encode()

    def plain(self) -> dict[str, Any]:
        """The same as plain JSON data."""
        return {
            "images": self.images,
            "environment": self.environment,
            "rows": list(self.rows),
            "anchors": dict(self.anchors),
        }

    @classmethod
    def read(cls, plain: dict[str, Any]) -> Beside:
        """From :meth:`plain`."""
        return cls(plain["images"], plain["environment"], tuple(plain["rows"]), tuple(plain["anchors"].items()))


@dataclass(frozen=True)
class Checkpoint:
    """A complete state, read from ``path``."""

    path: Path
    tensors: dict[str, Tensor]
    values: dict[str, Any]
    beside: Beside

    @classmethod
    def read(cls, path: Path, run: Run) -> Checkpoint:
        """Read the checkpoint at ``path`` and check its anchors.

        Raises:
            DamagedError: the file is missing, damaged or of another run, or an anchor has changed.
        """
        tensors, values = read_tensors(path)
        if values.get("run") != run.digest:
            raise DamagedError(f"{path} is not of this run ({run.digest}), or of an older version of didact")
        beside = Beside.read(values["beside"])
        for name, checksum in beside.anchors:
            if file_checksum(path.parent / name) != checksum:
                raise DamagedError(f"{path.parent / name} is not what was written")
        return cls(path, tensors, values, beside)

    def check(self, learner: Learner, images: str) -> None:
        """Check that ``learner`` can continue from here, on the images with the checksum
        ``images``.

        Raises:
            DamagedError: the network, the method's extras, the images or the kind of device have
                changed.
        """
        if self.beside.images != images:
            raise DamagedError(f"{self.path.with_name('images.json')}: the data set holds other images than it did")
        stored, current = (
            {k: tuple(v.shape) for k, v in state.items() if k.startswith(("net.", "extras.", "random"))}
            for state in (self.tensors, learner.state()[0])
        )
        if stored.pop("random") != current.pop("random"):
            raise DamagedError(
                f"{self.path} holds random numbers of another kind of device ({self.beside.environment['device']}) than the run "
                f"goes on on ({learner.device})"
            )
        if stored != current:
            first = min(k for k in stored.keys() | current.keys() if stored.get(k) != current.get(k))
            raise DamagedError(
                f"{self.path} does not fit the network, the code of which has changed (first difference: {first})"
            )


def values(learner_values: dict[str, Any], run: Run, beside: Beside) -> dict[str, Any]:
    """The plain values of a checkpoint."""
    return learner_values | {"run": run.digest, "beside": beside.plain()}
