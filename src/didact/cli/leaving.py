"""How a command ends its process."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End the process with this exit code, also while a daemon thread runs: a tracker that is still sending, or a server that
    is still making a page.

    Python's own end would then be unsafe: before version 3.14 it ends such a thread where it next touches Python, and if torch
    is on the way, the process aborts.
    """
    if code == 128 + signal.SIGINT:  # a second Ctrl-C ends it at once; in torch's own end it would be a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if not any(one.daemon and one is not threading.main_thread() for one in threading.enumerate()):
        sys.exit(code)
    threading._shutdown()  # type: ignore[attr-defined] - Python's own end begins with these two
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)
