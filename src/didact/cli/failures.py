"""What stops a command from outside: signals, memory, the disk. What a person reads, and the exit code."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

KEPT = "what was trained is kept: ask again and it goes on from the last epoch"

_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED", "failed to map segment")
"""In the messages of torch, of the libraries below it and of the system's loader, where it is no MemoryError."""

_PATH = 300
"""Characters of a very long path that a message repeats, from its beginning and from its end."""

_LESS = ". A smaller --cohort-size needs less and changes no result; a smaller --recipe.batch_size is a new run"


class StoppedError(KeyboardInterrupt):
    """A signal asked the process to end. All that heeds Ctrl-C heeds it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def heed_signals() -> None:
    """End as by Ctrl-C when the system, a scheduler or a closed terminal asks for it. Ignored signals stay ignored (nohup)."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise StoppedError(number)


def interrupted(error: KeyboardInterrupt) -> tuple[str, int]:
    """What to say and the exit code: 128 and the number of the signal, as of a shell."""
    number = error.number if isinstance(error, StoppedError) else signal.SIGINT
    return f"interrupted; {KEPT}", 128 + number


def short_of_memory(error: BaseException, trains: bool) -> str | None:
    """What to say of an error that comes of too little memory; None for any other. ``trains``: what needs less, too."""
    if not isinstance(error, MemoryError) and not any(words in str(error) for words in _MEMORY):
        return None
    where = "GPU memory" if "CUDA" in str(error) else "memory"
    reason = str(error).strip().partition("\n")[0]
    detail = f" ({reason})" if reason else ""
    return f"not enough {where}{detail}; {KEPT}{_LESS if trains else ''}"


def refusal(error: OSError) -> str:
    """What the system refused, and of which file."""
    files = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes | os.PathLike)]
    paths = " and ".join(f if len(f) <= 2 * _PATH else f"{f[:_PATH]} ... {f[-_PATH:]}" for f in files)
    return ": ".join([error.strerror or str(error) or type(error).__name__, paths][: 1 + bool(files)])
