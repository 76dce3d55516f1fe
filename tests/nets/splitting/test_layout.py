"""Values as maps and back."""

from __future__ import annotations

import pytest
import torch

from didact.nets.splitting.layout import Layout, layout

SQUARE, WIDE = (3, 32, 32), (3, 32, 64)


@pytest.mark.parametrize(
    ("own", "image", "before", "meant"),
    [
        ((5, 8, 8), SQUARE, None, Layout("map", grid=(8, 8))),
        ((8, 8, 5), SQUARE, None, Layout("channels last", grid=(8, 8))),
        ((8, 8, 8), SQUARE, None, Layout("map", grid=(8, 8))),
        ((4, 8, 8), WIDE, None, Layout("channels last", grid=(4, 8))),
        ((16, 4, 8), WIDE, None, Layout("map", grid=(4, 8))),
        ((16, 12), SQUARE, None, Layout("tokens", 0, (4, 4))),
        ((17, 12), SQUARE, None, Layout("tokens", 1, (4, 4))),
        ((21, 12), SQUARE, (4, 4), Layout("tokens", 5, (4, 4))),
        ((33, 12), WIDE, None, Layout("tokens", 1, (4, 8))),
        ((7,), SQUARE, None, Layout("vector")),
        ((2, 3, 4, 5), SQUARE, None, None),
    ],
)
def test_a_shape_tells_the_layout(
    own: tuple[int, ...], image: tuple[int, ...], before: tuple[int, int] | None, meant: Layout | None
) -> None:
    assert layout(own, image, before) == meant


@pytest.mark.parametrize(
    ("made", "own"),
    [
        (Layout("map", grid=(2, 3)), (4, 5, 2, 3)),
        (Layout("channels last", grid=(2, 3)), (4, 2, 3, 5)),
        (Layout("tokens", 0, (2, 3)), (4, 6, 5)),
        (Layout("vector"), (4, 5)),
    ],
)
def test_what_is_all_in_the_map_comes_back(made: Layout, own: tuple[int, ...]) -> None:
    x = torch.randn(own)
    travelling = made.leave(x)
    assert travelling.shape == (4, 5, *made.grid) and travelling.shape[1:] == made.shape(own[1:])
    assert torch.equal(made.enter(travelling), x) and torch.equal(made.map(x), travelling)


def test_extra_tokens_travel_and_are_no_part_of_the_map() -> None:
    made, x = Layout("tokens", 2, (2, 3)), torch.randn(4, 8, 5)
    assert made.leave(x) is x and made.enter(x) is x
    folded = made.map(x)
    assert torch.equal(folded.flatten(2).transpose(1, 2), x[:, 2:])
    entered = made.enter(folded)
    assert torch.equal(entered[:, 2:], x[:, 2:]) and torch.allclose(entered[:, 0], folded.mean((2, 3)))
    assert torch.equal(entered[:, 0], entered[:, 1])


def test_tokens_of_larger_images_keep_the_ratio() -> None:
    assert Layout("tokens", 1, (2, 4)).map(torch.randn(1, 33, 5)).shape == (1, 5, 4, 8)
