"""The end of a command's process, also where a thread is in torch that nobody waits for."""

from __future__ import annotations

import signal
import subprocess
import sys

LEAVES = """
import atexit, sys, threading, time
import torch
from didact.cli import main

inside = threading.Event()


def computing():
    x = torch.ones(200, 200)
    while True:
        x.clone()
        inside.set()


def late():
    time.sleep(0.1)
    print("late")


def answer():
    threading.Thread(target=computing, daemon=True).start() if "computes" in sys.argv else None
    threading.Thread(target=late).start()
    inside.wait() if "computes" in sys.argv else None
    return int(sys.argv[1])


atexit.register(print, "at the end")
main.main = answer
main.entry()
"""


def left(code: int, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-c", LEAVES, str(code), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert not done.stderr
    return done.returncode, done.stdout


def test_the_exit_code_and_what_comes_last() -> None:
    assert left(0) == left(0, "computes") == (0, "late\nat the end\n")
    assert left(3) == left(3, "computes") == (3, "late\nat the end\n")


def test_a_second_ctrl_c_at_the_end_ends_it_without_a_traceback() -> None:
    again = "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + LEAVES.replace(
        'atexit.register(print, "at the end")', "atexit.register(os.kill, os.getpid(), signal.SIGINT)"
    )
    command = [sys.executable, "-c", again, str(128 + signal.SIGINT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
