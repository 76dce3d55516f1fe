"""Search spaces so small that all of their students can be listed."""

from __future__ import annotations

from didact.nets.supernet import Choices, Space

SMALL = Space(
    kind="basic",
    stem=(4, 6),
    stages=(
        Choices(depth=(1, 2), width=(4, 6), expansion=(0.5, 1.0)),
        Choices(depth=(1,), width=(6, 8), kernel=(5, 3)),
    ),
)
INVERTED = Space(
    kind="inverted",
    stem=(4,),
    stem_stride=2,
    stages=(Choices(depth=(2, 1), width=(4, 8), stride=2), Choices(depth=(1,), width=(6,), expansion=(1.0, 3.0))),
    head=(12, 8),
)
THREE_STAGES = Space(
    kind="basic",
    stem=(4, 6),
    stages=(
        Choices(depth=(1, 2), width=(4, 6)),
        Choices(depth=(1,), width=(6, 8), kernel=(3, 5)),
        Choices(depth=(1, 2), width=(8,)),
    ),
)
