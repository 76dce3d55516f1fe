"""Classifiers of other libraries by name: ``timm:resnet34``, ``torchvision:resnet18``, ``hf:vit``,
``pytorchcv:nin_cifar10``.

A name may carry arguments of the library's constructor: ``timm:vit_tiny_patch16_224+depth=6``.
Number of classes, channels and, where the constructor takes it, image size come from the data.
Networks are built without weights, and nothing is downloaded.

The canonical name ends in a hash of the structure (:mod:`didact.nets.libraries.identity`):
``timm:resnet34@1c0f3b5a9d``. It stands in a Run, so an upgrade of the library that changes the
network makes another Run, and one that does not change it makes the same. The library's version is
in the Record's environment: it is no part of the Run, as most upgrades change no network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from didact.lazily import from_homes
from didact.nets.libraries.spelling import named

if TYPE_CHECKING:
    from didact.nets.libraries.catalogue import build, default_size, division, names, resolve, title, version

_BUILT = ("build", "default_size", "division", "names", "resolve", "title", "version")

__all__ = ["build", "default_size", "division", "named", "names", "resolve", "title", "version"]

__getattr__ = from_homes(__name__, dict.fromkeys(_BUILT, "catalogue"))
