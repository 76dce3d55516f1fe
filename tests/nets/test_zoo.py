"""The zoo against published counts and shapes, and the spellings of its names."""

import re
import sys
import types

import pytest
import torch
from torch import nn

from didact.nets import zoo
from didact.nets.blocks import BlockNet, macs, parameters
from didact.nets.zoo import Entry, create, entry, names, resolve
from didact.spec import SpecError
from support import plain

# name | parameters | million multiply-accumulates | stem / features / pooled, for 3x32x32 and 100 classes (C@H: C x H x H).
# Measured on RepDistiller's and SimKD's networks.
TABLE = """
resnet8 | 83,892 | 12.51 | 16@32 / 16@32 / 32@16 / 64@8 / 64
resnet14 | 181,108 | 26.66 | 16@32 / 16@32 / 32@16 / 64@8 / 64
resnet20 | 278,324 | 40.82 | 16@32 / 16@32 / 32@16 / 64@8 / 64
resnet32 | 472,756 | 69.13 | 16@32 / 16@32 / 32@16 / 64@8 / 64
resnet44 | 667,188 | 97.44 | 16@32 / 16@32 / 32@16 / 64@8 / 64
resnet56 | 861,620 | 125.75 | 16@32 / 16@32 / 32@16 / 64@8 / 64
resnet110 | 1,736,564 | 253.16 | 16@32 / 16@32 / 32@16 / 64@8 / 64
resnet8x4 | 1,233,540 | 177.07 | 32@32 / 64@32 / 128@16 / 256@8 / 256
resnet32x4 | 7,433,860 | 1083.04 | 32@32 / 64@32 / 128@16 / 256@8 / 256
ResNet50 | 23,705,252 | 1298.01 | 64@32 / 256@32 / 512@16 / 1024@8 / 2048@4 / 2048
wrn_16_1 | 180,916 | 26.66 | 16@32 / 16@32 / 32@16 / 64@8 / 64
wrn_16_2 | 703,284 | 101.12 | 16@32 / 32@32 / 64@16 / 128@8 / 128
wrn_40_1 | 569,780 | 83.29 | 16@32 / 16@32 / 32@16 / 64@8 / 64
wrn_40_2 | 2,255,156 | 327.61 | 16@32 / 32@32 / 64@16 / 128@8 / 128
vgg8 | 3,965,028 | 96.19 | 64@32 / 128@16 / 256@8 / 512@4 / 512@4 / 512
vgg11 | 9,277,284 | 209.44 | 64@32 / 128@16 / 256@8 / 512@4 / 512@4 / 512
vgg13 | 9,462,180 | 284.94 | 64@32 / 128@16 / 256@8 / 512@4 / 512@4 / 512
vgg16 | 14,774,436 | 398.18 | 64@32 / 128@16 / 256@8 / 512@4 / 512@4 / 512
vgg19 | 20,086,692 | 511.43 | 64@32 / 128@16 / 256@8 / 512@4 / 512@4 / 512
MobileNetV2 | 812,836 | 6.52 | 16@16 / 12@16 / 16@8 / 48@4 / 160@2 / 1280
ShuffleV1 | 949,258 | 38.69 | 24@32 / 240@16 / 480@8 / 960@4 / 960
ShuffleV2 | 1,355,528 | 44.50 | 24@32 / 116@16 / 232@8 / 464@4 / 1024
resnet38 | 569,972 | 83.29 | 16@32 / 16@32 / 32@16 / 64@8 / 64
resnet116 | 1,833,780 | 267.31 | 16@32 / 16@32 / 32@16 / 64@8 / 64
resnet14x2 | 703,732 | 101.12 | 16@32 / 32@32 / 64@16 / 128@8 / 128
resnet38x2 | 2,255,604 | 327.61 | 16@32 / 32@32 / 64@16 / 128@8 / 128
resnet110x2 | 6,911,220 | 1007.09 | 16@32 / 32@32 / 64@16 / 128@8 / 128
resnet14x4 | 2,783,620 | 403.56 | 32@32 / 64@32 / 128@16 / 256@8 / 256
resnet38x4 | 8,983,940 | 1309.53 | 32@32 / 64@32 / 128@16 / 256@8 / 256
MobileNetV2_1_0 | 2,353,060 | 22.38 | 32@16 / 24@16 / 32@8 / 96@4 / 320@2 / 1280
ShuffleV2_1_5 | 2,580,548 | 93.76 | 24@32 / 176@16 / 352@8 / 704@4 / 1024
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]


def shape(cell: str) -> tuple[int, ...]:
    """(c, h, h) of "C@H", (d,) of a bare number."""
    channels, _, size = cell.strip().partition("@")
    return (int(channels), int(size), int(size)) if size else (int(channels),)


def test_the_table_covers_the_zoo() -> None:
    tabled = [resolve(row[0]) for row in ROWS]
    assert len(tabled) == len(set(tabled)) >= 30
    assert {*names()} - {*tabled} == {"resnet8x2", *IMAGENET}  # for the first no count is published


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_counts_and_shapes_are_the_published_ones(row: list[str]) -> None:
    name, params, millions, maps = row
    with torch.device("meta"):
        net = create(name, 100)
    stem, *features, pooled = (shape(cell) for cell in maps.split("/"))
    assert parameters(net) == int(params.replace(",", ""))
    assert f"{macs(net, (3, 32, 32)) / 1e6:.2f}" == millions
    found = net.shapes((3, 32, 32))
    assert (found.stem, found.features, found.pooled, found.classes) == (stem, tuple(features), pooled, 100)


# For 3x224x224 and 1000 classes, as measured on SimKD's and torchvision's networks; features, then those for 3x64x64.
IMAGENET = {
    "resnet18_imagenet": (11_689_512, 1814.07, "64@56 / 128@28 / 256@14 / 512@7", "64@16 / 128@8 / 256@4 / 512@2"),
    "resnet34_imagenet": (21_797_672, 3663.76, "64@56 / 128@28 / 256@14 / 512@7", "64@16 / 128@8 / 256@4 / 512@2"),
    "resnet50_imagenet": (25_557_032, 4089.18, "256@56 / 512@28 / 1024@14 / 2048@7", "256@16 / 512@8 / 1024@4 / 2048@2"),
}


@pytest.mark.parametrize("name", IMAGENET)
def test_imagenets_networks_have_the_published_counts_and_shapes(name: str) -> None:
    params, millions, large, small = IMAGENET[name]
    with torch.device("meta"):
        net = create(name, 1000)
    assert parameters(net) == params
    assert f"{macs(net, (3, 224, 224)) / 1e6:.2f}" == f"{millions}"
    for size, maps in ((224, large), (64, small)):
        found = net.shapes((3, size, size))
        assert found.stem == (64, size // 4, size // 4)
        assert found.features == tuple(shape(cell) for cell in maps.split("/"))
        assert found.pooled == found.features[-1][:1]


def test_resnet8x2_lies_between_its_neighbours() -> None:
    with torch.device("meta"):
        small, net, large = (create(name, 100) for name in ("resnet8", "resnet8x2", "resnet8x4"))
    assert parameters(small) < parameters(net) == 320_260 < parameters(large)
    assert net.shapes((3, 32, 32)).features == ((32, 32, 32), (64, 16, 16), (128, 8, 8))


SPELLINGS = {
    "wrn_40_2": ["WRN40-2", "wrn-40-2", "WRN_40_2", "WRN 40-2", "WideResNet-40-2", "Wide ResNet 40-2", "wrn40_2"],
    "wrn_16_1": ["WRN16-1", "wrn_16_1"],
    "shufflenet_v1": ["ShuffleV1", "ShuffleNetV1", "shufflenet-v1", "ShuffleNet V1"],
    "shufflenet_v2": ["ShuffleV2", "ShuffleNetV2"],
    "shufflenet_v2_x1_5": ["ShuffleV2x1.5", "ShuffleV2_1_5", "ShuffleNetV2x1.5", "ShuffleNetV2×1.5", "ShuffleNetV2_1_5"],
    "mobilenet_v2": ["MobileNetV2", "mobilenetv2", "MobileNet-V2", "MobileNetV2 0.5", "MobileNetV2x0.5"],
    "mobilenet_v2_x2": ["MobileNetV2x2", "MobileNetV2_1_0", "MobileNetV2×2"],
    "resnet50": ["ResNet50", "ResNet-50", "resnet_50"],
    "resnet34_imagenet": ["ResNet34-ImageNet", "resnet-34 imagenet"],
    "resnet32x4": ["resnet32×4", "ResNet-32x4", "ResNet32X4"],
    "resnet8x4": ["ResNet-8x4", "resnet8x4", "resnet 8 x 4"],
    "vgg13": ["VGG13", "VGG-13", "vgg_13"],
    "vgg8": ["VGG-8", "VGG8"],
}


def test_every_spelling_of_the_papers_is_understood() -> None:
    for name, spellings in SPELLINGS.items():
        assert {resolve(spelling) for spelling in spellings} == {name}


def test_canonical_names_resolve_to_themselves_and_are_distinct() -> None:
    assert len(names()) == len(set(names())) == 35
    assert [resolve(name) for name in names()] == list(names())
    assert [resolve(name.upper()) for name in names()] == list(names())


@pytest.mark.parametrize(("wrong", "meant"), [("resnet32x5", "'resnet32x4'"), ("WRN40-3", "'wrn_40_"), ("vg13", "'vgg13'")])
def test_a_wrong_name_lists_the_nearest(wrong: str, meant: str) -> None:
    for ask in (resolve, entry, lambda name: create(name, 10)):
        with pytest.raises(SpecError, match=f"unknown network '{wrong}'.*did you mean.*{meant}"):
            ask(wrong)


def test_a_hopeless_name_lists_all() -> None:
    with pytest.raises(SpecError, match=r"known: .*mobilenet_v2.*wrn_40_2"):
        resolve("qqqq")


def test_rates_are_the_papers() -> None:
    slow = {name for name in names() if entry(name).paper_rate == 0.01}
    assert slow == {"shufflenet_v1", "shufflenet_v2", "shufflenet_v2_x1_5", "mobilenet_v2", "mobilenet_v2_x2"}
    assert {entry(name).paper_rate for name in names()} == {0.01, 0.05}
    assert entry("WRN40-2") == Entry("wrn_40_2", "wide_resnet", 0.05)


@pytest.mark.parametrize(("classes", "channels"), [(0, 3), (-1, 3), (10, 0)])
def test_impossible_numbers_are_refused(classes: int, channels: int) -> None:
    with pytest.raises(ValueError, match="at least one class and one channel"):
        create("resnet8", classes, channels)


@pytest.fixture
def own_module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("nets_of_my_own")
    module.small = lambda classes, channels: create("resnet8", classes, channels)  # type: ignore[attr-defined]
    module.plain = lambda classes, channels: nn.Linear(channels, classes)  # type: ignore[attr-defined]
    module.number = lambda classes, channels: classes  # type: ignore[attr-defined]
    module.whole = lambda classes, channels: plain.residual()  # type: ignore[attr-defined]
    module.constant = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_a_constructor_of_ones_own(own_module: types.ModuleType) -> None:
    net = create("nets_of_my_own:small", 7, 1)
    assert isinstance(net, BlockNet)
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 7)
    assert resolve("nets_of_my_own:small") == "nets_of_my_own:small"
    assert entry("nets_of_my_own:small") == Entry("nets_of_my_own:small", "", 0.05)


def test_any_classifier_of_ones_own_is_split(own_module: types.ModuleType) -> None:
    net = create("nets_of_my_own:whole", plain.CLASSES, size=32)
    assert isinstance(net, BlockNet) and len(net) == 4
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, plain.CLASSES)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module_here:net", "cannot import 'no_such_module_here'"),
        (":net", "cannot import ''"),
        ("nets_of_my_own:smal", "holds no function 'smal'.*did you mean 'small'"),
        ("nets_of_my_own:constant", "holds no function 'constant'"),
        ("nets_of_my_own:number", "should return a didact.nets.BlockNet or another torch.nn.Module, found int"),
        ("nets_of_my_own:plain", r"'nets_of_my_own:plain': Linear cannot take 2 images of shape \(3, 32, 32\)"),
    ],
)
def test_a_constructor_that_fails_is_explained(own_module: types.ModuleType, name: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        create(name, 10)


def test_names_are_told_without_building(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a network was built")

    monkeypatch.setattr(BlockNet, "__init__", refuse)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) and entry(resolve(name)).name == name for name in zoo.names())
