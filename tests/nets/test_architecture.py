"""Networks that are spelt out by their names: the spelling, the network, and what it costs against what is built."""

from __future__ import annotations

import re
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from didact.nets.architecture import Architecture, Stage, cost, is_architecture, parse, stage_parameters
from didact.nets.blocks import BlockNet, macs, parameters
from didact.nets.layers import Residual
from didact.nets.norms import last_norm
from didact.nets.zoo import Entry, create, entry, names, resolve
from didact.spec import SpecError, shown

BASIC = "basic-8-2x8-1x12k5e0.5-3x16"
INVERTED = "inverted-8s2-1x8e1-2x12k5-2x16e3s1-h24"
EXPANSIONS = st.sampled_from([0.25, 0.5, 1.0, 1.5, 3.0, 6.0]) | st.floats(0.01, 4)


Numbers = tuple[Literal["basic", "inverted"], int, list[tuple[int, int, int, float, int]], int, int]


def numbers(expansions: st.SearchStrategy[float] = EXPANSIONS) -> st.SearchStrategy[Numbers]:
    """What :func:`built` makes an architecture of: kind, stem, stages, head, stride of the stem."""
    small = st.integers(1, 9)
    stage = st.tuples(st.integers(1, 3), small, st.sampled_from([1, 3, 5, 7]), expansions, st.integers(1, 3))
    stages = st.lists(stage, min_size=1, max_size=4)
    return st.tuples(st.sampled_from(["basic", "inverted"]), small, stages, st.integers(0, 9), st.integers(1, 3))


def built(given_: Numbers) -> Architecture:
    kind, stem, stages, *rest = given_
    return Architecture(kind, stem, tuple(Stage(*s) for s in stages), *rest)


# ------------------------------------------------------------------------------------------------ the name


@given(numbers(st.floats(1e-6, 100)))
def test_a_name_gives_its_architecture_back(drawn: Numbers) -> None:
    made = built(drawn)
    assert parse(made.name) == made == parse(made.name.upper())
    assert parse(made.name).name == made.name == resolve(made.name)
    assert is_architecture(made.name)
    assert re.fullmatch(r"[a-z0-9.-]+", made.name)  # it is part of a folder's name


@pytest.mark.parametrize(
    ("given_", "canonical"),
    [
        ("BASIC-16-1X16S1-02x32K3E1s2", "basic-16-1x16-2x32"),
        ("basic-016s1-1x16-1x32s1", "basic-16-1x16-1x32s1"),
        ("basic-16-1x16s2", "basic-16-1x16s2"),
        ("basic-16-1x16e1.50-h0", "basic-16-1x16e1.5"),
        ("inverted-16s2-1x16e6.0-2x24e1-h064", "inverted-16s2-1x16-2x24e1-h64"),
        ("inverted-16-1x16e0.00001", "inverted-16-1x16e0.00001"),
    ],
)
def test_what_is_usual_is_left_out(given_: str, canonical: str) -> None:
    assert parse(given_).name == resolve(given_) == canonical
    assert entry(given_).name == canonical


FORM = r"; the form is <kind>-<stem>-<units>x<width>\[k<kernel>\].*basic-16-1x16"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("basic-16", "a stem and at least one stage are wanted" + FORM),
        ("basic-", "a stem and at least one stage are wanted" + FORM),
        ("basic-16-h32", "a stem and at least one stage are wanted" + FORM),
        ("basic-1x16-1x32", "'1x16' is no stem" + FORM),
        ("basic-16-1y16-1x32", "'1y16' is no stage" + FORM),
        ("basic-16-1x16--1x32", "'' is no stage" + FORM),
        ("basic-16-1x16-h8-1x32", "'h8' is no stage" + FORM),
        ("basic-16-1x16e0.5k5", "'1x16e0.5k5' is no stage" + FORM),
        ("basic-16-1x16k3.5", "'1x16k3.5' is no stage" + FORM),
        ("basic-16-1x-16", "'1x' is no stage" + FORM),
        ("basic-0-1x16", "'0': the stem's width and stride are at least 1"),
        ("basic-16s0-1x16", "'16s0': the stem's width and stride are at least 1"),
        ("basic-16-1x16-1x32k4", "'1x32k4': a kernel is odd, found 4; write k3 or k5"),
        ("basic-16-1x16k0", "'1x16k0': a kernel is odd, found 0; write k1 or k3"),
        ("inverted-16-0x16", "'0x16': units, width and stride are at least 1"),
        ("inverted-16-1x0", "'1x0': units, width and stride are at least 1"),
        ("inverted-16-1x16s0", "'1x16s0': units, width and stride are at least 1"),
        ("inverted-16-1x16e0", "'1x16e0': .* an expansion is more than 0"),
        ("inverted-16-1x16e101", "an expansion 100"),
        ("basic-16-1x" + "9" * 5000, "is no stage"),
        ("basic-" + "9" * 5000 + "-1x16", "is no stem"),
        ("basic-16-1x16-1x99999", "a width of 99999; 65536 channels are the most"),
        ("basic-16-999x16-2x16", "1001 units in all; 1000 are the most"),
        ("basic-16" + "-1x8" * 33, "33 stages; 32 are the most"),
        ("basic-16-1x16k101", "a kernel is at most 99"),
        ("basic-16-1x\N{ARABIC-INDIC DIGIT ONE}", "is no stage"),
        ("bottleneck-16-1x16", "it begins with basic or inverted" + FORM),
    ],
)
def test_what_spells_nothing_is_refused(wrong: str, said: str) -> None:
    for ask in (parse, resolve, entry, lambda name: create(name, 10)):
        with pytest.raises(SpecError, match=f"^{re.escape(shown(wrong))} spells no architecture: .*{said}"):
            ask(wrong)


def test_the_zoos_names_spell_nothing() -> None:
    others = ["WRN-40-2", "ResNet-8x4", "wide-resnet-40-2", "resnet 8 x 4", "vgg-13", "module:basic-16", "basic"]
    assert not any(map(is_architecture, [*names(), *others]))


def test_what_is_known_of_one() -> None:
    assert entry(BASIC) == Entry(BASIC, "architecture", 0.05)
    assert entry(INVERTED) == Entry(INVERTED, "architecture", 0.01)
    assert parse(BASIC).inputs == (
        (8, Stage(2, 8, 3, 1.0, 1)),
        (8, Stage(1, 12, 5, 0.5, 2)),
        (12, Stage(3, 16, 3, 1.0, 2)),
    )
    assert parse("basic-8-1x8-1x9").family == parse("basic-4-3x5k7-2x7e0.5").family
    others = ["inverted-8-1x8-1x9", "basic-8s2-1x8-1x9", "basic-8-1x8-1x9s1", "basic-8-1x8", "basic-8-1x8-1x9-h4"]
    assert len({parse(name).family for name in ["basic-8-1x8-1x9", *others]}) == 6


# ------------------------------------------------------------------------------------------------ what it costs


def test_cost_by_hand() -> None:
    # a stem of 9 x 1 x 2 weights and 2 x 2 for its norm, one stage at 4x4 pixels, 3 x 5 + 5 for the classifier
    basic = (22 + (2 * 3 * 9 + 6) + (3 * 3 * 9 + 6) + (2 * 3 + 6) + 20, 16 * (18 + 54 + 81 + 6) + 15)
    inverted = (22 + (2 * 12 + 24) + (12 * 9 + 24) + (12 * 3 + 6) + 20, 16 * (18 + 24 + 108 + 36) + 15)
    for name, expected in (("basic-2-1x3", basic), ("inverted-2-1x3", inverted)):
        found = cost(parse(name), 5, (1, 4, 4))
        assert (found.parameters, found.macs) == expected
    strided = cost(parse("basic-2s2-1x3s2"), 5, (1, 5, 4))  # 5x4, 3x2, 2x1
    assert strided.macs == 18 * 6 + (54 + 81 + 6) * 2 + 15


@given(numbers(), st.integers(1, 4), st.integers(1, 20), st.integers(1, 20), st.integers(1, 11))
def test_cost_is_that_of_the_network_built(drawn: Numbers, channels: int, height: int, width: int, classes: int) -> None:
    made = built(drawn)
    with torch.device("meta"):
        net = create(made.name, classes, channels)
    image = (channels, height, width)
    found = cost(made, classes, image)
    assert found.parameters == parameters(net)
    assert found.macs == macs(net, image)
    stages = [stage_parameters(made.kind, source, stage) for source, stage in made.inputs]
    assert stages == [parameters(block) for block in net]


# ------------------------------------------------------------------------------------------------ the network


@settings(max_examples=10)
@given(numbers(), st.integers(1, 9))
def test_it_is_a_network_of_blocks(drawn: Numbers, size: int) -> None:
    made = built(drawn)
    with torch.device("meta"):
        net = create(made.name, 7, 2)
    shapes = net.shapes((2, size, size))
    assert list(net.blocks) == [str(i) for i in range(1, len(made.stages) + 1)]
    assert [f[0] for f in shapes.features] == [s.width for s in made.stages]
    assert (shapes.stem[0], shapes.pooled, shapes.classes) == (made.stem, (made.head or made.stages[-1].width,), 7)
    for _, stride in [(0, made.stem_stride), *((1, s.stride) for s in made.stages)]:
        size = -(-size // stride)
    assert shapes.features[-1][1:] == (size, size)


def test_only_sizes_differ_within_a_family() -> None:
    """A first unit has its projection (basic) or no shortcut (inverted) whatever the widths."""
    for block in create("basic-8-3x8-2x8s1", 5):
        units = [m for m in block.modules() if isinstance(m, Residual)]
        assert [isinstance(u.shortcut, nn.Identity) for u in units] == [False] + [True] * (len(units) - 1)
        assert isinstance(block.act, nn.ReLU)
    for block in create("inverted-8-3x8-2x8s1", 5):
        assert isinstance(block.act, nn.Identity)
        assert not isinstance(block.body[0], Residual)  # type: ignore[index]
        assert all(isinstance(unit, Residual) for unit in block.body[1:])  # type: ignore[index]
    tensors = [create(name, 5).state_dict() for name in ("basic-8-1x8-1x16s1", "basic-4-1x9k5-1x3e0.3s1")]
    assert tensors[0].keys() == tensors[1].keys()


def test_it_is_initialised_as_the_zoo_is() -> None:
    torch.manual_seed(3)
    weights = [m.weight for m in create("basic-64-1x64-1x64", 5).modules() if isinstance(m, nn.Conv2d)]
    for w in weights:
        expected = (2 / (w.shape[0] * w.shape[2] * w.shape[3])) ** 0.5
        assert w.std().item() == pytest.approx(expected, rel=0.1)
        assert abs(w.mean().item()) < 0.1 * expected


@pytest.mark.parametrize("name", [BASIC, INVERTED])
def test_it_is_exported(name: str) -> None:
    net, images = create(name, 5, 1).eval(), torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(torch.export.export(net, (images,)).module()(images), net(images))


def norm_and_before(net: BlockNet, block: int) -> tuple[Tensor, Tensor, list[Tensor]]:
    """What the block's last norm gave, the value before activation, and what was added to the former."""
    norm, added = last_norm(net, block), []
    assert norm is not None
    given_: list[Tensor] = []
    norm.register_forward_hook(lambda module, args, output: given_.append(output))
    last = list(net)[block].body[-1]  # type: ignore[index]
    if isinstance(last, Residual):
        last.shortcut.register_forward_hook(lambda module, args, output: added.append(output))
    with torch.no_grad():
        seen = net.train().outputs(torch.randn(3, 3, 16, 16))
    (only,) = given_
    return only, seen.preacts[block], added


@pytest.mark.parametrize("name", [BASIC, INVERTED])
@pytest.mark.parametrize("block", [0, 1, 2])
def test_the_last_norm_gives_the_value_before_activation(name: str, block: int) -> None:
    given_, before, added = norm_and_before(create(name, 5), block)
    assert torch.equal(before, sum(added, given_))
    assert len(added) == (0 if (name, block) == (INVERTED, 0) else 1)  # its only unit is no sum
