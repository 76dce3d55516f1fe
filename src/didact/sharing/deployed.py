"""The network that a finished run deploys, and how images are shown to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from didact.data import facts, load, stored
from didact.deploy.predict import Predictor
from didact.nets import BlockNet
from didact.nets.blocks import Shape
from didact.runs.build import in_floats
from didact.runs.run import Run
from didact.store.record import Record
from didact.store.store import Store


@dataclass(frozen=True)
class Deployed:
    """The network that leaves.

    Attributes:
        net: as it was trained; ``rounds``: the same where it was trained in 8 bits, else None;
            ``plain``: in floats.
        image: (c, h, w) that it is shown.
        mean, std: of each channel, on the scale 0 to 1.
    """

    net: nn.Module
    rounds: BlockNet | None
    plain: nn.Module
    image: Shape
    mean: Sequence[float]
    std: Sequence[float]


def deployed(store: Store, run: Run, record: Record) -> Deployed:
    """The network of a finished run, frozen and in evaluation mode."""
    net = store.deployed(run).requires_grad_(False)
    known, kept = facts(run.data), record.images()
    rounds = net if run.recipe.bits == 8 and isinstance(net, BlockNet) else None
    plain = net if rounds is None else in_floats(run, rounds)
    mean, std = kept.get("mean", list(known.mean)), kept.get("std", list(known.std))
    return Deployed(net, rounds, plain, known.image, mean, std)


def predictor(store: Store, run: Run, record: Record) -> Predictor:
    """Answers for images by the network of a finished run, computed by torch in 32 bits, or in the
    8 bits of its training.

    Raises:
        DataError: the images of the run are missing, which name its classes.
    """
    network = deployed(store, run, record)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (network.mean, network.std))

    @torch.no_grad()
    def logits(pixels: np.ndarray) -> np.ndarray:
        return network.net((torch.from_numpy(pixels) - mean) / std).float().numpy()

    about = {"image": network.image, "resize": stored(run.data)[1:], "classes": load(run.data).names}
    return Predictor(about, logits)
