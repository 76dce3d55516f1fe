"""A network that is shown the images with its own normalisation and size."""

import torch
import torch.nn.functional as F

from didact.nets.folded import folded
from didact.nets.shown import Shown, adaptation, bare, shown
from support.training import network

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.1, 0.3)
DATA_MEAN, DATA_STD = (0.1, 0.2, 0.3), (0.3, 0.5, 0.7)


def normalised(pixels: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    return (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


@torch.no_grad()
def test_the_network_sees_its_own_normalisation_and_size() -> None:
    pixels = torch.rand(4, 3, 16, 16)
    plain = network("resnet8", channels=3).eval()
    net = shown(network("resnet8", channels=3).eval(), Shown(MEAN, STD, DATA_MEAN, DATA_STD, size=None))
    given = normalised(pixels, DATA_MEAN, DATA_STD)
    expected = plain(normalised(pixels, MEAN, STD))
    torch.testing.assert_close(net(given), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(folded(net)(given), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(net.run(net.run(given, 0, 2), 2), expected, rtol=1e-4, atol=1e-4)
    assert net.state_dict().keys() > {"stem.0.scale", "stem.1.0.weight"}
    assert bare(net).state_dict().keys() == plain.state_dict().keys() and bare(plain) is plain
    assert adaptation(plain) is None


@torch.no_grad()
def test_sizes_up_and_down() -> None:
    pixels = torch.rand(2, 3, 16, 16)
    for size in (8, 24):
        part = Shown(MEAN, STD, MEAN, STD, size)
        expected = F.interpolate(pixels, (size, size), mode="bilinear", antialias=size < 16)
        torch.testing.assert_close(part(pixels), expected, rtol=1e-5, atol=1e-5)
        net = shown(network("resnet8", channels=3).eval(), part)
        assert net.shapes((3, 16, 16)).features[0] == (16, size, size)
        assert net(pixels).shape == (2, 10)


def test_the_statistics_of_the_data_come_when_they_are_known() -> None:
    part = Shown(MEAN, STD, MEAN, STD, None)
    part.given(DATA_MEAN, DATA_STD)
    assert part.scale.flatten().tolist() == torch.tensor([1.5, 5.0, 7 / 3]).tolist()
    torch.testing.assert_close(part.shift.flatten(), torch.tensor([-2.0, -2.0, 0.0]))
