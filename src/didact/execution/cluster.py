"""A Ray cluster: connecting to one, or starting one on this machine, safely; what its nodes are."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import stat
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, cast

from didact.execution.node import Box, Seen, look, versions
from didact.spec import RequestError, SpecError, installation, shown

TOKEN = Path(".ray") / "auth_token"
"""Where Ray looks for the token, below the home folder."""

LOOK_SECONDS = 120.0
"""A node that has not answered after so long cannot be used."""

CONNECT_SECONDS = 10.0
"""The head of a cluster listens, or cannot be reached."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing leaves the machine unasked
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a job without a GPU does not change CUDA_VISIBLE_DEVICES
}


def imported(address: str) -> Any:
    """The module ``ray``, set up for the cluster at ``address``.

    A cluster that is started here has token authentication. Ray reads that from the environment
    when it is imported, so a program that imports it first decides itself.

    Raises:
        SpecError: it is not installed.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if not _address(address) and "ray" not in sys.modules:
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ImportError as error:
        raise SpecError(f"on: Ray cannot be imported ({error}); install the extra [ray]: {installation('ray')}") from None
    return ray


def _address(given: str) -> str:
    return given or os.environ.get("RAY_ADDRESS", "")


@contextlib.contextmanager
def connected(address: str, cpus: int | None = None) -> Iterator[Any]:
    """Ray, connected to the cluster at ``address``; a connection that is there already is used and
    left open.

    Args:
        address: "" starts a cluster on this machine, or uses the one that RAY_ADDRESS names;
            "auto", "HOST:PORT" or "ray://HOST:PORT" is one that runs.
        cpus: of a cluster that is started here; by default its cores.

    Raises:
        SpecError: Ray is not installed.
        RequestError: there is no cluster at the address, or it does not accept the token.
    """
    ray = imported(address)
    if ray.is_initialized():
        yield ray
        return
    address = _address(address)
    _check_listens(address)
    if os.environ.get("RAY_AUTH_MODE") == "token" and "RAY_AUTH_TOKEN" not in os.environ:
        private_token(create=not address)
    variables = {"OMP_WAIT_POLICY": "PASSIVE"}
    here: dict[str, Any] = {}
    if not address:  # processes on this machine find the same modules
        variables["PYTHONPATH"] = os.pathsep.join(sys.path)
        here = {"include_dashboard": False, "num_cpus": cpus}
    environment = {"env_vars": variables}
    with _ray_prints_apart():
        try:
            ray.init(address or "local", log_to_driver=False, logging_level="error", runtime_env=environment, **here)
        except Exception as error:
            raise RequestError(_refusal(address, error)) from None
        try:
            yield ray
        finally:
            with contextlib.redirect_stdout(sys.stderr):  # it prints what it has held back
                ray.shutdown()


class _ByThread:
    """Standard output; for the threads of Ray, standard error."""

    def __init__(self, own: TextIO) -> None:
        self._own = own

    def __getattr__(self, name: str) -> Any:
        from_ray = threading.current_thread().name.startswith("ray_")
        return getattr(sys.stderr if from_ray else self._own, name)


@contextlib.contextmanager
def _ray_prints_apart() -> Iterator[None]:
    """Ray prints on standard output that a node has died, also where it is told to print nothing;
    there only the answer of a command may stand.
    """
    own = sys.stdout
    if own is None:
        yield
        return
    sys.stdout = cast("TextIO", _ByThread(own))
    try:
        yield
    finally:
        sys.stdout = own


def _check_listens(address: str) -> None:
    """Refuse an address where nothing listens, which Ray would try for minutes.

    Raises:
        RequestError: the message names the address.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise RequestError(_refusal(address, error)) from None


def private_token(*, create: bool) -> None:
    """See that the token's file is there and readable by its owner only.

    Ray would write it for all to read.

    Raises:
        RequestError: others can read it, so it is no secret any more.
    """
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / TOKEN)
    if not path.exists():
        if create:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _new_token(path)
        return
    if hasattr(os, "getuid") and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RequestError(
            f"the token of the Ray cluster can be read by other users of this machine: {path}. Whoever has it can run anything "
            f"on the cluster; make a new one: rm {path}; ray get-auth-token --generate; chmod 600 {path}"
        )


def _new_token(path: Path) -> None:
    """Write a token that is there as a whole or not at all: another first command may read it at the same
    time. One that is there by now is kept, as the other command's cluster has it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # readable by its owner only
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _refusal(address: str, error: Exception) -> str:
    text = str(error).strip().split("\n")[0][:300] or type(error).__name__
    if not address:
        return f"Ray cannot be started on this machine: {text}"
    said, token = str(error).lower(), "RAY_AUTH_MODE=token and the token of the cluster in ~/.ray/auth_token"
    if "auth" in said:
        hint = f"; it wants {token}"
    else:  # with another token Ray says no more than that it failed to connect, where something listens
        hint = f"; it may want {token}" if "failed to connect to ray cluster" in said else ""
    return (
        f"there is no Ray cluster at {shown(address)} that can be used from here{hint}: {text}. Start one with ray start --head "
        "(docs/clusters.md), or write --on ray for one on this machine"
    )


def box(ray: Any) -> Any:
    """A handle of an actor of class :class:`Box`, on the node to which this process is connected
    where that can be.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    own = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    actor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Box)
    return actor.options(scheduling_strategy=own).remote()


def nodes(ray: Any, root: Path) -> list[Seen]:
    """What the nodes say that can do jobs, and whether they see the store at ``root``.

    Raises:
        RequestError: there are none, one does not answer, or one has other versions.
    """
    ids = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    if not ids:
        raise RequestError("the Ray cluster has no node with a CPU; start one: ray start --address HOST:PORT")
    mark = root / f".seen-{uuid.uuid4().hex}"
    root.mkdir(parents=True, exist_ok=True)
    mark.touch()
    try:
        found = _asked(ray, ids, str(mark))
    finally:
        mark.unlink(missing_ok=True)
    own = versions()
    for seen in found:
        other = [f"{name} {seen.versions[name]} (here {own[name]})" for name in own if seen.versions[name] != own[name]]
        if other:
            raise RequestError(f"the node {seen.host} has {', '.join(other)}; results would differ. Install the same there")
    return found


def _asked(ray: Any, ids: Sequence[str], mark: str) -> list[Seen]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0)(look)
    asked = [task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(id, soft=False)).remote(mark) for id in ids]
    found = [seen for one in asked if (seen := _answer(ray, one)) is not None]
    if not found:
        raise RequestError("every node of the Ray cluster died while it was looked at; ask again")
    return found


def _answer(ray: Any, asked: Any) -> Seen | None:
    """What a node has answered; None for one that has died."""
    errors = ray.exceptions
    try:
        return ray.get(asked, timeout=LOOK_SECONDS)
    except errors.GetTimeoutError:
        raise RequestError(f"a node of the Ray cluster has not answered for {LOOK_SECONDS:.0f} s") from None
    except (errors.TaskUnschedulableError, errors.NodeDiedError, errors.WorkerCrashedError):
        return None
    except errors.RayError as error:
        text = str(error).strip().split("\n")[-1][:300]
        raise RequestError(f"a node of the Ray cluster cannot run didact: {text}. didact must be installed there") from None
