"""What every method must keep, whatever its paper: walks the catalogue, so that a new file is tested by being there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from didact.method import Method, MetricsContext, Pair
from didact.seeds import seeded
from didact.spec import find
from support.one_step import PAIRS, Told, tell
from support.walk import NAMES, made

each = pytest.mark.parametrize("name", NAMES)
pairs = pytest.mark.parametrize(("teacher", "student"), PAIRS, ids=lambda net: net)


def copied(module: nn.Module | None) -> dict[str, Tensor]:
    return {} if module is None else {k: v.clone() for k, v in module.state_dict().items()}


def hidden(module: nn.Module) -> Iterator[str]:
    """Attributes that hold tensors or modules where a state_dict does not see them."""
    for path, part in module.named_modules():
        for key, value in vars(part).items():
            inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
            if key not in ("_parameters", "_buffers", "_modules") and any(isinstance(v, (Tensor, nn.Module)) for v in inner):
                yield f"{path}.{key}"


def test_the_walk_found_the_methods() -> None:
    assert {"ce", "kd", "fitnet", "at", "sp", "sftn"} <= set(NAMES)
    assert all(find(Method, name).name() == name for name in NAMES)


@each
@pairs
def test_a_step_trains_everything_but_the_teacher_and_leaves_nothing_outside_the_state(
    pair: Callable[..., Pair], name: str, teacher: str, student: str
) -> None:
    for stage in made(name).stages():
        told = tell(pair, made(name), teacher, student, stage=stage)
        check_step(told)
        if stage.main:
            check_state(told)


def check_step(told: Told) -> None:
    """The terms are finite scalars; their gradient reaches all that moves, and nothing of the teacher."""
    before = copied(told.pair.teacher)
    own = copied(told.pair.net)
    terms = told.terms()
    assert terms
    assert all(t.shape == () and t.dtype == torch.float32 and t.isfinite() for t in terms.values()), terms
    torch.stack(list(terms.values())).sum().backward()
    moves = told.stage.moves
    parameters = {f"net.{k}": p for k, p in told.pair.net.named_parameters()}
    parameters |= {f"extras.{k}": p for k, p in told.extras.named_parameters()}
    moving = {k: p for k, p in parameters.items() if p.requires_grad and k.startswith(moves)}
    assert moving
    assert [k for k, p in moving.items() if p.grad is None] == []
    assert all(p.grad is not None and p.grad.isfinite().all() for p in moving.values())
    assert any(p.grad is not None and p.grad.any() for p in moving.values())
    if not (told.stage.needs or told.method.needs).own:
        assert all(torch.equal(v, own[k]) for k, v in told.pair.net.state_dict().items())
    if told.pair.teacher is not None:
        after = told.pair.teacher.state_dict()
        assert all(torch.equal(v, before[k]) for k, v in after.items()) and after.keys() == before.keys()
        assert all(p.grad is None and not p.requires_grad for p in told.pair.teacher.parameters())
        assert not told.pair.teacher.training


def check_state(told: Told) -> None:
    """All that the extras remember is in their state, and other extras can take it over."""
    state = told.extras.state_dict()
    assert {k for k, _ in told.extras.named_parameters()} <= set(state)
    assert list(hidden(told.extras)) == []
    with seeded(1, "other"):
        told.method.build(told.pair).load_state_dict(state)


@each
def test_the_same_step_gives_the_same_terms(pair: Callable[..., Pair], name: str) -> None:
    torch.manual_seed(1)
    first = tell(pair, made(name), *PAIRS[0]).terms()
    torch.manual_seed(2)  # nothing may draw from the global generator
    again = tell(pair, made(name), *PAIRS[0]).terms()
    assert list(first) == list(again)
    assert all(torch.equal(first[k], again[k]) for k in first)


@each
@pytest.mark.parametrize(
    ("teacher", "student"),
    [pytest.param(*two, marks=[] if two in (PAIRS[0], PAIRS[3]) else [pytest.mark.slow]) for two in PAIRS],
    ids=lambda net: net,
)
def test_terms_are_finite_in_bfloat16(pair: Callable[..., Pair], name: str, teacher: str, student: str) -> None:
    told = tell(pair, made(name), teacher, student, bf16=True)
    with torch.autocast("cpu", torch.bfloat16):
        terms = told.terms()
    assert all(t.isfinite() and t.dtype == torch.float32 for t in terms.values()), terms
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in (*told.pair.net.parameters(), *told.extras.parameters()))


@each
def test_soft_labels_are_followed_where_the_method_says_so(pair: Callable[..., Pair], name: str) -> None:
    """Where images can be mixed nothing reads one class for each image; where labels can be smoothed the targets count."""
    method = made(name)
    follows, told = method.soft_labels(), tell(pair, method, "resnet20", "resnet8")
    given = told.context.batch
    soft = torch.full((len(given), 10), 0.05).scatter(1, given.labels[:, None], 0.55)
    before = told.terms()

    def terms(labels: Tensor) -> dict[str, Tensor]:
        again = tell(pair, method, "resnet20", "resnet8")
        again.context = dataclasses.replace(again.context, batch=dataclasses.replace(given, labels=labels, soft=soft))
        return again.terms()

    softened = terms(given.labels)
    if follows == "mixed":
        others = terms((given.labels + 3) % 10)
        assert all(torch.equal(softened[key], others[key]) for key in before), "a term reads batch.labels"
    entropies = [key for key in before if key.split("_")[-1] == "ce"]
    assert all(torch.equal(before[key], softened[key]) for key in before.keys() - entropies)
    assert all(torch.equal(before[key], softened[key]) == (follows == "none") for key in entropies)


def test_hidden_finds_what_a_state_dict_does_not_see() -> None:
    module = nn.Module()
    module.inner = nn.ReLU()
    assert list(hidden(module)) == []
    module.inner.bank = [torch.zeros(1)]
    assert list(hidden(module)) == ["inner.bank"]


@each
def test_what_is_deployed_maps_images_to_logits_and_exports(pair: Callable[..., Pair], name: str) -> None:
    told = tell(pair, made(name), *PAIRS[0])
    told.pair.net.eval()
    told.extras.eval()
    net = told.method.deployed(told.extras, told.pair.net).eval()
    images = told.context.batch.images.contiguous()
    with torch.no_grad():
        logits = net(images)
        assert logits.shape == (4, 10) and logits.dtype == torch.float32
        if net is not told.pair.net:  # how networks export by themselves is tested in tests/nets
            torch.testing.assert_close(torch.export.export(net, (images,)).module()(images), logits)


@each
def test_metrics_are_logits_and_scalars(pair: Callable[..., Pair], name: str) -> None:
    told = tell(pair, made(name), *PAIRS[0])
    for logits in told.method.metrics(told.extras, MetricsContext("step", told.context.own, told.context.views)).values():
        assert logits.shape == (4, 10)
    for logits in told.method.metrics(told.extras, MetricsContext("test", told.context.own)).values():
        assert logits.shape == (4, 10)
    for scalar in told.method.metrics(told.extras, MetricsContext("epoch")).values():
        assert not scalar.dim()
