"""Facts of data sets that tests write to disk."""

from __future__ import annotations

from didact.data import Facts


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
