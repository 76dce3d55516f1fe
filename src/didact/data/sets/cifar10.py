"""CIFAR-10: 60,000 colour images of 32x32 pixels in 10 classes."""

from __future__ import annotations

from didact.data.cifar import CIFAR, SITE, SOURCE
from didact.data.contract import Facts

DATA_SET = CIFAR(
    facts=Facts(
        classes=10,
        image=(3, 32, 32),
        train=50_000,
        test=10_000,
        augment="crop-flip",
        padding=4,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        source=SOURCE,
    ),
    url=f"{SITE}cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    folder="cifar-10-batches-bin",
    train=tuple((f"data_batch_{number}.bin", 10_000) for number in range(1, 6)),
    test=(("test_batch.bin", 10_000),),
    names="batches.meta.txt",
    labels=(10,),
)
