"""Every formula keeps float32 and float64, and widens half precision before it computes, inside autocast too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from didact import losses
from didact.methods import (
    at,
    cc,
    ce,
    crd,
    dist,
    dkd,
    fitnet,
    fsp,
    ft,
    kd,
    kdsvd,
    nst,
    ofd,
    pkt,
    reviewkd,
    rkd,
    semckd,
    simkd,
    sp,
    srrl,
    sskd,
    vid,
)
from didact.peers import dml, kdcl
from didact.teaching import gtn, sftn

LABELS = torch.tensor([0, 3, 2, 5, 1, 9])


def logits() -> Tensor:
    return torch.randn(6, 10) * 60


def maps() -> Tensor:
    return torch.randn(6, 8, 8, 8)


def vectors() -> Tensor:
    return torch.randn(6, 8)


def scores() -> Tensor:
    return torch.rand(6, 8) + 0.1


def branched(zt: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return sftn.loss(zt, [first, second], LABELS, temperature=4.0, squared=True)


def turned(zs: Tensor, zt: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """Of one image in four turns; the other projection gets no gradient."""
    terms = sskd.loss(zs[:4], zt[:4], own[:4], other[:4].detach(), LABELS[:1])
    return torch.stack([*terms.values()]).sum() + sskd.head_loss(other[:4])


FORMULAS: dict[str, tuple[Callable[..., Tensor], Callable[[], Tensor], int]] = {
    "cross_entropy": (lambda z: losses.cross_entropy(z, LABELS), logits, 1),
    "softened_kl": (lambda a, b: losses.softened_kl(a, b, temperature=4.0), logits, 2),
    "attention_map": (losses.attention_map, maps, 1),
    "rows_alike": (losses.rows_alike, maps, 1),
    "ce": (lambda z: ce.loss(z, LABELS), logits, 1),
    "kd": (kd.loss, logits, 2),
    "fitnet": (fitnet.loss, maps, 2),
    "at": (at.loss, maps, 2),
    "at power 4": (lambda fs, ft: at.loss(fs, ft, power=4), maps, 2),
    "at pooled": (lambda fs, ft: at.loss(fs, ft[:, :, :5, :5]), maps, 2),
    "sp": (sp.loss, maps, 2),
    "cc": (cc.loss, vectors, 2),
    "cc gaussian": (lambda es, et: cc.matrix_distance(es, et, "gaussian", True), vectors, 2),
    "crd": (lambda a, b: crd.loss(a, b, 50), scores, 2),
    "dist": (dist.loss, logits, 2),
    "dkd": (lambda zs, zt: dkd.loss(zs, zt, LABELS), logits, 2),
    "fsp": (lambda a, b, c, d: fsp.loss((a, b), (c, d)), maps, 4),
    "ft": (ft.loss, maps, 2),
    "kd standardised": (lambda zs, zt: kd.loss(zs, zt, standardise=True), logits, 2),
    "nst": (nst.loss, maps, 2),
    "ofd": (lambda fs, ft: ofd.loss(fs, ft, torch.full((8,), -0.5)), maps, 2),
    "pkt": (pkt.loss, vectors, 2),
    "reviewkd": (reviewkd.loss, maps, 2),
    "rkd": (lambda vs: rkd.loss(vs, vs.detach().flip(0)), vectors, 1),  # no gradient to the teacher
    "simkd": (simkd.loss, maps, 2),
    "simkd kl": (lambda fs, ft: simkd.loss(fs, ft, kind="kl"), maps, 2),
    "vid": (lambda mean, ft: vid.loss(mean, ft, torch.full((8,), 0.5)), maps, 2),
    "sftn": (branched, logits, 3),
    "gtn": (lambda zt, *branches: gtn.loss(zt, branches, LABELS), logits, 3),
    "dml": (lambda z: dml.loss(z, [z.detach().flip(0)]), logits, 1),
    "kdcl": (lambda z: kdcl.loss(z, kdcl.target([z, z.flip(0)], LABELS, "linear")), logits, 1),
    "kdsvd": (lambda low, high: kdsvd.loss((low, high), (low.detach().flip(0), high.detach().flip(0))), maps, 2),
    "semckd": (
        lambda f, g: semckd.loss(*(semckd.gram(x, 6)[:, None] for x in (f, g)), semckd.error(f, g)[:, None, None]),
        maps,
        2,
    ),
    "srrl": (srrl.loss, vectors, 4),
    "sskd": (turned, logits, 4),
    "cc bilinear": (cc.matrix_distance, vectors, 2),
}
formulas = pytest.mark.parametrize(("formula", "draw", "count"), FORMULAS.values(), ids=FORMULAS.keys())


def inputs(draw: Callable[[], Tensor], count: int, dtype: torch.dtype) -> list[Tensor]:
    torch.manual_seed(0)
    return [draw().to(dtype) for _ in range(count)]


@formulas
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_types_are_kept(formula: Callable[..., Tensor], draw: Any, count: int, dtype: torch.dtype) -> None:
    given = inputs(draw, count, dtype)
    plain = formula(*given)
    with torch.autocast("cpu", torch.bfloat16):
        inside = formula(*given)
    assert plain.dtype == inside.dtype == dtype
    assert torch.equal(plain, inside) and plain.isfinite().all()


@formulas
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_is_widened(
    formula: Callable[..., Tensor], draw: Any, count: int, dtype: torch.dtype, autocast: bool
) -> None:
    given = [x.requires_grad_() for x in inputs(draw, count, dtype)]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = formula(*given)
    assert found.dtype == torch.float32 and found.isfinite().all()
    assert torch.equal(found, formula(*(x.detach().float() for x in given)))
    found.sum().backward()
    assert all(x.grad is not None and x.grad.dtype == dtype and x.grad.isfinite().all() for x in given)


@pytest.mark.parametrize("formula", [kd.loss, at.loss, fitnet.loss, sp.loss])
def test_gradients_agree_with_differences(formula: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    shape = (3, 5) if formula is kd.loss else (3, 2, 3, 3)
    fs, ft = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(formula, (fs, ft))
