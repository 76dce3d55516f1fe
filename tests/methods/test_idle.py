"""What can teach nothing, with two classes or two images a batch: its gradient is zero, and it is refused or told of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.method import Method
from didact.methods import at, dist, dkd, ft, kd, nst, rkd
from didact.methods.srrl import Transfer
from didact.runs.dry_run import check
from didact.runs.run import Run
from didact.spec import SpecError, choose


def asked(method: Any, *, net: str = "resnet8", classes: int = 10, batch: int = 16) -> Run:
    data, recipe = Data(name="digits", classes=classes, per_class=5), Recipe(epochs=1, batch_size=batch)
    teacher = Run(net="resnet8", data=data, recipe=recipe, seed=9)
    return Run(net=net, data=data, recipe=recipe, method=choose(Method, method), teacher=teacher)


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    ("kd+ls", {"classes": 2}, "with two classes a standardised row .* 'kd' has no gradient; use kd"),
    ("dkd+ls", {"classes": 2}, "with two classes a standardised row .* 'dkd' has no gradient; use kd"),
    ({"name": "dkd", "target": 0}, {"classes": 2}, "NCKD .* use kd"),
    ({"name": "dist", "intra": 0}, {"classes": 2}, "with two classes .* 'relations'; use kd"),
    ({"name": "dist", "inter": 0}, {"batch": 2}, "batches of two images .* recipe.batch_size=3"),
    ("dist", {"classes": 2, "batch": 2}, "with two classes .*; in batches of two images .* use kd"),
    ({"name": "sckd", "inner": "kd+ls"}, {"classes": 2}, "with two classes"),
    ("rkd", {"batch": 2}, "recipe.batch_size=3"),
    ("srrl", {"batch": 2}, "recipe.batch_size=3"),
    ("ft", {"net": "mobilenet_v2"}, "single position.* 'factor' teaches nothing; write method.kind=authors"),
]
TOLD: list[tuple[Any, dict[str, Any], str]] = [
    ("dkd", {"classes": 2}, "resnet8.dkd.s0: with two classes one other class is left"),
    ("dist", {"classes": 2}, "method.inter"),
    ("dist", {"batch": 2}, "method.intra"),
    ("semckd", {"batch": 4}, "attention does not learn"),
    ("at", {"net": "mobilenet_v2"}, "after block 4 maps meet at a single position"),
    ("nst", {"net": "mobilenet_v2"}, "after block 4"),
]
FINE: list[tuple[Any, dict[str, Any]]] = [
    ("kd", {"classes": 2}),
    ({"name": "kd", "standardise": True, "alpha": 0}, {"classes": 2}),
    ("kd+ls", {"classes": 3}),
    ({"name": "dkd", "rest": 0}, {"classes": 2}),
    ("dist", {"classes": 3, "batch": 3}),
    ({"name": "rkd", "beta": 0}, {"batch": 2}),
    ("rkd", {"batch": 3}),
    ({"name": "ft", "kind": "authors"}, {"net": "mobilenet_v2"}),
    ("semckd", {"batch": 8}),
    ("at", {}),
]


@pytest.mark.parametrize(("method", "how", "why"), REFUSED)
def test_a_term_that_can_teach_nothing_is_refused(method: Any, how: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        check(asked(method, **how))


@pytest.mark.parametrize(("method", "how", "why"), TOLD)
def test_a_part_that_can_teach_nothing_is_told_of(method: Any, how: dict[str, Any], why: str) -> None:
    (line,) = check(asked(method, **how))
    assert why in line


@pytest.mark.parametrize(("method", "how"), FINE)
def test_what_teaches_is_passed_over(method: Any, how: dict[str, Any]) -> None:
    assert check(asked(method, **how)) == []


def slope(loss: Callable[[Tensor], Tensor], *shape: int) -> float:
    """The largest entry of the gradient by logits, vectors or maps of this shape."""
    own = (3 * torch.randn(*shape, dtype=torch.float64)).requires_grad_()
    loss(own).backward()
    assert own.grad is not None
    return float(own.grad.abs().max())


def test_these_have_no_gradient_and_three_of_a_kind_have_one() -> None:
    """1e-7 beside the deviation and 1e-8 beside norms leave a little."""
    labels = torch.tensor([0, 1, 1, 0])
    zt = {classes: 3 * torch.randn(4, classes, dtype=torch.float64) for classes in (2, 3)}
    vt = torch.randn(4, 5, dtype=torch.float64)
    for few in (2, 3):
        slopes = {
            "kd": slope(lambda z: kd.loss(z, zt[few], 2.0, standardise=True), 4, few),  # noqa: B023
            "dkd": slope(lambda z: dkd.loss(z, zt[few], labels, 9.0, 72.0, 2.0, standardise=True), 4, few),  # noqa: B023
            "nckd": slope(lambda z: dkd.loss(z, zt[few], labels, 0.0), 4, few),  # noqa: B023
            "inter": slope(lambda z: dist.loss(z, zt[few], 2.0, 0.0), 4, few),  # noqa: B023
            "intra": slope(lambda z: dist.loss(z, zt[3][:few], 0.0, 2.0), few, 3),  # noqa: B023
            "rkd": slope(lambda v: rkd.loss(v, vt[:few]), few, 5),  # noqa: B023
        }
        assert all((value < 1e-5) is (few == 2) for value in slopes.values()), slopes


def test_a_map_of_one_position_teaches_nothing() -> None:
    other = torch.randn(4, 3, 1, 1, dtype=torch.float64)
    for loss in (at.loss, nst.loss, ft.loss):
        assert slope(lambda f: loss(f, other), 4, 2, 1, 1) < 1e-12  # noqa: B023


def test_batch_norm_over_two_images_passes_nothing_on() -> None:
    transfer = Transfer(5, 4, torch.nn.Linear(4, 3)).double().train()
    assert slope(lambda v: transfer(v).square().sum(), 2, 5) < 1e-3
    assert slope(lambda v: transfer(v).square().sum(), 3, 5) > 1e-3
