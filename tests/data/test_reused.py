"""Memory is used again when nobody looks at it, and not before."""

import torch

from didact.data.reused import KEPT, Reused


def test_memory_is_used_again_when_nobody_looks_at_it() -> None:
    memory = Reused()
    first = memory.empty((2, 3)).fill_(1)
    second = memory.empty((2, 3)).fill_(2)
    assert first.shape == (2, 3)
    assert first.dtype == torch.float32
    assert first.data_ptr() != second.data_ptr()
    place, view = first.data_ptr(), first[1:]
    del first
    third = memory.empty((2, 3)).fill_(3)
    assert third.data_ptr() != place
    assert view.tolist() == [[1, 1, 1]]
    assert second.tolist() == [[2, 2, 2]] * 2
    place = third.data_ptr()
    del third
    assert memory.empty((3,)).data_ptr() == place


def test_what_a_gradient_needs_stays() -> None:
    memory = Reused()
    weight = torch.ones(3, requires_grad=True)
    loss = (weight * memory.empty((3,)).fill_(5)).sum()
    for _ in range(KEPT + 1):
        memory.empty((3,)).fill_(7)
    loss.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [5, 5, 5]


def test_what_somebody_keeps_is_not_kept_here() -> None:
    memory = Reused()
    held = [memory.empty((4,)).fill_(number) for number in range(5)]
    assert [one[0].item() for one in held] == [0, 1, 2, 3, 4]
    assert len(memory._pieces) == KEPT
    held.clear()
    larger = memory.empty((9,))
    assert larger.numel() == 9
