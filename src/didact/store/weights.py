"""Loads the weights of a Record into a newly built module."""

from __future__ import annotations

from torch import Tensor, nn

from didact.runs.foreign import involved
from didact.runs.run import Run
from didact.spec import RequestError


def put(run: Run, module: nn.Module, prefix: str, tensors: dict[str, Tensor]) -> None:
    """Load the weights under ``prefix`` into a run's network, or into its extras.

    Raises:
        RequestError: the names or shapes differ, because the user's code has changed. The message
            names the first difference.
    """
    state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    stored = {k: tuple(v.shape) for k, v in state.items()}
    current = {k: tuple(v.shape) for k, v in module.state_dict().items()}
    for name in [*current, *stored]:
        if stored.get(name) != current.get(name):
            code = ", ".join(involved(run)) or run.method.name()
            subject = (
                f"{run.net} is not the network that was trained"
                if prefix == "net."
                else f"{code}: the parts that {run.label} adds are not those that were trained"
            )
            raise RequestError(
                f"{subject} (first difference: {name} {stored.get(name, 'nothing')} there, {current.get(name, 'nothing')} "
                "now); its code has changed: rename it, or train it again"
            )
    module.load_state_dict(state)
