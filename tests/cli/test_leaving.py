"""The end of a command's process, also where a thread is in torch that nobody waits for."""

from __future__ import annotations

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
