"""Classifiers of transformers, where it is installed."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import torch

from didact import nets
from didact.spec import SpecError


@pytest.fixture(autouse=True)
def _installed() -> None:
    try:
        importlib.import_module("transformers")
    except (ImportError, RuntimeError, Warning) as error:
        pytest.skip(f"transformers cannot be imported: {error}")


STAGES = "depths=1/1/1/1+hidden_sizes=4/6/8/12"
KINDS = {
    "resnet": f"{STAGES}+embedding_size=4+layer_type=basic",
    "regnet": f"{STAGES}+embedding_size=4+groups_width=2",
    "convnext": STAGES,
    "poolformer": STAGES,
    "segformer": f"{STAGES}+num_attention_heads=1/1/2/2",
    "vit": "hidden_size=12+num_hidden_layers=3+num_attention_heads=2+intermediate_size=24+patch_size=4",
    "deit": "hidden_size=12+num_hidden_layers=3+num_attention_heads=2+intermediate_size=24+patch_size=4",
    "swin": "embed_dim=8+depths=1/1/1+num_heads=1/2/2+window_size=2+patch_size=2",
    "dinov2": "hidden_size=12+num_hidden_layers=3+num_attention_heads=2+patch_size=8",
    "levit": "depths=1/1/1+hidden_sizes=32/48/64+key_dim=8/8/8+num_attention_heads=2/3/4",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_network_is_built_for_the_data_and_split(kind: str) -> None:
    torch.manual_seed(0)
    name = nets.resolve(f"hf:{kind}+{KINDS[kind]}")
    size = 64 if kind == "levit" else 32
    net = nets.create(name, 5, 3, size)
    shapes = net.shapes((3, size, size))
    assert shapes.classes == 5 and len(net) >= 3 and nets.resolve(name) == name


def test_a_folder_with_a_configuration_is_its_type_and_settings(tmp_path: Path) -> None:
    settings = {"hidden_sizes": [4, 6, 8, 12], "depths": [1, 1, 1, 1], "layer_type": "basic", "embedding_size": 4}
    labels = {"id2label": {"0": "cat", "1": "dog"}, "label2id": {"cat": 0, "dog": 1}, "image_size": 224}
    (tmp_path / "config.json").write_text(json.dumps(settings | labels | {"model_type": "resnet", "torch_dtype": "float32"}))
    assert nets.resolve(f"hf:{tmp_path}") == nets.resolve(f"hf:resnet+{KINDS['resnet']}")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(SpecError, match="is a 'bert', which transformers has no classifier of images for"):
        nets.resolve(f"hf:{tmp_path}")
    (tmp_path / "config.json").write_text(json.dumps(settings)[:20])
    with pytest.raises(SpecError, match="is not on this machine"):
        nets.resolve(f"hf:{tmp_path}")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "resnet", "depths": [[1, 2]]}))
    with pytest.raises(SpecError, match=r"a name cannot hold its depths.*--net mymodule:net"):
        nets.resolve(f"hf:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf:resnte", "no classifier of images 'resnte'; did you mean 'resnet'"),
        ("hf:resnet+depth=1/1", "the configuration of resnet has no depth; did you mean 'depths'"),
        ("hf:resnet+num_labels=3", "num_labels follows from the data"),
        ("hf:resnet+trust_remote_code=true", "trust_remote_code would load weights"),
        ("hf:someone/nothing", "not on this machine .there is no such folder.*didact downloads nothing"),
        ("hf:resnet+layer_type=round", "resnet.layer_type=round fails when it is built: .*layer_type"),
    ],
)
def test_what_transformers_does_not_have_is_refused(name: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        nets.resolve(name)
