"""Outputs and Needs."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from didact.spec import SpecError
from didact.tensors import PARTS, Batch, Needs, Outputs, reads


def shown() -> Outputs:
    x = torch.randn(2, 3, 4, 4, requires_grad=True)
    feature = x * 2
    return Outputs(feature.mean((2, 3)), feature.sum((2, 3)), (feature, feature + 1), (x * 3, x * 4), x * 5)


def tensors(outputs: Outputs) -> list[torch.Tensor]:
    values = [getattr(outputs, f.name) for f in fields(outputs)]
    return [t for v in values if v is not None for t in (v if isinstance(v, tuple) else (v,))]


def test_parts_are_the_fields_of_outputs() -> None:
    assert {f.name for f in fields(Outputs)} == PARTS


@pytest.mark.parametrize("part", sorted(PARTS))
def test_only_keeps_what_is_asked_for(part: str) -> None:
    whole = shown()
    kept = whole.only(frozenset({part}))
    assert getattr(kept, part) is getattr(whole, part)
    assert kept == Outputs(**{part: getattr(whole, part)})
    assert tensors(whole.only(frozenset())) == []
    assert tensors(whole.only(PARTS)) == tensors(whole)


def test_detached_has_the_same_values_and_no_graph() -> None:
    whole = shown()
    cut = whole.detached()
    assert len(tensors(cut)) == len(tensors(whole)) == 7
    for a, b in zip(tensors(whole), tensors(cut), strict=True):
        assert torch.equal(a, b) and a.requires_grad and not b.requires_grad
    assert Outputs().detached() == Outputs()
    assert tensors(whole.only(frozenset({"stem"})).detached())[0].requires_grad is False


def test_reads() -> None:
    assert reads() == Needs() == Needs(own=frozenset({"logits"}))
    found = reads("logits features", teacher="pooled", peers="logits", views="rotations")
    assert found.own == {"logits", "features"}
    assert (found.teacher, found.peers, found.views) == ({"pooled"}, {"logits"}, {"rotations"})
    for wrong, message in (
        ({"own": "logit"}, "no output 'logit'; did you mean 'logits'"),
        ({"teacher": "feature"}, "did you mean 'features'"),
        ({"peers": "x"}, "no output 'x'; known: features, logits, pooled, preacts, stem"),
    ):
        with pytest.raises(SpecError, match=message):
            reads(**wrong)


def test_length_of_a_batch() -> None:
    assert len(Batch(torch.zeros(5, 3, 8, 8), torch.zeros(5), torch.arange(5))) == 5
