"""Weights of a Record into a module that is built now."""

from __future__ import annotations

from torch import Tensor, nn

from didact.runs.foreign import involved
from didact.runs.run import Run
from didact.spec import RequestError


def put(run: Run, module: nn.Module, prefix: str, tensors: dict[str, Tensor]) -> None:
    """Load the weights under ``prefix`` into a run's network, or into its extras.

    Raises:
        RequestError: they are not those of ``module``, as code of the user's own was edited since; the first difference is
            named.
    """
    given = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    there = {k: tuple(v.shape) for k, v in given.items()}
    now = {k: tuple(v.shape) for k, v in module.state_dict().items()}
    for name in [*now, *there]:
        if there.get(name) != now.get(name):
            own = ", ".join(involved(run)) or run.method.name()
            what = (
                f"{run.net} is not the network that was trained"
                if prefix == "net."
                else f"{own}: the parts that {run.label} adds are not those that were trained"
            )
            raise RequestError(
                f"{what} (first difference: {name} {there.get(name, 'nothing')} there, {now.get(name, 'nothing')} now); "
                "its code has changed: rename it, or train it again"
            )
    module.load_state_dict(given)
