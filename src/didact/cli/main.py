"""A command line, run: what stops it, what is said, and with which exit code.

Exit codes: 0 success, 1 failure (of a run, of a disk that is full or read-only), 2 wrong request (before any training),
130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.metadata import entry_points

from cyclopts import CycloptsError, MissingArgumentError, UnusedCliTokensError, ValidationError

from didact import streams
from didact.cli import failures
from didact.cli.commands import app
from didact.cli.leaving import leave
from didact.engine.threads import wait_passively
from didact.files.disk import UnwritableError, refusal
from didact.files.reading import DamagedError
from didact.launcher import follows, place
from didact.spec import RequestError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    with streams.prepared():
        with streams.silent() if follows() else nullcontext():  # the first process talks
            try:
                message, code = _answered(list(sys.argv[1:] if arguments is None else arguments))
            except Exception as error:
                failures.leave_for_torchrun(f"{type(error).__name__}: {error}")
                raise
        try:
            sys.stdout.flush()
        except OSError as error:
            message, code = refusal(error), 1
        if message:
            failures.leave_for_torchrun(message)
        if message and not (follows() and code != 1):  # what all refuse, and Ctrl-C, one says
            streams.say(f"didact: {_speaker()}{message}", to_stderr=True)
        return code


def _speaker() -> str:
    """Which of the processes of torchrun it is that says something; nothing for the only one."""
    own = place()
    return f"process {own.rank} of {own.size}: " if own.size > 1 else ""


def _answered(arguments: list[str]) -> tuple[str, int]:
    """Run the command line. What stopped it, nothing where nothing did, and the exit code. A failure after a signal
    to end it is the signal's.
    """
    failures.forget_signals()
    try:
        message, code = _outcome(arguments)
    except Exception:
        if failures.caught() is None:
            raise
        message, code = "", 1
    signal = failures.caught()
    if code == 0 or signal is None:
        return message, code
    return failures.interrupted(signal, failures.trains(arguments))


def _outcome(arguments: list[str]) -> tuple[str, int]:
    """As of :func:`_answered`.

    It is said later: an error that is caught holds on to all that the command had in memory, and
    there may be none left.
    """
    # Networks and methods of one's own are found in the working directory. It comes last, so that a
    # file there called like a library (rich.py) is not imported instead of it.
    if "" not in sys.path:
        sys.path.append("")
    try:
        _add_commands_of_others(arguments)
        if arguments[:1] == ["train"] and {"--help", "-h"} & set(arguments):
            from didact.cli.settings import settings_help

            app["train"].help_epilogue = settings_help()
        return "", app(arguments, exit_on_error=False, print_error=False, result_action="return_value") or 0
    except RequestError as error:
        return f"{error}{_meant(arguments, error)}", 1 if isinstance(error, UnwritableError) else 2
    except MissingArgumentError as error:
        return failures.shortened(failures.missing(error)), 2
    except UnusedCliTokensError as error:
        return failures.shortened(failures.unused(error)), 2
    except ValidationError as error:
        return failures.shortened(failures.invalid(error)), 2
    except CycloptsError as error:
        return failures.shortened(str(error)), 2
    except KeyboardInterrupt as error:
        return failures.interrupted(error, failures.trains(arguments))
    except DamagedError as error:
        return f"{error}; 'didact runs gc --verify' shows which runs of a store are damaged", 1
    except OSError as error:
        return refusal(error), 1
    except (MemoryError, RuntimeError, ImportError) as error:
        message = failures.short_of_memory(error, failures.trains(arguments))
        if message is None:
            raise
        return message, 1


def _meant(arguments: list[str], error: RequestError) -> str:
    """What is said of an option that was taken for a setting, because it is misspelt."""
    if "no such setting" not in str(error):
        return ""
    options = [name for one in app[arguments[0]].assemble_argument_collection() for name in one.names]
    return failures.misspelt(arguments[1:], options)


def _add_commands_of_others(arguments: list[str]) -> None:
    """Commands that installed packages declare as entry points of the group ``didact.commands``,
    where the name is free.

    Packages are looked through for the help and for an unknown command only: that takes longer than
    to start.
    """
    if arguments and not arguments[0].startswith("-") and arguments[0] in app:
        return
    for point in entry_points(group="didact.commands"):
        if point.name not in app:
            app.command(point.load(), name=point.name)


def entry() -> None:
    """The console script."""
    wait_passively()
    streams.occupied()
    failures.heed_signals()
    leave(main())
