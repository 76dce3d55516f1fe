"""What is wrong with the answers of a network in eval mode: numbers that are not finite, chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from didact.nets.dry import Shape
from didact.nets.evaluating import evaluating
from didact.nets.splitting.whole import answer
from didact.seeds import preserved, stream

ALIKE = 1e-3
"""By so much of the largest logit the answers to one image may differ from batch to batch: kernels
for other sizes round otherwise.
"""
_IMAGES = 2

Call = tuple[str, nn.Module, list[Tensor], list[Tensor]]
"""Of one call of a module: its path, itself, the tensors that it was given and those that it gave."""


def unlike(a: Tensor, b: Tensor) -> bool:
    """Whether logits (b, k) differ by more than rounding."""
    return bool((a - b).abs().max() > ALIKE * b.abs().max())


def not_finite(net: nn.Module, logits: Tensor, images: Tensor) -> str | None:
    """Why ``logits``, which ``net`` gives for ``images``, hold NaN or an infinity; None where all
    are finite.
    """
    if bool(logits.isfinite().all()):
        return None
    value = "NaN" if bool(logits.isnan().any()) else "infinite logits"
    (calls,) = _calls(net, images, 1)
    place = next((call for call in calls if _all(torch.isfinite, call[2]) and not _all(torch.isfinite, call[3])), None)
    return (
        f"gives {value} for images of noise{_first('that are not finite', place)}; nothing can be learned from that: look "
        "for parameters that were never set, a division by 0, the logarithm of 0, or a class that is masked by -inf"
    )


def by_chance(net: nn.Module, images: Tensor) -> str | None:
    """What to tell where ``net`` answers the same ``images`` otherwise a second time in eval mode;
    None where it does not.
    """
    first, second = (_answered(net, images) for _ in range(2))
    if not unlike(first, second):
        return None
    runs = _calls(net, images, 2)
    place = next((a for a, b in zip(*runs, strict=False) if _equal(a[2], b[2]) and not _equal(a[3], b[3])), None)
    return (
        f"gives other logits for the same images each time, in eval mode, too{_first('that differ', place)}; random numbers "
        "belong to training mode: as a function, dropout needs F.dropout(x, p, training=self.training)"
    )


def note(net: nn.Module, image: Shape) -> str | None:
    """:func:`by_chance` for a network on the CPU that is used as it is, and for images of noise.

    Raises:
        ValueError: its logits are not finite.
    """
    images = torch.randn(_IMAGES, *image, generator=stream(0, "image"))
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
    with preserved(), torch.no_grad(), evaluating(net):
        fault = not_finite(net, _answered(net, images), images)
        chance = None if fault else by_chance(net, images)
    for name, buffer in net.named_buffers():
        buffer.copy_(buffers[name])
    if fault:
        raise ValueError(fault)
    return chance


def _answered(net: nn.Module, images: Tensor) -> Tensor:
    logits = answer(net(images.clone()))
    assert isinstance(logits, Tensor)
    return logits


def _calls(net: nn.Module, images: Tensor, runs: int) -> list[list[Call]]:
    """The calls of modules in each of several runs, in the order in which they end: the inner ones
    before those that contain them.
    """
    made: list[Call] = []

    def noted(path: str) -> Callable[..., None]:
        def hook(part: nn.Module, given: Any, kwargs: Any, gives: Any) -> None:
            made.append((path, part, before.pop(), _tensors(gives)))

        return hook

    def noted_before(part: nn.Module, given: Any, kwargs: Any) -> None:
        before.append(_tensors((given, kwargs)))

    before: list[list[Tensor]] = []
    hooks = [part.register_forward_hook(noted(path), with_kwargs=True) for path, part in net.named_modules()]
    hooks += [part.register_forward_pre_hook(noted_before, with_kwargs=True) for part in net.modules()]
    found = []
    try:
        for _ in range(runs):
            made = []
            net(images.clone())
            found.append(made)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _tensors(values: Any) -> list[Tensor]:
    """Copies: what follows may change them in place."""
    return [value.clone() for value in tree_leaves(values) if isinstance(value, Tensor) and value.is_floating_point()]


def _equal(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def _all(holds: Callable[[Tensor], Tensor], values: list[Tensor]) -> bool:
    return all(bool(holds(value).all()) for value in values)


def _first(which: str, call: Call | None) -> str:
    """Where the first such values come from, for a message; nothing where only the whole network is
    known.
    """
    return f" (the first values {which} come from {call[0]}, {type(call[1]).__name__})" if call and call[0] else ""
