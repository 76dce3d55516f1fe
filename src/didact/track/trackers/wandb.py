"""``wandb``: a run of Weights & Biases for each run, offline in the store's folder ``wandb``, whatever
the environment says; ``wandb sync`` sends it when the user wants. ``wandb:online`` sends at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from didact.runs.run import Run
from didact.spec import RequestError, SpecError, cut, installation, shown, to_json
from didact.track.tracker import State

PROJECT = "didact"


def check(where: str) -> None:
    """Raise SpecError for another mode than offline, the default, or online."""
    if where not in ("", "offline", "online"):
        raise SpecError(f"track: wandb, or wandb:online, which sends to where you are logged in; found {shown(where)}")


def note(where: str) -> str:
    """A line for who expects the mode in the environment to be read; "" for others."""
    if where or os.environ.get("WANDB_MODE") != "online":
        return ""
    return "wandb writes to the store and sends nothing; WANDB_MODE is not read: write --track wandb:online to send at once"


def make(where: str, root: Path) -> WeightsAndBiases:
    """The tracker of the mode ``where``.

    Raises:
        SpecError: there is no such mode.
        RequestError: wandb is missing, or nobody is logged in.
    """
    check(where)
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        import wandb  # type: ignore[import-not-found]
    except ImportError as error:
        raise RequestError(f"track: wandb cannot be imported ({error}); {installation('wandb')} brings it") from None
    if where == "online":
        try:
            there = wandb.login()
        except Exception as error:  # of the library and of the network below it
            raise RequestError(f"track: wandb cannot log in: {cut(' '.join(str(error).split()))}") from None
        if not there:
            raise RequestError(
                "track: wandb:online, and nobody is logged in; run 'wandb login' first, or write --track wandb"
            )
    return WeightsAndBiases(root, where or "offline")


class WeightsAndBiases:
    """Writes below ``root/wandb``, and sends where ``mode`` is "online"."""

    def __init__(self, root: Path, mode: str) -> None:
        self._root = root
        self._mode = mode
        self._runs: dict[str, Any] = {}

    def begins(self, run: Run) -> None:
        """A new run, or the one of this digest that was interrupted."""
        import wandb  # type: ignore[import-not-found]

        self._root.mkdir(parents=True, exist_ok=True)
        quiet = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True)
        self._runs[run.digest] = wandb.init(
            project=PROJECT,
            id=run.digest,
            name=run.label,
            config=to_json(run),
            dir=str(self._root),
            mode=self._mode,  # type: ignore[arg-type]
            resume="allow" if self._mode == "online" else None,
            reinit="create_new",
            settings=quiet,
        )

    def learned(self, run: Run, epoch: int, figures: Mapping[str, float]) -> None:
        """All figures of the epoch at once."""
        self._runs[run.digest].log(dict(figures), step=epoch)

    def ends(self, run: Run, state: State, reason: str) -> None:
        """The state, and the reason of a failure."""
        one = self._runs.pop(run.digest)
        one.summary["state"] = state
        if reason:
            one.summary["failed"] = reason
        one.finish(exit_code=0 if state == "finished" else 1)

    def close(self) -> None:
        """Finish what is open."""
        for one in self._runs.values():
            one.finish(exit_code=1)
        self._runs.clear()
