"""The network that a finished run deploys, and how images are shown to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from didact.sharing.folder import opened
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
    about = {"image": network.image, "resize": stored(run.data)[1:], "classes": load(run.data).names}
    return Predictor(about, _logits(network.net, network.mean, network.std))


def packed_predictor(path: str, net: str | None = None) -> Predictor:
    """Answers for images by the network that is packed at ``path``. Classes without names are their numbers.

    Raises:
        RequestError: as of :func:`didact.sharing.load`.
    """
    network, known = opened(path, net)
    names = known.get("names") or [str(number) for number in range(known["classes"])]
    about = {"image": known["image"], "resize": known.get("resize", known["image"][1:]), "classes": names}
    return Predictor(about, _logits(network, known["mean"], known["std"]))


def _logits(net: nn.Module, mean: Sequence[float], std: Sequence[float]) -> Callable[[np.ndarray], np.ndarray]:
    shift, scale = (torch.tensor(values).view(-1, 1, 1) for values in (mean, std))

    @torch.no_grad()
    def logits(pixels: np.ndarray) -> np.ndarray:
        return net((torch.from_numpy(pixels) - shift) / scale).float().numpy()

    return logits
