"""The folder of a run in training. Files in the way are moved aside, never deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from didact.files.reading import DamagedError


class RunFolder:
    """The folder of a run.

    Args:
        folder: its path.
        say: receives a message for everything that is moved.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.say = say

    def set_aside(self, why: str) -> None:
        """Move the folder out of the way, for the reason ``why``."""
        aside = self._aside("aside")
        self.folder.rename(aside)
        self.say(f"{why}; moved {self.folder.name} to {aside.name}")

    def put_aside(self, error: DamagedError) -> None:
        """Move a damaged folder out of the way, so that the run can be trained again."""
        aside = self._aside("damaged")
        self.folder.rename(aside)
        self.say(f"damaged: {error}; moved to {aside.name}, the run is trained again")

    def move(self, name: str, error: DamagedError) -> None:
        """Move one damaged file out of the way."""
        aside = self._aside("damaged")
        aside.mkdir()
        (self.folder / name).rename(aside / Path(name).name)
        self.say(f"damaged: {error}; moved {name} to {aside.name}")

    def _aside(self, kind: str) -> Path:
        return self.folder.with_name(f"{self.folder.name}.{kind}-{time.time_ns()}")

    def clear_names(self, files: list[str]) -> set[str]:
        """Move folders with the name of a needed file aside, and a file with the name of the
        route's folder.

        Returns:
            The names that were moved.
        """
        moved: set[str] = set()
        route = self.folder / "route"
        if exists(route) and not route.is_dir():
            self.move("route", DamagedError(f"{route} is no folder"))
            moved.add("route")
        anchors = [path.relative_to(self.folder).as_posix() for path in self.anchors()]
        for name in (*files, *anchors):
            path = self.folder / name
            if path.is_dir() and not path.is_symlink():
                self.move(name, DamagedError(f"{path} is a folder"))
                moved.add(name)
        return moved

    def anchors(self) -> Iterator[Path]:
        """The files of the route, one network for each kept epoch."""
        for path in self.folder.glob("route/*.safetensors"):
            if path.stem.isdecimal():
                yield path


def exists(path: Path) -> bool:
    """Whether there is anything at ``path``, including a broken link."""
    return path.exists() or path.is_symlink()


def bytes_of(path: Path) -> bytes | None:
    """The content of a file; None if it is missing or unreadable."""
    try:
        return path.read_bytes()
    except OSError:
        return None
