"""Which device holds which network: the arithmetic, at its edges."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
from torch import nn

from didact import nets
from didact.deploy.device import Device
from didact.deploy.fit import Footprint, Verdict, fit, fits, footprint, members
from didact.nets import BlockNet
from didact.nets.blocks import parameters
from didact.nets.supernet import SPACES
from didact.spec import SpecError

PAGE = Path(__file__).parents[2] / "docs" / "devices.md"
NEED = Footprint(parameters=1000, peak=300)


def device(memory: int, weight_memory: int | None = None, bits: tuple[int, ...] = ()) -> Device:
    return Device(name="d", what="x", memory=memory, weight_memory=weight_memory, bits=bits)


def verdict(device: Device, bits: int = 8) -> Verdict:
    return fit("net", NEED, bits, [device]).verdicts[0]


def test_bytes_are_rounded_up() -> None:
    need = Footprint(parameters=5, peak=3)
    assert [need.weights(bits) for bits in (1, 3, 4, 8, 16, 32)] == [1, 2, 3, 5, 10, 20]
    assert [need.activations(bits) for bits in (1, 3, 8, 32)] == [1, 2, 3, 12]


def test_a_shared_memory_holds_the_sum() -> None:
    assert verdict(device(1300)).fits
    short = verdict(device(1299))
    assert (short.fits, short.limit, dict(short.missing)) == (False, "memory", {"memory": 1})
    assert dict(verdict(device(1300), 32).missing) == {"memory": 4 * 1300 - 1300}


def test_memories_of_their_own_are_held_against_each() -> None:
    assert verdict(device(300, 1000)).fits
    assert dict(verdict(device(300, 999)).missing) == {"weights": 1}
    assert dict(verdict(device(299, 1000)).missing) == {"activations": 1}
    both = verdict(device(290, 999))
    assert dict(both.missing) == {"weights": 1, "activations": 10} and both.limit == "activations"


def test_a_width_that_is_not_executed_does_not_fit() -> None:
    assert verdict(device(10**9, bits=(8,))).fits
    other = verdict(device(10**9, bits=(8,)), 32)
    assert (other.fits, other.executes, other.limit, dict(other.missing)) == (False, False, "bits", {})


def test_footprint_of_a_network() -> None:
    need = footprint(nets.create("resnet8", 100), (3, 32, 32))
    assert need == Footprint(83_892, 49_152)
    # CIFAR's number of classes changes the classifier only
    assert footprint(nets.create("resnet8", 10), (3, 32, 32)).parameters == 83_892 - 65 * 90


def test_a_folded_norm_is_never_larger_than_what_is_counted() -> None:
    net = nets.create("resnet8x4", 100)
    norms = [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]
    # docs/devices.md names both figures
    assert (sum(norm.num_features for norm in norms), parameters(net)) == (1_376, 1_233_540)


@pytest.mark.parametrize("name", ["resnet8", "resnet8x4", "mobilenet_v2"])
def test_what_scales_take_in_eight_bits(name: str) -> None:
    net = nets.create(name, 100)
    channels = [part.weight.shape[0] for part in net.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    each, weights = 4 * sum(channels), parameters(net)
    row = f"| {name} | {weights:,} bytes | {each:,} ({100 * each / weights:.1f} %) | {4 * len(channels)} | {each:,} |"
    assert row in PAGE.read_text(encoding="utf-8")


def test_fits_has_a_row_for_each_network_and_width() -> None:
    rows = fits(["resnet8", "vgg8"], [8, 32], [device(10**6)], (3, 32, 32), 100)
    assert [(row.network, row.bits) for row in rows] == [("resnet8", 8), ("resnet8", 32), ("vgg8", 8), ("vgg8", 32)]
    assert rows[1].weights == 4 * rows[0].weights == 4 * 83_892
    assert [row.verdicts[0].fits for row in rows] == [True, True, False, False]


def own_net(classes: int, channels: int) -> BlockNet:
    net = nets.create("resnet8", classes, channels)
    assert all(p.detach().isfinite().all() for p in net.parameters())  # needs numbers, not the meta device
    return net


def test_a_network_of_one_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("net_of_mine")
    module.__dict__["make"] = own_net
    monkeypatch.setitem(sys.modules, "net_of_mine", module)
    assert members("net_of_mine:make, ResNet-8,resnet8") == ("net_of_mine:make", "resnet8")
    mine, ours = fits(["net_of_mine:make", "resnet8"], [8], [device(1)], (1, 16, 16), 10)
    assert (mine.weights, mine.activations) == (ours.weights, ours.activations)


def test_of_a_pool_its_ends_and_some_drawn_students_are_shown() -> None:
    tiny = SPACES["tiny"]
    assert members("tiny", students=2, draw=3) == (tiny.smallest, *tiny.draw(2, 3), tiny.largest)
    assert members("ResNet-8, tiny,resnet8", students=0) == ("resnet8", tiny.smallest, tiny.largest)


def test_misuse() -> None:
    with pytest.raises(SpecError, match="'resnet9' is neither a pool nor a network; did you mean"):
        members("resnet8,resnet9")
    with pytest.raises(SpecError, match="'tinny' is neither a pool nor a network; did you mean 'tiny'"):
        members("tinny")
    with pytest.raises(SpecError, match="3000 different students requested from a pool of 2304"):
        members("tiny", students=3000)
    for nothing in ("", " , "):
        with pytest.raises(SpecError, match="name at least one network"):
            members(nothing)
    for bits in (0, 33):
        with pytest.raises(SpecError, match=f"bits: a whole number from 1 to 32, found {bits}"):
            fits(["resnet8"], [bits], [], (3, 32, 32), 10)
    with pytest.raises(SpecError, match="vgg8: images of 4x4 do not survive"):
        fits(["vgg8"], [8], [], (3, 4, 4), 10)
