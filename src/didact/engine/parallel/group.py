"""Joining the processes that torchrun has started, and leaving them."""

from __future__ import annotations

import atexit
import os
import platform
import socket
from dataclasses import replace
from datetime import timedelta
from importlib import import_module

import torch
import torch.distributed as dist

from didact.engine.parallel import exchange
from didact.engine.parallel.processes import ALONE, Processes
from didact.launcher import place
from didact.spec import RequestError, SpecError

PATIENCE = timedelta(hours=24)
"""How long a process waits for the others: the first may wait for a run that another command
trains. One that has died closes its connections, which is noticed at once."""

_current: Processes = ALONE


def current() -> Processes:
    """The processes that have joined for a training; one alone before."""
    return _current


def join(device: str) -> Processes:
    """Meet the other processes, once; each calls it.

    Args:
        device: "cpu", or "cuda": each process takes the GPU of its number on its machine.

    Raises:
        SpecError: the device, or what processes talk by, is not there.
        RequestError: the address is taken or nobody answers there, or the processes run different
            versions of didact, torch or Python.
    """
    global _current
    own = Processes(**vars(place()))
    if not dist.is_initialized():
        check(device, own)
        _meet(device)
        atexit.register(_leave)
        _compare()
    _current = own
    if device == "cuda":
        torch.cuda.set_device(own.local_rank)
    return own


def check(device: str, own: Processes) -> None:
    """Whether processes can train on ``device``.

    Raises:
        SpecError: the message says what is missing.
    """
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or number:
        raise SpecError(f"device {device}: processes of torchrun train on cpu, or on cuda, each on a GPU of its own")
    if not dist.is_available() or not dist.is_gloo_available():
        raise SpecError("this build of torch lacks gloo, by which processes talk; train with one process, without torchrun")
    if kind == "cuda" and not dist.is_nccl_available():
        raise SpecError("this build of torch lacks NCCL, by which GPUs talk; write --device cpu, or train without torchrun")
    if kind == "cuda" and torch.cuda.device_count() < own.local_size:
        raise SpecError(
            f"torchrun started {own.local_size} processes on this machine, and it has {torch.cuda.device_count()} GPUs; "
            f"write --nproc-per-node {max(1, torch.cuda.device_count())}, or --device cpu"
        )


def _meet(device: str) -> None:
    # Its functions keep the group of the time of their import as a default. With the group of this training they would keep
    # its threads alive after _leave, and a thread that runs on while Python ends can abort the process.
    import_module("torch.distributed.nn.functional")

    address, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    try:
        dist.init_process_group("gloo" if device == "cpu" else "cpu:gloo,cuda:nccl", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        if "EADDRINUSE" in str(error) or "already in use" in str(error):
            raise RequestError(
                f"port {port} of {address} is in use; give torchrun another one: --master-port, or --standalone on one machine"
            ) from None
        raise RequestError(f"the processes of torchrun do not reach each other at {address}:{port}: {reason}") from None


def _compare() -> None:
    from didact import __version__

    own = {"didact": __version__, "torch": torch.__version__, "Python": platform.python_version()}
    found = exchange.everyones((socket.gethostname(), own))
    for host, versions in found:
        for name, version in versions.items():
            if version != found[0][1][name]:
                raise RequestError(
                    f"{host} has {name} {version}, and {found[0][0]} has {found[0][1][name]}; "
                    "install the same versions on all machines"
                )


def _leave() -> None:
    global _current
    _current = replace(ALONE)
    if dist.is_initialized():
        dist.destroy_process_group()
