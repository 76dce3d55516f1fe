"""didact: student-aware knowledge distillation in PyTorch.

Teachers that teach (SFTN), many ways to distil, cohorts of students that share one teacher pass,
runs addressed by what they are. Names are imported when they are first used, so that ``import
didact`` and ``didact --help`` need no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from didact.lazily import from_homes

__version__ = "0.1.0"

if TYPE_CHECKING:
    from didact.data import Data, load
    from didact.engine.recipe import Recipe
    from didact.execution import Execution, execute
    from didact.method import Method, Pair, StepContext
    from didact.nets import Block, BlockNet, create, join
    from didact.request.plan import plan
    from didact.request.schema import PeersRequest, Request, TeacherRequest
    from didact.runs.run import Run
    from didact.spec import SpecError
    from didact.store.store import Store

_HOMES = {
    "Block": "nets",
    "BlockNet": "nets",
    "Data": "data",
    "Method": "method",
    "Pair": "method",
    "PeersRequest": "request.schema",
    "Recipe": "engine.recipe",
    "Request": "request.schema",
    "Run": "runs.run",
    "StepContext": "method",
    "SpecError": "spec",
    "Store": "store.store",
    "TeacherRequest": "request.schema",
    "Execution": "execution",
    "execute": "execution",
    "create": "nets",
    "join": "nets",
    "load": "data",
    "plan": "request.plan",
}

__all__ = [
    "Block",
    "BlockNet",
    "Data",
    "Execution",
    "Method",
    "Pair",
    "PeersRequest",
    "Recipe",
    "Request",
    "Run",
    "SpecError",
    "StepContext",
    "Store",
    "TeacherRequest",
    "create",
    "execute",
    "join",
    "load",
    "plan",
]


__getattr__ = from_homes(__name__, _HOMES)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
