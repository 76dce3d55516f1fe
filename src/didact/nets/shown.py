"""Images as another network was trained to see them: with its own mean, standard deviation and
size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.nets.blocks import BlockNet


class Shown(nn.Module):
    """Undoes the normalisation of the data, does the network's own, and resizes.

    Args:
        mean, std: of each channel, on the scale 0 to 1, as the network was trained.
        data_mean, data_std: as the images are normalised that it is given.
        size: height and width that it is shown, bilinear; None leaves the images as they are.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        data_mean: Sequence[float],
        data_std: Sequence[float],
        size: int | None,
    ) -> None:
        super().__init__()
        self.mean, self.std, self.size = tuple(mean), tuple(std), size
        self.register_buffer("scale", torch.ones(len(self.mean), 1, 1))
        self.register_buffer("shift", torch.zeros(len(self.mean), 1, 1))
        self.given(data_mean, data_std)

    def given(self, data_mean: Sequence[float], data_std: Sequence[float]) -> None:
        """Take images that are normalised with these numbers from now on."""
        columns = list(zip(data_mean, data_std, self.mean, self.std, strict=True))
        scale = [data_std / std for _, data_std, _, std in columns]
        shift = [(data_mean - mean) / std for data_mean, _, mean, std in columns]
        self.scale.copy_(torch.tensor(scale, device="cpu")[:, None, None])
        self.shift.copy_(torch.tensor(shift, device="cpu")[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        images = images * self.scale + self.shift
        if self.size is None:
            return images
        smaller = self.size < min(images.shape[2:])
        return F.interpolate(images, (self.size, self.size), mode="bilinear", antialias=smaller)


def shown(net: BlockNet, adaptation: Shown) -> BlockNet:
    """``net`` with ``adaptation`` before its stem, in place."""
    assert net.stem is not None, "only a whole network is shown images"
    net.stem = nn.Sequential(adaptation, net.stem)
    return net


def bare(net: BlockNet) -> BlockNet:
    """``net`` without what :func:`shown` put before its stem, sharing its weights."""
    if adaptation(net) is None:
        return net
    assert isinstance(net.stem, nn.Sequential)
    return BlockNet(net.stem[1], net.blocks.items(), net.head)


def adaptation(net: BlockNet) -> Shown | None:
    """What :func:`shown` put before the stem of a network; None where it sees the images of the
    data as they are."""
    stem = getattr(net, "stem", None)
    first = stem[0] if isinstance(stem, nn.Sequential) and len(stem) else None
    return first if isinstance(first, Shown) else None
