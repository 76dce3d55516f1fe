"""Several methods at once: settings for all of them, and for one alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from didact.nets.supernet import SPACES
from didact.request.plan import plan
from didact.spec import SpecError, to_json
from didact.teaching.gtn import GTN

BASE = {"data": {"name": "digits", "per_class": 6}, "recipe": {"epochs": 1, "batch_size": 16, "precision": "fp32"}}


def taught(how: Any) -> list[GTN | Any]:
    runs = plan({**BASE, "net": "resnet8", "method": "kd", "teacher": {"net": "resnet14", "method": how}})
    return [run.teacher.method for run in runs if run.teacher]


def test_a_recipe_has_settings_for_the_method_of_a_teacher() -> None:
    """lambda_KL is 1 on ImageNet and 3 on CIFAR-100 (SFTN, section 4.1)."""
    for recipe, how, weight in (
        ("imagenet", "sftn", 1.0),
        ("imagenet", {"name": "sftn", "kl_weight": 3.0}, 3.0),
        ("paper", "sftn", 3.0),
        ({"name": "imagenet", "epochs": 2}, {"name": "standard,sftn", "sftn": {"temperature": 2.0}}, 1.0),
    ):
        runs = plan({"net": "resnet8", "recipe": recipe, "teacher": {"net": "resnet14", "method": how}})
        assert [getattr(run.teacher.method, "kl_weight", None) for run in runs if run.teacher][-1] == weight
    own = {"net": "resnet14", "method": "sftn", "recipe": "imagenet"}
    (run,) = plan({"net": "resnet8", "recipe": "paper", "teacher": own})
    assert run.teacher is not None and getattr(run.teacher.method, "kl_weight", None) == 1.0


def test_settings_of_one_of_several_methods() -> None:
    standard, generic = taught({"name": "standard,gtn", "gtn": {"pool": "tiny", "alpha": 2.0}})
    assert (standard.name(), generic.pool, generic.alpha) == ("ce", SPACES["tiny"], 2.0)
    friendly, generic = taught({"name": "sftn,gtn", "gtn": {"pool": "vgg8"}, "sftn": {"kl_weight": 1.0}, "temperature": 2.0})
    assert (friendly.kl_weight, friendly.student, generic.pool.members) == (1.0, "resnet8", ("vgg8",))
    assert friendly.temperature == generic.temperature == 2.0
    both = taught({"name": "sftn,gtn", "temperature": 2.0, "gtn": {"pool": "vgg8", "temperature": 3.0}})
    assert [m.temperature for m in both] == [2.0, 3.0]  # its own goes before what is said of all
    for how in (
        {"name": "gtn", "pool": "tiny"},
        {"name": "gtn", "gtn": {"pool": "tiny"}},
        {"name": "GTN", "gtn": {"pool": "tiny"}},
    ):
        assert taught(how) == [GTN(pool=SPACES["tiny"])]
    assert taught({"name": ["standard", "gtn"], "GTN": {"pool": to_json(SPACES["tiny"])}})[1] == GTN(pool=SPACES["tiny"])
    runs = plan({**BASE, "net": "resnet8", "teacher": "resnet14", "method": {"name": "kd,crd+kd", "crd": {"negatives": 64}}})
    assert [getattr(run.method, "negatives", None) for run in runs] == [None, 64]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("gtn", r"teacher\.method\.pool: say which students the teacher is for, e\.g\. pool=tiny"),
        ("standard,gtn", r"teacher\.method\.pool: say which .*under teacher\.method\.gtn\)"),
        (
            {"name": "standard,gtn", "gnt": {"pool": "tiny"}},
            r"teacher\.method\.gnt: neither a method of the list nor a setting; did you mean 'gtn'",
        ),
        (
            {"name": "standard,gtn", "sftn": {"kl_weight": 1.0}},
            r"teacher\.method\.sftn: sftn is not among .*; write teacher\.method=gtn,sftn$",
        ),
        ({"name": "gtn", "pol": {"kind": "basic"}}, r"teacher\.method\.pol: neither .*did you mean 'pool'"),
        (
            {"name": "standard,gtn", "gtn": {"pol": "tiny"}},
            r"teacher\.method\.gtn\.pol: no such setting; did you mean 'pool'\?$",
        ),
        ({"name": "standard,gtn", "pol": "tiny"}, r"teacher\.method\.pol: no such setting; did you mean 'pool'"),
        ({"name": "standard,gtn", "gtn": "tiny"}, r"teacher\.method\.gtn: expected settings such as .*found 'tiny'"),
        (
            {"name": "standard,gtn", "gtn": {"pool": "tinny"}},
            r"teacher\.method\.gtn\.pool: 'tinny' is neither .*did you mean 'tiny'",
        ),
        (
            {"name": "standard,gtn", "standard": {"pool": "tiny"}, "gtn": {"pool": "tiny"}},
            r"teacher\.method\.standard\.pool: a standard teacher has no settings",
        ),
        ({"name": "standard", "gtn": {"pool": "tiny"}}, r"teacher\.method\.gtn: a standard teacher has no such setting"),
        ({"name": "standard,gtm", "gtm": {"pool": "tiny"}}, r"teacher\.method: unknown method 'gtm'; did you mean 'gtn'"),
        (
            {"name": "standard,sftn,gtn", "pool": "tiny"},
            r"teacher\.method\.pool: a setting of gtn alone; write teacher\.method\.gtn\.pool$",
        ),
        ({"name": "gtn,standard", "student": "vgg8", "pool": "tiny"}, r"teacher\.method\.student: no such setting"),
    ],
)
def test_misspelt_settings_of_one_of_several(how: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        taught(how)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"name": "kd,crd", "negatives": 10}, r"^method\.negatives: a setting of crd alone; write method\.crd\.negatives$"),
        (
            {"name": "ce,kd", "temperature": 2},
            r"^method\.temperature: a setting of kd alone; write method\.kd\.temperature$",
        ),
        (
            {"name": "kd,at,fitnet+kd,crd", "beta": 1.0},
            r"of at, fitnet and crd, and not of kd; write method\.at\.beta, method\.fitnet\.beta and method\.crd\.beta$",
        ),
        (
            {"name": "kd,at,nst", "beta": 1.0},
            r"of at and nst, and not of kd; write method\.at\.beta and method\.nst\.beta$",
        ),
        ({"name": "kd,crd", "negatvies": 10}, r"^method\.negatvies: no such setting; did you mean 'negatives'\?$"),
        (
            {"name": "kd,kd+ls", "negatives": 10},
            r"^method\.negatives: no such setting; known: alpha, gamma, standardise, temp",
        ),
        ("gtn", r"^method\.pool: say which students .*; gtn trains a teacher: write teacher\.method=gtn for the teacher of"),
        ("kd,sftn", r"^method: sftn trains a teacher; write teacher\.method=sftn .*, or method\.student=\.\.\.,"),
        ({"name": "kd,crdd", "negatives": 10}, r"^method: unknown method 'crdd'; did you mean 'crd'"),
        (
            {"name": "kd,at", "temperature": -1},
            r"^method\.temperature: .* \(of 'kd'; what is for it alone goes under method\.kd\)",
        ),
    ],
)
def test_settings_that_not_all_of_several_have(method: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        plan({**BASE, "net": "resnet8", "teacher": "resnet14", "method": method})


def test_settings_of_methods_of_one_s_own_go_below_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["from didact.method import Joint", "from didact.spec import spec", "@spec", "class Mine(Joint):"]
    lines += ["    beta: float = 1.0", "    def terms(self, extras, context): ..."]
    (tmp_path / "methods_of_ones_own.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    name = "methods_of_ones_own:Mine"
    asked = {**BASE, "net": "resnet8", "teacher": None}
    with pytest.raises(SpecError, match=rf"method\.beta: a setting of {name} alone; write method\.{name}\.beta$"):
        plan({**asked, "method": {"name": f"ce,{name}", "beta": 2.0}})
    runs = plan({**asked, "method": {"name": f"ce,{name}", name: {"beta": 2.0}}})
    assert [getattr(run.method, "beta", None) for run in runs] == [None, 2.0]
