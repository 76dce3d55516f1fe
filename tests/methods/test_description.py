"""What every method says of itself: settings that survive JSON, presets, stages, and whether it needs a teacher."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from didact.method import Method, Pair
from didact.runs.run import Run
from didact.spec import SpecError, choose, digest, find, from_json, to_json
from support.one_step import PAIRS, tell
from support.walk import NAMES, made

PRESETS = [(name, preset) for name in NAMES for preset in find(Method, name).presets]

each = pytest.mark.parametrize("name", NAMES)


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
