"""Hits by hand."""

from __future__ import annotations

import torch

from didact.engine.accuracy import hits


def test_hits_by_hand() -> None:
    logits = torch.tensor([[9.0, 8, 7, 6, 5, 4], [0, 1, 2, 3, 4, 5], [1, 0, 0, 0, 0, 0.5]])
    assert hits(logits, torch.tensor([0, 1, 5])).tolist() == [1, 3]
    assert hits(logits, torch.tensor([5, 0, 0])).tolist() == [1, 1]
    assert hits(torch.tensor([[1.0, 2.0]]), torch.tensor([0])).tolist() == [0, 1]  # fewer than five classes
    none = torch.tensor([[torch.nan] * 3, [torch.inf, 0.0, 0.0], [-torch.inf] * 3, [0.0, 1.0, -torch.inf]])
    assert hits(none, torch.tensor([0, 0, 0, 1])).tolist() == [1, 1]  # no answer, but where a class is masked
