"""Signals, lack of memory and disk errors that stop a command: their messages and exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from cyclopts import MissingArgumentError, UnusedCliTokensError, ValidationError

from didact.launcher import LOST
from didact.spec import closest, cut, shown

KEPT = "finished epochs are saved; the same command continues from the last one"

INTERRUPTED = "interrupted"
"""How the message begins of a process that was ended by a signal, as torchrun does to the others."""

CAUSED_SECONDS = 5
"""torchrun looks at its processes ten times a second."""

_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "ALLOC_FAILED", "failed to map segment")
"""Parts of messages about lack of memory that come without a MemoryError, from torch, its libraries
or the loader."""

_LESS = ". A smaller --cohort-size needs less and changes no result; a smaller --recipe.batch_size is a new run"


class StoppedError(KeyboardInterrupt):
    """A signal to end the process. Everything that handles Ctrl-C handles it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def heed_signals() -> None:
    """End as by Ctrl-C on SIGTERM and SIGHUP (system, scheduler, closed terminal). Ignored signals
    stay ignored (nohup)."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


_arrived: list[int] = []
"""Numbers of the signals so far to end the command."""


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    _arrived.append(number)
    raise StoppedError(number)


def forget_signals() -> None:
    """A command begins; earlier ones' signals are not its own."""
    _arrived.clear()


def caught() -> StoppedError | None:
    """The first signal to end the command that has arrived; None where none has. A library can catch such a signal, for
    example during an import, and a later step of the command then fails with an error of its own."""
    return StoppedError(_arrived[0]) if _arrived else None


def trains(arguments: Sequence[str]) -> bool:
    """Whether a command line trains runs, so that there may be finished epochs to go on from."""
    pilot = any(one.partition("=")[0] == "--pilot" for one in arguments)
    return arguments[:1] in (["train"], ["study"], ["quickstart"]) or (arguments[:1] == ["advise"] and pilot)


def interrupted(error: KeyboardInterrupt, trains: bool) -> tuple[str, int]:
    """The message and the exit code: 128 plus the number of the signal, as in shells. ``trains``:
    whether to say what is saved."""
    number = error.number if isinstance(error, StoppedError) else signal.SIGINT
    return f"{INTERRUPTED}; {KEPT}" if trains else INTERRUPTED, 128 + number


def short_of_memory(error: BaseException, trains: bool) -> str | None:
    """The message about an error caused by lack of memory; None for any other. ``trains``: whether
    to say what is saved, and to add advice."""
    if not isinstance(error, MemoryError) and not any(words in str(error) for words in _MEMORY):
        return None
    where = "GPU memory" if "CUDA" in str(error) else "memory"
    reason = str(error).strip().partition("\n")[0]
    detail = f" ({reason})" if reason else ""
    return f"not enough {where}{detail}" + (f"; {KEPT}{_LESS}" if trains else "")


def misspelt(arguments: Sequence[str], options: Sequence[str]) -> str:
    """A line for each of the arguments that may be a misspelling of an option of the command; empty
    where there is none."""
    given = [cut(one.partition("=")[0]) for one in arguments if one.startswith("--")]
    meant = [(one, closest(one, options, 1, likeness=0.8)) for one in given if one not in options]
    return "".join(f"\n{one}: did you mean the option {near[0]}?" for one, near in meant if near)


def missing(error: MissingArgumentError) -> str:
    """The message about what a command lacks: an argument is called as in its help, in capitals."""
    argument = error.argument
    if argument is None or argument.field_info.kind is argument.field_info.KEYWORD_ONLY:
        return str(error)
    name = argument.name.removeprefix("--").replace("-", "_").upper()
    command = " ".join(error.command_chain or ())
    about = (
        f", {argument.parameter.help[0].lower()}{argument.parameter.help[1:].rstrip('.')}" if argument.parameter.help else ""
    )
    return f"{command}: {name} is missing{about}; write didact {command} {name}, or didact {command} --help"


def unused(error: UnusedCliTokensError) -> str:
    """The message about words that a command does not take."""
    command = " ".join(error.command_chain or ())
    words = error.unused_tokens or []
    return f"{command}: takes no {' '.join(map(shown, words[:3]))}; didact {command} --help says what it takes".lstrip(": ")


def invalid(error: ValidationError) -> str:
    """The message about a value that a check refuses: the argument's name and what the check says."""
    name = "" if error.argument is None else f"{error.argument.name.removeprefix('--').lower()}: "
    return f"{name}{error.exception_message}"


def shortened(message: str) -> str:
    """``message`` with very long words cut, as when it repeats what was typed."""
    return re.sub(r"\S{101,}", lambda match: cut(match[0]), message)


def leave_for_torchrun(message: str) -> None:
    """Write why this process stops into the file that torchrun reads for its report, which says
    otherwise that there is no traceback. Its own traceback and its exit code 1 stay.

    torchrun takes the earliest end for the cause of all, so one that another process has caused is
    dated later.
    """
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path:
        with suppress(OSError), open(path, "w", encoding="utf-8") as file:  # it is said on standard error in any case
            caused = message.startswith((LOST, INTERRUPTED))
            json.dump({"message": f"didact: {message}", "timestamp": int(time.time()) + CAUSED_SECONDS * caused}, file)
