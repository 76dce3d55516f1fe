"""Networks of other libraries, where they are installed."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

from didact.nets import split


def library(name: str) -> Any:
    """The module, or a test skipped with the reason; an installed library may lack what it imports itself."""
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"{name} cannot be imported: {error}")


@pytest.mark.parametrize("name", ["resnet20_cifar10", "densenet40_k12_cifar10", "nin_cifar10"])
def test_pytorchcv(name: str) -> None:
    model = library("pytorchcv.model_provider").get_model(name)
    net = split(model, (3, 32, 32), 3)
    assert [shape[1] for shape in net.shapes((3, 32, 32)).features] == [32, 16, 8]


@pytest.mark.parametrize(("family", "extra"), [("ViT", 1), ("DeiT", 2)])
def test_transformers(family: str, extra: int) -> None:
    models = library("transformers")
    small = {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 48}
    config = getattr(models, f"{family}Config")(image_size=32, patch_size=8, num_labels=5, **small)
    model = getattr(models, f"{family}ForImageClassification")(config)
    net = split(model, (3, 32, 32))
    assert net.shapes((3, 32, 32)).features == ((24, 4, 4),) * 4
    assert net.run(torch.zeros(1, 3, 32, 32), 0, 2).shape == (1, 16 + extra, 24)
