"""Transforms, regressors, and which blocks belong together."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from didact.nets.adapt import Frozen, Regressor, Resize, Transform, match
from didact.nets.blocks import Shape, join
from didact.nets.zoo import create

sizes = st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40))


def after(module: nn.Module, shape: Shape) -> Shape:
    """The shape that ``module`` makes of a map of ``shape``, found without running data."""
    return tuple(module.to("meta").eval()(torch.zeros(1, *shape, device="meta")).shape[1:])


def kinds(module: nn.Module) -> list[str]:
    return [type(m).__name__ for m in module.modules() if not list(m.children())]


@pytest.mark.parametrize(
    ("source", "target", "convolutions"),
    [
        ((6, 8, 8), (4, 8, 8), [("Conv2d", 6, 4, 1)]),
        ((6, 16, 16), (4, 8, 8), [("Conv2d", 6, 4, 3)]),
        ((6, 32, 32), (4, 8, 8), [("Conv2d", 6, 4, 3), ("Conv2d", 4, 4, 3)]),
        ((6, 33, 33), (4, 9, 9), [("Conv2d", 6, 4, 3), ("Conv2d", 4, 4, 3)]),
        ((6, 4, 4), (4, 8, 8), [("ConvTranspose2d", 6, 4, 4)]),
        ((6, 2, 2), (4, 8, 8), [("ConvTranspose2d", 6, 4, 4), ("ConvTranspose2d", 4, 4, 4)]),
    ],
)
def test_a_transform_is_the_papers_row_of_layers(source: Shape, target: Shape, convolutions: list[tuple]) -> None:
    transform = Transform(source, target)
    assert kinds(transform) == [kind for conv in convolutions for kind in (conv[0], "BatchNorm2d", "ReLU")]
    found = [m for m in transform.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert [(type(m).__name__, m.in_channels, m.out_channels, m.kernel_size[0]) for m in found] == convolutions
    assert after(transform, source) == target


@pytest.mark.parametrize(
    ("source", "target", "convolution"),
    [
        ((3, 9, 9), (3, 8, 8), "Conv2d"),
        ((3, 17, 17), (3, 8, 8), "Conv2d"),
        ((3, 9, 9), (3, 17, 17), "ConvTranspose2d"),
        ((3, 4, 4), (3, 5, 5), "Conv2d"),
        ((3, 8, 4), (3, 4, 8), "Conv2d"),
    ],
)
def test_a_transform_meets_odd_sizes_before_its_last_activation(source: Shape, target: Shape, convolution: str) -> None:
    transform = Transform(source, target)
    assert kinds(transform) == [convolution, "BatchNorm2d", "Resize", "ReLU"]
    assert after(transform, source) == target


@given(source=sizes, target=sizes)
@settings(deadline=None, max_examples=60)
def test_a_transform_meets_any_shape(source: Shape, target: Shape) -> None:
    assert after(Transform(source, target), source) == target


def test_resizing_by_hand() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert Resize((2, 2))(x).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert Resize((1, 8))(x).flatten().tolist() == [6, 6, 7, 7, 8, 8, 9, 9]
    assert torch.equal(Resize((4, 4))(x), x)


def test_a_transform_leads_one_network_into_another() -> None:
    teacher, student = create("wrn_16_2", 5), create("mobilenet_v2", 5)
    own, other = teacher.shapes((3, 32, 32)).features, student.shapes((3, 32, 32)).features
    branch = join(teacher.slice(0, 1), Transform(own[0], other[0]), student.slice(1))
    seen = branch.outputs(torch.randn(2, 3, 32, 32), frozenset({"logits", "features"}))
    assert seen.logits is not None and seen.logits.shape == (2, 5)
    assert tuple(seen.features[1].shape[1:]) == other[0] and len(branch) == len(student) + 1
    seen.logits.sum().backward()
    assert all(p.grad is not None for p in branch.parameters())


@pytest.mark.parametrize(
    ("source", "target", "kernel", "stride", "transposed"),
    [
        ((6, 16, 16), (4, 8, 8), (3, 3), (2, 2), False),
        ((6, 4, 4), (4, 8, 8), (4, 4), (2, 2), True),
        ((6, 8, 8), (4, 8, 8), (1, 1), (1, 1), False),
        ((6, 8, 8), (4, 5, 5), (4, 4), (1, 1), False),
        ((6, 32, 32), (4, 8, 8), (25, 25), (1, 1), False),
        ((6, 9, 8), (4, 8, 5), (2, 4), (1, 1), False),
    ],
)
def test_a_regressor_meets_the_target(
    source: Shape, target: Shape, kernel: tuple[int, int], stride: tuple[int, int], transposed: bool
) -> None:
    regressor = Regressor(source, target)
    conv = regressor.conv
    assert isinstance(conv, nn.ConvTranspose2d if transposed else nn.Conv2d)
    assert (conv.kernel_size, conv.stride) == (kernel, stride) and conv.bias is not None
    assert regressor.size == target[1:]
    assert after(regressor, source) == target


@pytest.mark.parametrize(("source", "target"), [((6, 4, 4), (3, 7, 7)), ((6, 2, 2), (3, 8, 8)), ((6, 8, 4), (3, 4, 8))])
def test_a_regressor_keeps_other_smaller_maps_as_they_are(source: Shape, target: Shape) -> None:
    regressor = Regressor(source, target)
    assert isinstance(regressor.conv, nn.Conv2d) and regressor.conv.kernel_size == (3, 3)
    assert regressor.size == source[1:]
    assert after(regressor, source) == (target[0], *source[1:])


@given(source=sizes, target=sizes)
@settings(deadline=None, max_examples=60)
def test_a_regressor_tells_its_size(source: Shape, target: Shape) -> None:
    regressor = Regressor(source, target)
    assert after(regressor, source) == (target[0], *regressor.size)


@pytest.mark.parametrize("activate", [True, False])
def test_a_regressor_is_convolution_norm_activation(activate: bool) -> None:
    torch.manual_seed(0)
    regressor, x = Regressor((2, 4, 4), (3, 4, 4), activate), torch.randn(5, 2, 4, 4)
    assert isinstance(regressor.conv, nn.Conv2d)
    flat: Tensor = F.conv2d(x, regressor.conv.weight, regressor.conv.bias)
    normal = (flat - flat.mean((0, 2, 3), keepdim=True)) / (flat.var((0, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    assert torch.allclose(regressor(x), normal.relu() if activate else normal, atol=1e-6)


@pytest.mark.parametrize("build", [Transform, Regressor])
def test_what_is_not_a_map_is_refused(build: type[Transform] | type[Regressor]) -> None:
    for source, target in [((64,), (3, 8, 8)), ((3, 8, 8), (64,)), ((3, 8, 8), (3, 0, 8))]:
        with pytest.raises(ValueError, match=r"expected the shape \(channels, height, width\)"):
            build(source, target)


def maps(*heights: int) -> list[Shape]:
    return [(8, height, height) for height in heights]


@pytest.mark.parametrize(
    ("own", "other", "partners"),
    [
        (maps(32, 16, 8), maps(16, 4, 2), (0, 1, 2)),  # as many: in order, whatever the sizes
        (maps(32, 16, 8), maps(16, 8, 4, 4), (0, 0, 1)),
        (maps(16, 8, 4, 4), maps(32, 16, 8), (1, 2, 2, 2)),
        (maps(16, 8, 4, 2), maps(32, 16, 8), (1, 2, 2, 2)),
        (maps(8), maps(32, 16, 8, 4), (2,)),
        (maps(4, 4), maps(4, 4, 4, 4), (1, 3)),  # equally near in size: by depth
        (maps(8, 4), maps(16, 4, 4), (0, 2)),  # 16 and 4 equally near to 8, 1/3 and 2/3 to 1/2: the earlier
        (maps(4, 16), maps(16, 8, 4), (2, 2)),  # never backwards
        ([], maps(4), ()),
    ],
)
def test_blocks_are_matched_by_size(own: list[Shape], other: list[Shape], partners: tuple[int, ...]) -> None:
    assert match(own, other) == tuple(enumerate(partners))


def test_nothing_to_match_with() -> None:
    with pytest.raises(ValueError, match="no blocks to match 2 blocks with"):
        match(maps(8, 4), [])


@given(own=st.lists(sizes, max_size=6), other=st.lists(sizes, min_size=1, max_size=6))
def test_matching_is_total_and_monotone(own: list[Shape], other: list[Shape]) -> None:
    pairs = match(own, other)
    assert [i for i, _ in pairs] == list(range(len(own)))
    partners = [j for _, j in pairs]
    assert partners == sorted(partners) and all(0 <= j < len(other) for j in partners)


def test_a_frozen_part_lets_gradients_through_and_never_changes() -> None:
    source = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    frozen = Frozen(source).train()
    before = {k: v.clone() for k, v in frozen.state_dict().items()}
    x = torch.randn(5, 3, requires_grad=True)
    frozen(x).square().sum().backward()
    assert not any(part.training for part in frozen.modules())
    assert source.training  # it is a copy
    assert x.grad is not None
    assert x.grad.any()
    assert all(p.grad is None and not p.requires_grad for p in frozen.parameters())
    assert all(torch.equal(v, before[k]) for k, v in frozen.state_dict().items())
