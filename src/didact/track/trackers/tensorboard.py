"""``tensorboard:DIR``: scalars and the settings of each run as event files in ``DIR/LABEL.DIGEST``,
by default in the store's folder ``tensorboard``. Nothing leaves the machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from didact.files.disk import UnwritableError
from didact.runs.run import Run
from didact.spec import RequestError, installation, shown, strict_json
from didact.track.tracker import State, settings


def make(where: str, root: Path) -> TensorBoard:
    """The tracker that writes to ``where``.

    Raises:
        RequestError: tensorboard is missing, or nothing can be written there.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: F401 - tried before any training
    except ImportError as error:
        raise RequestError(
            f"track: tensorboard cannot be imported ({error}); {installation('tensorboard')} brings it"
        ) from None
    folder = Path(where).expanduser() if where else root / "tensorboard"
    above = next(path for path in (folder, *folder.parents, Path()) if path.exists())
    kind = RequestError if not above.is_dir() else UnwritableError if not os.access(above, os.W_OK) else None
    if kind is not None:
        raise kind(f"track: nothing can be written to {shown(str(folder))}; name another folder: tensorboard:DIR")
    return TensorBoard(folder)


class TensorBoard:
    """Writes event files below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[str, Any] = {}

    def begins(self, run: Run) -> None:
        """Nothing yet: the first epoch says where a run goes on."""

    def _writer(self, run: Run, epoch: int) -> Any:
        """The run's writer. What an interrupted run has written from ``epoch`` on is void."""
        from torch.utils.tensorboard import SummaryWriter

        if run.digest not in self._writers:
            writer = SummaryWriter(str(self.folder / f"{_name(run.label)}.{run.digest}"), purge_step=epoch, flush_secs=10)
            writer.add_text("settings", f"```json\n{strict_json(settings(run), indent=1)}\n```", epoch)
            self._writers[run.digest] = writer
        return self._writers[run.digest]

    def learned(self, run: Run, epoch: int, figures: Mapping[str, float]) -> None:
        """A scalar for each figure."""
        writer = self._writer(run, epoch)
        for name, value in figures.items():
            writer.add_scalar(name, value, epoch)
        writer.flush()

    def ends(self, run: Run, state: State, reason: str) -> None:
        """The reason of a failure as a text."""
        writer = self._writers.pop(run.digest, None)
        if writer is not None:
            if reason:
                writer.add_text("failed", reason)
            writer.close()

    def close(self) -> None:
        """Close what is open."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()


def _name(label: str) -> str:
    return "".join(c if c.isalnum() or c in "_.+-" else "-" for c in label)
