"""Data sets that tests write to disk: their facts, and one that is downloaded as an archive."""

from __future__ import annotations

from didact.data import Facts
from didact.data.sets.stl10 import STL10


def facts(classes: int, image: tuple[int, int, int], train: int, test: int) -> Facts:
    channels = image[0]
    return Facts(
        classes=classes,
        image=image,
        train=train,
        test=test,
        augment="crop-flip",
        padding=1,
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
        source="a test",
    )


TINY = STL10(facts=facts(2, (3, 2, 2), 1, 1), url="http://site/tiny.tar.gz", md5="", folder="tiny")
FILES = {
    "train_X.bin": bytes(12),
    "train_y.bin": b"\1",
    "test_X.bin": bytes(12),
    "test_y.bin": b"\2",
    "class_names.txt": b"a b",
}
"""The files in the archive of ``TINY``."""
