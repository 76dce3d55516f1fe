"""For tests of the search: a space of 96 students on digits, and a generic teacher that is trained in seconds."""

from __future__ import annotations

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.nets.supernet import Choices, Space
from didact.runs.run import Run
from didact.teaching.gtn import GTN

DATA = Data(name="digits", per_class=40, validation=0.4)
RECIPE = Recipe(epochs=8, batch_size=16, schedule="one-cycle", learning_rate=0.1)
SPACE = Space(
    kind="basic",
    stem=(4, 8),
    stages=(
        Choices(depth=(1, 2), width=(4, 8), expansion=(1.0,)),
        Choices(depth=(2, 1), width=(8, 12, 16), expansion=(0.5, 1.0)),
    ),
)  # 96 students
TEACHER = Run(net="resnet8", data=DATA, recipe=RECIPE, method=GTN(pool=SPACE, after=(0, 1)))
