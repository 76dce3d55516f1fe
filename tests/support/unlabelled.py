"""For tests with images that have no label: a folder of them beside one of classes."""

from pathlib import Path

import pytest

from support.pictures import classes, picture


def unlabelled(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fill ``root``: 16 training images in two classes in ``flowers``, 7 without a label in ``more``."""
    monkeypatch.setenv("DIDACT_DATA", str(root / "cache"))
    classes(root / "flowers", {"daisy": 10, "rose": 10}, height=8, width=8)
    for number in range(7):
        picture(root / "more" / ("deep" if number % 2 else "") / f"{number}.png", 9, 12, shade=number)
    return root
