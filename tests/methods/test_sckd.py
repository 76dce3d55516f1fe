"""SCKD: the gate against cosines from NumPy, what it does to gradients, what passes through, and settings within settings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from didact.losses import cross_entropy
from didact.method import Clock, Method, MetricsContext, Pair, Stage, StepContext
from didact.methods import sckd
from didact.nets.blocks import BlockNet
from didact.request.plan import plan
from didact.request.tokens import parse
from didact.runs.dry_run import check
from didact.runs.run import Run
from didact.seeds import stream
from didact.spec import SpecError, choose, from_json, spec, to_json
from didact.tensors import Batch, Needs, Outputs, reads

LABELS = torch.tensor([0, 1, 2, 3])


@spec
class Toy(Method):
    """The labels, and a term of any kind."""

    second: ClassVar[Callable[[Outputs], Tensor]]
    gamma: float = 1.0

    @property
    def needs(self) -> Needs:
        return reads("logits features stem", teacher="pooled")

    def stages(self) -> tuple[Stage, ...]:
        return Stage(name="first", epochs=3, moves=("extras.",)), Stage()

    def build(self, pair: Pair) -> nn.Module:
        return nn.Linear(pair.batch, 1)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None
        other = {"other": type(self).second(context.own)}
        return (
            other
            if context.clock.stage == "first"
            else {"ce": cross_entropy(context.own.logits, context.batch.labels)} | other
        )

    def deployed(self, extras: nn.Module, net: BlockNet) -> nn.Module:
        return nn.Sequential(net, extras)

    def metrics(self, extras: nn.Module, context: MetricsContext) -> dict[str, Tensor]:
        return {context.moment: context.own.stem} if context.own.stem is not None else {}


def step(two: Pair, zt: Tensor | None = None, stage: str = "train") -> StepContext:
    torch.manual_seed(0)
    images = torch.randn(4, 3, 16, 16, dtype=next(two.net.parameters()).dtype)
    two.net.train().zero_grad()
    own = two.net.outputs(images)
    batch = Batch(images, LABELS, torch.arange(4))
    return StepContext(batch, own, Outputs(logits=zt), Clock(0, 1, 0, 1, 0, stage), stream(0), net=two.net)


def doubled(two: Pair) -> Pair:
    """The student in float64, for gradients that are added in another order."""
    return dataclasses.replace(two, net=two.net.double())


def cosine(terms: dict[str, Tensor], name: str, weights: list[Tensor]) -> float:
    """Of the gradients of ``name`` and of the cross entropy, with zeros where one reaches nothing."""
    rows = []
    for term in (terms["ce"], terms[name]):
        found = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True)
        rows.append(
            np.concatenate(
                [
                    np.zeros(p.numel()) if g is None else g.double().numpy().ravel()
                    for g, p in zip(found, weights, strict=True)
                ]
            )
        )
    return float(rows[0] @ rows[1] / np.linalg.norm(rows[0]) / np.linalg.norm(rows[1]))


def test_the_gate_by_hand() -> None:
    term, task = torch.tensor(5.0), torch.tensor([1.0, 0.0])
    for gradient, threshold, stays in [
        ([3.0, 4.0], 0.0, True),  # cosine 0.6
        ([3.0, 4.0], 0.59, True),
        ([3.0, 4.0], 0.61, False),
        ([-3.0, 4.0], 0.0, False),  # -0.6
        ([-3.0, 4.0], -0.61, True),
        ([0.0, 2.0], 0.0, False),  # a right angle
        ([0.0, 0.0], 0.0, False),  # nothing
        ([0.0, 0.0], -0.1, True),
        ([np.nan, 1.0], -2.0, False),
        ([np.inf, 1.0], -2.0, False),
    ]:
        found = sckd.loss(term, torch.tensor(gradient), task, threshold)
        assert found.item() == (5.0 if stays else 0.0), (gradient, threshold)


def test_a_closed_gate_hides_what_is_not_finite() -> None:
    for value in (np.nan, np.inf):
        assert sckd.loss(torch.tensor(value), torch.tensor([-1.0]), torch.tensor([1.0])).item() == 0


@pytest.mark.parametrize("over", ["all", "last"])
def test_a_teacher_who_is_right_teaches_and_one_who_is_wrong_does_not(pair: Callable[..., Pair], over: Any) -> None:
    two = doubled(pair("resnet20", "resnet8"))
    right = 8 * torch.eye(5)[LABELS]
    method = sckd.SCKD(inner=choose(Method, {"name": "kd", "gamma": 1.0}), over=over)
    extras = method.build(two)
    for zt, stays in ((right, True), (8 * torch.eye(5)[(LABELS + 1) % 5], False)):
        plain = method.inner.terms(extras, step(two, zt))
        sum(plain[k] for k in (("ce", "kd") if stays else ("ce",))).backward()  # type: ignore[union-attr]
        wanted = [p.grad.clone() for p in two.net.parameters() if p.grad is not None]
        terms = method.terms(extras, step(two, zt))
        assert list(terms) == ["ce", "kd"] and torch.equal(terms["ce"], plain["ce"])
        assert torch.equal(terms["kd"], plain["kd"] if stays else torch.tensor(0.0))
        assert all(p.grad is None for p in two.net.parameters())  # asking for gradients leaves none behind
        torch.stack(list(terms.values())).sum().backward()
        for found, p in zip(wanted, two.net.parameters(), strict=True):
            torch.testing.assert_close(p.grad, found)


@pytest.mark.parametrize("over", ["all", "last"])
@pytest.mark.parametrize("stays", [True, False])
def test_the_extras_learn_from_what_stays(pair: Callable[..., Pair], over: Any, stays: bool) -> None:
    two = doubled(pair("resnet20", "resnet8"))
    inner = choose(Method, "fitnet")
    method = sckd.SCKD(inner=inner, threshold=-2.0 if stays else 2.0, over=over)
    extras = method.build(two).double()
    moving = [*two.net.parameters(), *extras.parameters()]
    assert two.teacher_shapes is not None
    taught = Outputs(features=tuple(torch.randn(4, *shape, dtype=torch.float64) for shape in two.teacher_shapes.features))
    found = []
    for one in (inner, method):
        extras.zero_grad()
        terms = one.terms(extras, dataclasses.replace(step(two), teacher=taught))
        counted = terms if stays or one is method else {"ce": terms["ce"]}
        torch.stack(list(counted.values())).sum().mul(3).backward()  # whatever comes after the terms counts too
        found.append([torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in moving])
    assert any(g.any() for g in found[1][-2:]) == stays  # the adapter's
    for wanted, gradient in zip(*found, strict=True):
        torch.testing.assert_close(gradient, wanted)


def test_a_gradient_that_is_not_finite_stays_behind_its_gate(pair: Callable[..., Pair]) -> None:
    two = pair("resnet20", "resnet8")
    Toy.second = lambda own: (own.features[1] * 0).sum().sqrt()  # infinity times zero
    terms = sckd.SCKD(inner=Toy()).terms(nn.Module(), step(two))
    assert terms["other"] == 0
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in two.net.parameters())


def test_all_parameters_cost_one_backward_pass_a_term(pair: Callable[..., Pair]) -> None:
    two = pair("resnet20", "resnet8")
    passes: list[Tensor] = []
    context = step(two, torch.randn(4, 5))
    assert context.own.features
    context.own.features[0].register_hook(passes.append)
    method = sckd.SCKD(inner=choose(Method, {"name": "kd", "gamma": 1.0}))
    torch.stack(list(method.terms(nn.Module(), context).values())).sum().backward()
    assert len(passes) == 2


@pytest.mark.parametrize("over", ["all", "last"])
def test_the_threshold_is_the_cosine(pair: Callable[..., Pair], over: Any) -> None:
    two = pair("resnet20", "resnet8")
    inner = choose(Method, {"name": "kd", "gamma": 1.0})
    context = step(two, torch.randn(4, 5))
    part = two.net if over == "all" else list(two.net)[-1]
    exact = cosine(inner.terms(nn.Module(), context), "kd", list(part.parameters()))
    for threshold, stays in ((exact - 1e-4, True), (exact + 1e-4, False)):
        found = sckd.SCKD(inner=inner, threshold=threshold, over=over).terms(nn.Module(), context)
        assert bool(found["kd"] > 0) == stays


@pytest.mark.parametrize("over", ["all", "last"])
def test_a_feature_is_compared_in_the_last_block_that_both_reach(pair: Callable[..., Pair], over: Any) -> None:
    two = pair("resnet20", "resnet8")
    for sign in (1.0, -1.0):
        Toy.second = lambda own, sign=sign: sign * own.features[1].pow(2).mean()
        terms = Toy().terms(nn.Module(), context := step(two))
        part = two.net if over == "all" else list(two.net)[1]  # the third block is not reached
        stays = cosine(terms, "other", list(part.parameters())) > 0
        found = sckd.SCKD(inner=Toy(), over=over).terms(nn.Module(), context)
        assert torch.equal(found["other"], terms["other"] if stays else torch.tensor(0.0))


@pytest.mark.parametrize("over", ["all", "last"])
def test_what_does_not_reach_the_student_stays(pair: Callable[..., Pair], over: Any) -> None:
    two = pair("resnet20", "resnet8")
    weight = torch.ones((), requires_grad=True)
    for second in (lambda own: 2 * weight, lambda own: torch.tensor(2.0)):
        Toy.second = second
        assert sckd.SCKD(inner=Toy(), over=over).terms(nn.Module(), step(two))["other"] == 2


def test_a_step_without_the_task_passes_through(pair: Callable[..., Pair]) -> None:
    two = pair("resnet20", "resnet8")
    Toy.second = lambda own: -cross_entropy(own.logits, LABELS)
    context = step(two, stage="first")
    found, plain = sckd.SCKD(inner=Toy()).terms(nn.Module(), context), Toy().terms(nn.Module(), context)
    assert found.keys() == plain.keys() and all(torch.equal(found[k], plain[k]) for k in plain)
    assert sckd.SCKD(inner=Toy()).terms(nn.Module(), step(two))["other"] == 0


def test_frozen_weights_are_left_out(pair: Callable[..., Pair]) -> None:
    two = pair("resnet20", "resnet8")
    Toy.second = lambda own: own.features[-1].pow(2).mean()
    two.net.requires_grad_(False)
    two.net.blocks["3"].requires_grad_(True)
    try:
        terms = Toy().terms(nn.Module(), context := step(two))
        stays = cosine(terms, "other", list(two.net.blocks["3"].parameters())) > 0
        assert bool(sckd.SCKD(inner=Toy()).terms(nn.Module(), context)["other"] > 0) == stays
    finally:
        two.net.requires_grad_(True)


def test_the_rest_is_the_inner_methods(pair: Callable[..., Pair]) -> None:
    two = pair("resnet20", "resnet8")
    Toy.second = lambda own: torch.tensor(1.0)
    method, context = sckd.SCKD(inner=Toy()), step(two)
    extras = method.build(two)
    assert isinstance(extras, nn.Linear) and extras.in_features == two.batch
    assert method.needs == Toy().needs and method.stages() == Toy().stages()
    deployed = method.deployed(extras, two.net)
    assert isinstance(deployed, nn.Sequential) and list(deployed) == [two.net, extras]
    assert method.metrics(extras, MetricsContext("test", context.own)) == {"test": context.own.stem}


def test_without_the_student_it_says_so(pair: Callable[..., Pair]) -> None:
    context = dataclasses.replace(step(pair("resnet20", "resnet8"), torch.zeros(4, 5)), net=None)
    with pytest.raises(AssertionError, match=r"StepContext\.net must be given"):
        sckd.SCKD().terms(nn.Module(), context)


def test_settings() -> None:
    method = choose(Method, "sckd")
    assert isinstance(method, sckd.SCKD)
    assert method.inner == choose(Method, "kd") and (method.threshold, method.over) == (0.0, "all")
    given = {"name": "sckd", "inner": {"name": "fitnet+kd", "hint": 1}, "over": "last", "threshold": 0.1}
    method = choose(Method, given)
    assert choose(Method, json.loads(json.dumps(to_json(method)))) == method
    with pytest.raises(SpecError, match=r"^inner\.hnt: no such setting; did you mean 'hint'"):
        choose(Method, {"name": "sckd", "inner": {"name": "fitnet", "hnt": 1}})


@pytest.mark.parametrize("inner", ["simkd", "sckd", {"name": "kd", "gamma": 0}])
def test_a_method_without_the_task_is_refused(inner: Any) -> None:
    with pytest.raises(SpecError, match="no weight gamma above 0"):
        choose(Method, {"name": "sckd", "inner": inner})


def test_settings_from_the_command_line() -> None:
    words = "--net resnet8 --teacher resnet20 --method sckd --method.inner at --method.inner.alpha 1 --method.over last"
    (run,) = plan(parse(words.split()))
    check(run)
    inner = choose(Method, {"name": "at", "alpha": 1.0})
    assert run.method == sckd.SCKD(inner=inner, over="last")
    back = from_json(Run, json.loads(json.dumps(to_json(run))))
    assert back == run and back.digest == run.digest
    (preset,) = plan(parse(words.replace("at --method.inner.alpha 1", "at+kd").split()))
    assert preset.digest == run.digest
