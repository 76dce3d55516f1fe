"""How the values inside a network lie in memory, and the maps (b, c, h, w) that methods read of
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt, log
from typing import Literal

from torch import Tensor, cat

from didact.nets.dry import Shape

Kind = Literal["map", "channels last", "tokens", "vector"]
_MOST_EXTRA = 16
"""Class and register tokens that are looked for in front of the tokens of a map."""


@dataclass(frozen=True)
class Layout:
    """What a value inside a network is.

    A value travels from block to block as the map that methods read, which costs nothing: a map is
    another view of it. Only a row of tokens in which class or register tokens come first has more
    in it than a map has; it travels as it is. A part that takes such a row takes a map as well, as
    another network's part gives it: the mean over its positions stands for each extra token.

    Attributes:
        kind: "map" (b, c, h, w); "channels last" (b, h, w, c); "tokens" (b, extra + h w, c);
            "vector" (b, c).
        extra: class and register tokens, which come first.
        grid: (h, w); where images are of another size, tokens keep this ratio of height to width.
    """

    kind: Kind = "map"
    extra: int = 0
    grid: tuple[int, int] = (1, 1)

    @property
    def positions(self) -> int:
        """h * w."""
        return self.grid[0] * self.grid[1]

    def leave(self, x: Tensor) -> Tensor:
        """From the network's own value to what travels."""
        return x if self.extra else self.map(x)

    def enter(self, x: Tensor) -> Tensor:
        """From what travels, or from a map or a vector, to the network's own value."""
        if x.dim() == 2 and self.kind != "vector":
            x = x[:, :, None, None]
        if x.dim() != 4 or self.kind == "map":
            return x
        if self.kind == "channels last":
            return x.permute(0, 2, 3, 1)
        if self.kind == "vector":
            return x.flatten(1)
        tokens = x.flatten(2).transpose(1, 2)
        return cat([tokens.mean(1, keepdim=True).expand(-1, self.extra, -1), tokens], 1) if self.extra else tokens

    def map(self, x: Tensor) -> Tensor:
        """From the network's own value to a map (b, c, h, w)."""
        if self.kind == "map":
            return x
        if self.kind == "channels last":
            return x.permute(0, 3, 1, 2)
        if self.kind == "vector":
            return x[:, :, None, None]
        tokens = x[:, self.extra :].transpose(1, 2)
        return tokens.unflatten(2, self._grid(tokens.shape[2]))

    def _grid(self, positions: int) -> tuple[int, int]:
        if positions == self.positions:
            return self.grid
        height = isqrt(positions * self.grid[0] // self.grid[1])
        return height, positions // height

    def shape(self, own: Shape) -> Shape:
        """The map's (c, h, w) of the value's own shape, without the batch."""
        return (own[0] if self.kind in ("map", "vector") else own[-1], *self.grid)


def layout(own: Shape, image: Shape, before: tuple[int, int] | None) -> Layout | None:
    """The layout of a value of this shape, without the batch; None where no map can be made of it.

    Args:
        image: (c, h, w) of the images: a map has their ratio of height to width.
        before: (h, w) of the last map before a row of tokens.
    """
    if not all(own):
        return None  # an empty one, such as the register tokens of a network that has none
    if len(own) == 1:
        return Layout("vector")
    if len(own) == 3:
        first, last = (own[1], own[2]), (own[0], own[1])
        if _stretch(last, image) < _stretch(first, image):
            return Layout("channels last", grid=last)
        return Layout(grid=first)
    if len(own) != 2:
        return None
    tokens = own[0]
    if before is not None and 0 <= tokens - before[0] * before[1] <= _MOST_EXTRA:
        return Layout("tokens", tokens - before[0] * before[1], before)
    for extra in range(min(_MOST_EXTRA, tokens - 1) + 1):
        height = round((tokens - extra) ** 0.5 * (image[1] / image[2]) ** 0.5)
        if height and (tokens - extra) % height == 0:
            grid = height, (tokens - extra) // height
            if _stretch(grid, image) < log(1.2):
                return Layout("tokens", extra, grid)
    return None


def alike(grid: tuple[int, int], image: Shape) -> bool:
    """Whether the ratio of height to width is the images', but for rounding."""
    return _stretch(grid, image) < log(1.2) or abs(grid[0] - grid[1] * image[1] / image[2]) < 1


def _stretch(grid: tuple[int, int], image: Shape) -> float:
    """How far the ratio of height to width is from the images'."""
    return abs(log(grid[0] / grid[1]) - log(image[1] / image[2]))
