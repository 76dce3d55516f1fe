"""What every method must keep, whatever its paper: walks the catalogue, so that a new file is tested by being there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from didact.data import Data, load
from didact.data.loader import Loader
from didact.method import Clock, Method, MetricsContext, Pair, Stage, StepContext, View
from didact.nets.blocks import BlockNet
from didact.runs.run import Run
from didact.seeds import seeded, stream
from didact.spec import SpecError, choose, digest, find, from_json, to_json
from didact.tensors import Outputs
from support.walk import NAMES, made

PRESETS = [(name, preset) for name in NAMES for preset in find(Method, name).presets]

PAIRS = [
    ("resnet20", "resnet8"),
    ("wrn_16_2", "shufflenet_v1"),
    ("resnet8x4", "mobilenet_v2"),
    ("basic-8-2x16-2x32-2x64-2x64s1", "basic-8-1x16-1x32-1x48-1x48s1"),
]
"""Teacher and student: of one family, of two, with different numbers of blocks, with four blocks of which two are of one size."""

DIGITS = load(Data(per_class=2))

each = pytest.mark.parametrize("name", NAMES)
pairs = pytest.mark.parametrize(("teacher", "student"), PAIRS, ids=lambda net: net)


@dataclasses.dataclass
class Told:
    """A method with all that it is told in one step, put together as the engine does it."""

    method: Method
    stage: Stage
    pair: Pair
    extras: nn.Module
    context: StepContext

    def terms(self) -> dict[str, Tensor]:
        return self.method.terms(self.extras, self.context)


def tell(
    make: Callable[..., Pair], method: Method, teacher: str, student: str, *, stage: Stage | None = None, bf16: bool = False
) -> Told:
    """One step of a stage (the main one) on four digits. All is drawn anew from fixed seeds; only what is read is shown."""
    stage = stage or next(s for s in method.stages() if s.main)
    needs = stage.needs or method.needs
    batch = next(Loader(DIGITS, batch_size=4, data_seed=0, views=needs.views).epoch(0))
    two = make(teacher if method.needs.teacher else None, student, classes=10, size=16, channels=1)
    with seeded(0, "extras"):
        extras = method.build(two)
    two.net.train()
    extras.train()
    if two.teacher is not None:
        two.teacher.eval()
    peers = [make(None, "resnet8", classes=10, size=16, channels=1).net] if needs.peers else []
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        shown = StepContext(
            batch=batch,
            own=looked(two.net, batch.images, needs.own if needs.main else frozenset()),
            teacher=frozen(two.teacher, batch.images, needs.teacher if needs.main else frozenset()),
            clock=Clock(epoch=1, epochs=3, step=0, steps=2, total=1, stage=stage.name),
            random=stream(0, "learner"),
            peers=tuple(peer.outputs(batch.images, needs.peers).detached() for peer in peers),
            views={
                v: View(looked(two.net, x, needs.own), frozen(two.teacher, x, needs.teacher)) for v, x in batch.views.items()
            },
            net=two.net,
        )
    return Told(method, stage, two, extras, shown)


def looked(net: BlockNet, images: Tensor, parts: frozenset[str]) -> Outputs:
    return net.outputs(images, parts) if parts else Outputs()


def frozen(net: BlockNet | None, images: Tensor, parts: frozenset[str]) -> Outputs | None:
    if net is None or not parts:
        return None
    with torch.no_grad():
        return net.outputs(images, parts)


def copied(module: nn.Module | None) -> dict[str, Tensor]:
    return {} if module is None else {k: v.clone() for k, v in module.state_dict().items()}


def hidden(module: nn.Module) -> Iterator[str]:
    """Attributes that hold tensors or modules where a state_dict does not see them."""
    for path, part in module.named_modules():
        for key, value in vars(part).items():
            inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
            if key not in ("_parameters", "_buffers", "_modules") and any(isinstance(v, (Tensor, nn.Module)) for v in inner):
                yield f"{path}.{key}"


# ------------------------------------------------------------------------------------------------ the description


def test_the_walk_found_the_methods() -> None:
    assert {"ce", "kd", "fitnet", "at", "sp", "sftn"} <= set(NAMES)
    assert all(find(Method, name).name() == name for name in NAMES)


@each
def test_a_method_survives_json(name: str) -> None:
    method = made(name)
    text = json.dumps(to_json(method))
    back = choose(Method, json.loads(text))
    assert back == method and type(back) is type(method)
    assert digest(back) == digest(method)
    assert json.loads(text)["name"] == name
    later = getattr(method, "later", ())  # written only where it is not the default
    fields = {f.name for f in dataclasses.fields(method) if f.name not in later}
    assert fields | {"name", "version"} == set(json.loads(text))
    assert hash(back) == hash(method)


@each
def test_a_method_is_frozen_and_keyword_only(name: str) -> None:
    method = made(name)
    for field in [f.name for f in dataclasses.fields(method)] or ["anything"]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(method, field, 1.0)
    with pytest.raises(Exception, match="positional"):
        type(method)(1.0)


@each
def test_unknown_settings_are_refused_with_the_nearest_name(name: str) -> None:
    with pytest.raises(SpecError, match=r"^no_such_thing: no such setting"):
        made(name, no_such_thing=1)
    for field in dataclasses.fields(find(Method, name)):
        with pytest.raises(SpecError, match=rf"^{field.name}_: no such setting; did you mean .*'{field.name}'"):
            made(name, **{f"{field.name}_": 1})


@each
def test_every_setting_says_what_it_is(name: str) -> None:
    described = find(Method, name).__pydantic_fields__  # type: ignore[attr-defined]
    assert all(info.description for info in described.values())


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_presets_are_settings(name: str, preset: str) -> None:
    plain, chosen = made(name), made(f"{name}+{preset}")
    changes = find(Method, name).presets[preset]
    assert chosen == dataclasses.replace(plain, **changes) and chosen != plain  # type: ignore[type-var]
    assert choose(Method, to_json(chosen)) == chosen


@pytest.mark.parametrize("name", [name for name, preset in PRESETS if preset == "kd"])
def test_the_kd_preset_adds_the_kd_term(pair: Callable[..., Pair], name: str) -> None:
    plain, more = (tell(pair, made(n), *PAIRS[0]) for n in (name, f"{name}+kd"))
    assert "logits" in more.method.needs.teacher
    before, after = plain.terms(), more.terms()
    assert set(after) - set(before) == {"kd"}
    assert all(torch.equal(after[k], before[k]) for k in before)
    assert after["kd"] > 0


@each
def test_one_stage_takes_the_recipes_epochs(name: str) -> None:
    stages = made(name).stages()
    assert sum(stage.main for stage in stages) == 1
    assert len({stage.name for stage in stages}) == len(stages)


@each
def test_without_a_teacher_it_says_so(pair: Callable[..., Pair], name: str) -> None:
    spec: dict[str, Any] = {"net": "resnet8", "method": to_json(made(name))}
    if made(name).needs.peers:
        with pytest.raises(SpecError, match=f"the method '{name}' learns from peers and none is given"):
            from_json(Run, spec)
        spec["peers"] = [dict(spec)]
    if not made(name).needs.teacher:
        made(name).build(pair(None, "resnet8"))
        assert from_json(Run, spec).teacher is None
        return
    with pytest.raises(SpecError, match=f"the method '{name}' learns from a teacher and none is given"):
        from_json(Run, spec)


def test_a_pair_without_a_teacher_says_what_to_do(pair: Callable[..., Pair]) -> None:
    with pytest.raises(ValueError, match=r"learns from a teacher, and none was given; name one, or use the method 'ce'"):
        pair(None, "resnet8").with_teacher()
    two = pair("resnet20", "resnet8")
    assert two.with_teacher() == (two.teacher, two.teacher_shapes)


# ------------------------------------------------------------------------------------------------ one step


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
@pairs
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
