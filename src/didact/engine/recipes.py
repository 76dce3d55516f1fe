"""Recipes that have a name, with the source of their values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from didact import nets
from didact.engine.recipe import Recipe
from didact.spec import SpecError, nearest, shown, to_json

_PAPER_RATE = 0.05  # the papers' rate for ordinary networks, to which an entry's own rate is compared


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe that has a name.

    Attributes:
        text: what it is, in a line.
        source: where its values are from, and what belongs to it but is no part of a recipe.
        gentle: whether networks with a lower rate in the papers on CIFAR-100 (ShuffleNet,
            MobileNet) take so much less of this one's, too.
        teaching: by the name of a teacher's method, its settings where a request that names this
            recipe leaves them out.
    """

    text: str
    source: str
    recipe: Recipe
    gentle: bool = False
    teaching: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


RECIPES: dict[str, NamedRecipe] = {
    "paper": NamedRecipe(
        "240 epochs, batch 64, SGD 0.05 (0.01 for ShuffleNet and MobileNet), x0.1 at 150, 180, 210",
        "RepDistiller's set-up for CIFAR-100 (Tian, Krishnan, Isola, ICLR 2020), which the SFTN paper adopts.",
        Recipe(),
        gentle=True,
    ),
    "short": NamedRecipe(
        "one cycle over as many epochs as asked, batch 128, peak 0.1 (0.02 for ShuffleNet and MobileNet)",
        "A linear rise and a cosine fall in the manner of Smith and Topin (2017), with twice the paper recipe's rate for "
        "batches twice as large.",
        Recipe(epochs=12, batch_size=128, learning_rate=0.1, schedule="one-cycle"),
        gentle=True,
    ),
    "imagenet": NamedRecipe(
        "100 epochs, batch 256, SGD 0.1, weight decay 1e-4, x0.1 at 30, 60, 90",
        "The SFTN paper's set-up for ImageNet (Park et al., NeurIPS 2021). An SFTN teacher has lambda_KL 1 by it.",
        Recipe(epochs=100, batch_size=256, learning_rate=0.1, weight_decay=1e-4, milestones=(0.3, 0.6, 0.9)),
        teaching={"sftn": {"kl_weight": 1.0}},
    ),
    "modern": NamedRecipe(
        "300 epochs, batch 256, AdamW 2.5e-4, cosine after 5 epochs of warm-up, mixup, cutmix, smoothed labels, averaged weights",
        "DeiT's set-up for ImageNet (Touvron et al., ICML 2021, and its code): AdamW at 5e-4 for each 512 images of a batch, "
        "weight decay 0.05 but on norms and biases, mixup 0.8, cutmix 1, label smoothing 0.1, average 0.99996. It also has "
        "RandAugment, random erasing, stochastic depth and repeated augmentation, which are no part of a recipe.",
        Recipe(
            epochs=300,
            batch_size=256,
            optimiser="adamw",
            learning_rate=2.5e-4,
            weight_decay=0.05,
            decay_norms=False,
            schedule="cosine",
            warmup_epochs=5,
            mixup=0.8,
            cutmix=1.0,
            label_smoothing=0.1,
            ema=0.99996,
        ),
    ),
}


def complete(recipe: Recipe) -> dict[str, Any]:
    """Every field of a recipe as plain JSON data, also those that its canonical text leaves out at
    their defaults.
    """
    return {field.name: to_json(getattr(recipe, field.name)) for field in dataclasses.fields(recipe)}


def teaching(name: str) -> Mapping[str, Mapping[str, Any]]:
    """What belongs to the recipe called ``name`` of the methods that train a teacher; nothing for
    an unknown one.
    """
    return RECIPES[name].teaching if name in RECIPES else {}


def settings(name: str, net: str) -> dict[str, Any]:
    """The fields of the recipe called ``name`` for the network ``net``, ready to be overridden.

    Raises:
        SpecError: no recipe of that name.
    """
    if name not in RECIPES:
        raise SpecError(f"unknown recipe {shown(name)}{nearest(name, RECIPES)}")
    named = RECIPES[name]
    gentle = nets.entry(net).paper_rate / _PAPER_RATE if named.gentle else 1.0
    return complete(named.recipe) | {"learning_rate": named.recipe.learning_rate * gentle}
