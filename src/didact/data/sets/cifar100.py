"""CIFAR-100: 60,000 colour images of 32x32 pixels in 100 classes."""

from __future__ import annotations

from didact.data.cifar import CIFAR, SITE, SOURCE
from didact.data.contract import Facts

DATA_SET = CIFAR(
    facts=Facts(
        classes=100,
        image=(3, 32, 32),
        train=50_000,
        test=10_000,
        augment="crop-flip",
        padding=4,
        mean=(0.5071, 0.4867, 0.4408),
        std=(0.2675, 0.2565, 0.2761),
        source=SOURCE,
    ),
    url=f"{SITE}cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
    folder="cifar-100-binary",
    train=(("train.bin", 50_000),),
    test=(("test.bin", 10_000),),
    names="fine_label_names.txt",
    labels=(20, 100),
)
