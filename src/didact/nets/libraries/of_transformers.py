"""Hugging Face transformers: classifiers from configurations, without weights. Nothing is
downloaded, no remote code runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from didact.nets.libraries.contract import Library, number
from didact.nets.libraries.spelling import Spelling, Value, writable
from didact.spec import SpecError, nearest, shown
from didact.spec.foreign import reason

_BACKBONE = ("stage_names", "out_features", "out_indices")
"""Settings of a network that gives features; they follow from others."""


class Transformers(Library):
    """``hf:vit+hidden_size=192``: a type of model and settings of its configuration.

    ``hf:FOLDER`` and ``hf:owner/name`` are read from a folder with a config.json, or from what
    transformers has downloaded before; the canonical name holds the settings that differ from the
    type's.
    """

    package: ClassVar = "transformers"
    extra: ClassVar = "transformers"
    from_data: ClassVar = ("num_labels", "num_channels", "id2label", "label2id")
    of_weights: ClassVar = (*Library.of_weights, "trust_remote_code", "auto_map")

    def names(self) -> Sequence[str]:
        known = self.module("models.auto.modeling_auto").MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
        return tuple(name for name in known if name != "timm_wrapper")  # timm's networks have names of their own

    def known(self, spelling: Spelling) -> Spelling:
        if spelling.net not in self.names():
            spelling = self._of_configuration(spelling)
        self.check(spelling)
        defaults = self._settings(spelling.net)
        for key in spelling.arguments:
            if key not in defaults and key != "architectures":
                raise SpecError(f"{spelling}: the configuration of {spelling.net} has no {key}{nearest(key, defaults)}")
        return spelling

    def build(self, spelling: Spelling, classes: int, channels: int, size: int | None) -> nn.Module:
        given: dict[str, Any] = {k: list(v) if isinstance(v, tuple) else v for k, v in spelling.arguments.items()}
        defaults = self._settings(spelling.net)
        if size is not None and "image_size" in defaults and "image_size" not in given:
            pair = isinstance(defaults["image_size"], list | tuple)
            given["image_size"] = [size, size] if pair else size
        if "num_channels" in defaults:
            given["num_channels"] = channels
        if not isinstance(kinds := self._classes(spelling.net), str):
            given.setdefault("architectures", [kinds[0]])
        config = self.module().AutoConfig.for_model(spelling.net, num_labels=classes, **given)
        return self.module().AutoModelForImageClassification.from_config(config)

    def size(self, model: nn.Module, spelling: Spelling) -> int:
        return number(getattr(getattr(model, "config", None), "image_size", None), 224)

    def _classes(self, kind: str) -> str | Sequence[str]:
        """The classifier of a type of model, or its several classifiers."""
        return self.module("models.auto.modeling_auto").MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES[kind]

    def _settings(self, kind: str) -> dict[str, Any]:
        """The settings of a type of model, with their defaults."""
        config = self.module().AutoConfig.for_model(kind)
        return {**config.to_dict(), **dict.fromkeys(getattr(config, "attribute_map", ()))}

    def _of_configuration(self, spelling: Spelling) -> Spelling:
        """``spelling`` of a folder, or of a model that was downloaded before, as a type and its
        settings.
        """
        held = self._held(spelling.net)
        kind = str(held.get("model_type"))
        if kind not in self.names():
            raise SpecError(f"hf:{spelling.net} is a {shown(kind)}, which transformers has no classifier of images for")
        differing = self._differing(kind, held)
        unwritable = [key for key, value in differing.items() if not writable(value)]
        if unwritable:
            raise SpecError(
                f"hf:{spelling.net}: a name cannot hold its {', '.join(unwritable)}; build the network in a module of your own "
                "and name that: --net mymodule:net"
            )
        settings = {key: tuple(v) if isinstance(v, list) else v for key, v in differing.items()}
        return Spelling("hf", kind, {**settings, **spelling.arguments}, spelling.structure)

    def _held(self, name: str) -> Mapping[str, Any]:
        """The configuration that lies on this machine under a folder's or a model's name, as plain
        data.
        """
        if not (Path(name).is_dir() or "/" in name):
            raise SpecError(f"transformers has no classifier of images {shown(name)}{nearest(name, self.names())}")
        try:
            settings, _ = self.module().PretrainedConfig.get_config_dict(name, local_files_only=True)
        except Exception as error:  # transformers raises many kinds, with advice that does not fit here
            why = reason(error) if Path(name).is_dir() else "there is no such folder, and it was not downloaded before"
            raise SpecError(
                f"hf:{name} is not on this machine ({why}), and didact downloads nothing; name a folder with its config.json, or "
                "a type with settings, such as hf:resnet+depths=2/2/2/2"
            ) from None
        return settings

    def _differing(self, kind: str, held: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that shape the network and are not the type's defaults."""
        defaults = self._settings(kind)
        general = {*self.module().PretrainedConfig().to_dict(), *_BACKBONE, *self.from_data, "model_type", "image_size"}
        differing = {k: v for k, v in held.items() if k in defaults and k not in general and v != defaults[k]}
        classifiers = self._classes(kind)
        named: Sequence[Value] = held.get("architectures") or ()
        if not isinstance(classifiers, str) and named and named[0] in classifiers[1:]:
            differing["architectures"] = [named[0]]
        return differing
