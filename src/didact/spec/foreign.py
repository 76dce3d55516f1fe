"""Code of the user's own: imported and run so that what goes wrong in it names the code, the
exception and the line."""

from __future__ import annotations

import hashlib
import importlib
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from didact.spec.faults import SpecError, clean, closest, shown

_INSIDE = ("didact", "torch", "importlib", "pydantic")
"""Packages that stand between the user's code and the place where an exception is raised."""

_INSTALLED = ("site-packages", "dist-packages")
"""Folders of installed packages."""


def imported(name: str, what: str = "") -> tuple[ModuleType, str]:
    """The module of ``module:NAME``, and NAME.

    Args:
        what: the kind of thing that is named so, for the message.

    Raises:
        SpecError: the module cannot be imported, whatever it raises; it may end in SystemExit, too.
    """
    module, _, attribute = name.partition(":")
    try:
        return importlib.import_module(module), attribute
    except (Exception, SystemExit) as error:
        kind = f"the {what} " if what else ""
        said = reason(error) + _meant(module, error)
        raise SpecError(f"cannot import {shown(module)} for {kind}{shown(name)}: {said}") from error


def _meant(module: str, error: BaseException) -> str:
    """What a name that is no module may stand for, of the files in the working folder."""
    if not module or not isinstance(error, ModuleNotFoundError) or error.name != module:
        return ""
    if module.endswith(".py"):
        return f"; a module is named without its .py: {module.removesuffix('.py')}"
    close = closest(module, [file.stem for file in Path().glob("*.py")], likeness=0.5)
    if close:
        return "; did you mean " + " or ".join(f"'{each}'" for each in close) + "?"
    return f"; write {module}.py in the folder in which you run the command, or add its folder to PYTHONPATH"


def checksum(name: str) -> str | None:
    """SHA-256 of the file that holds the module of ``module:NAME``; None where it has none.

    Raises:
        SpecError: the module cannot be imported.
    """
    file = imported(name)[0].__file__
    try:
        return file and hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return None


@contextmanager
def running(name: str, doing: str) -> Iterator[None]:
    """Run a block that calls the user's own ``name``.

    Args:
        doing: what it does there, for the message: "while it is built".

    Raises:
        SpecError: the code raised something, or called ``sys.exit``. A ValueError of didact's own
            passes as it is.
    """
    try:
        yield
    except (SpecError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ValueError) and not _own_lines(error):
            raise
        raise SpecError(f"{name} fails {doing}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """What was raised and where: ``KeyError: 'x' (mine.py:12)``. The line is the last one in the
    user's own code, or of an installed package, which is named, too: ``(hub.py:12 of timm)``."""
    text = clean(" ".join(str(error).split())[:300])
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {text}"
    lines = _own_lines(error)
    if not lines:
        return text or type(error).__name__
    file = Path(lines[-1].filename)
    where = f"{file.name}:{lines[-1].lineno}"
    package = _installed(file)
    if package is not None:  # where an installed package does not fit to another, its name says more
        where += f" of {package}"
    return f"{type(error).__name__}{f': {text}' if text else ''} ({where})"


def _own_lines(error: BaseException) -> list[traceback.FrameSummary]:
    """The lines that are in none of the packages :data:`_INSIDE`; where some are not in Python's library either, these."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not _inside(frame.filename)]
    return [frame for frame in own if not _of_python(Path(frame.filename))] or own


def _inside(file: str) -> bool:
    """By where the packages lie: a folder of the user's may have such a name."""
    modules = (sys.modules.get(name) for name in _INSIDE)
    homes = [Path(one.__file__).parent for one in modules if one is not None and one.__file__]
    return file.startswith("<frozen") or any(Path(file).is_relative_to(home) for home in homes)


def _of_python(file: Path) -> bool:
    return file.is_relative_to(sysconfig.get_path("stdlib")) and not any(part in _INSTALLED for part in file.parts)


def _installed(file: Path) -> str | None:
    """The installed package that a file belongs to; None for others, and for one that is a package by itself."""
    folders = file.parts[:-1]
    below = next((folders[at + 1 :] for at, part in enumerate(folders) if part in _INSTALLED), ())
    return below[0] if below else None
