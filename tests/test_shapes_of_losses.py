"""Losses refuse tensors that would be broadcast: the number would be finite and mean nothing."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

import jaxtyping
import pytest
import torch
from torch import Tensor

from didact.analysis import calibration, divergence
from didact.losses import cross_entropy
from support.walk import NAMES

torch.manual_seed(0)
LABELS = torch.arange(8) % 5
ROWS = torch.randn(8, 5)
MAPS = torch.randn(8, 6, 4, 4)
SCORES = torch.rand(8, 7)

# The arguments of every loss, and the position of the one that comes from the teacher.
CASES: dict[str, tuple[list[Any], int]] = {
    "methods.ab.loss": ([MAPS, MAPS + 1], 1),
    "methods.at.loss": ([MAPS, MAPS + 1], 1),
    "methods.cc.loss": ([ROWS, ROWS + 1], 1),
    "methods.cc.matrix_distance": ([ROWS, ROWS + 1], 1),
    "methods.ce.loss": ([ROWS, LABELS], 1),
    "methods.crd.loss": ([SCORES, SCORES, 100], 1),
    "methods.dist.loss": ([ROWS, ROWS + 1], 1),
    "methods.dkd.loss": ([ROWS, ROWS + 1, LABELS], 1),
    "methods.fitnet.loss": ([MAPS, MAPS + 1], 1),
    "methods.fsp.loss": ([(MAPS, MAPS), (MAPS, MAPS)], 1),
    "methods.ft.loss": ([MAPS, MAPS + 1], 1),
    "methods.ft.restoration": ([MAPS, MAPS + 1], 1),
    "methods.kd.loss": ([ROWS, ROWS + 1], 1),
    "methods.kdsvd.loss": ([(MAPS, MAPS), (MAPS, MAPS)], 1),
    "methods.nst.loss": ([MAPS, MAPS + 1], 1),
    "methods.ofd.loss": ([MAPS, MAPS + 1, -torch.ones(6)], 1),
    "methods.pkt.loss": ([ROWS, ROWS + 1], 1),
    "methods.reviewkd.loss": ([MAPS, MAPS + 1], 1),
    "methods.rkd.loss": ([ROWS, ROWS + 1], 1),
    "methods.semckd.loss": ([torch.randn(8, 3, 4), torch.randn(8, 2, 4), torch.rand(8, 3, 2)], 1),
    "methods.simkd.loss": ([MAPS, MAPS + 1], 1),
    "methods.sp.loss": ([MAPS, MAPS + 1], 1),
    "methods.srrl.loss": ([ROWS, ROWS + 1, ROWS, ROWS], 1),
    "methods.sskd.loss": ([ROWS, ROWS + 1, ROWS, ROWS, LABELS[:2]], 1),
    "methods.vid.loss": ([MAPS, MAPS + 1, torch.ones(6)], 1),
    "peers.dml.loss": ([ROWS, [ROWS + 1]], 1),
    "peers.kdcl.loss": ([ROWS, ROWS + 1], 1),
    "peers.kdcl.target": ([[ROWS, ROWS + 1], LABELS], 0),
    "teaching.gtn.loss": ([ROWS, [ROWS + 1], LABELS], 1),
    "teaching.sftn.loss": ([ROWS, [ROWS + 1], LABELS], 1),
}
PAIRWISE = (
    "methods.at.",
    "methods.ft.loss",
    "methods.nst.",
    "methods.pkt.",
    "methods.rkd.",
    "methods.sp.",
    ".matrix_distance",
)
"""Compare within each network first: widths may differ."""


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As users call them: jaxtyping would refuse the shapes first, in tests alone."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def formula(name: str) -> Any:
    module, function = name.rsplit(".", 1)
    return getattr(import_module(f"didact.{module}"), function)


def changed(argument: Any, to: Any) -> Any:
    """The last tensor of ``argument`` changed."""
    return to(argument) if isinstance(argument, Tensor) else type(argument)([*argument[:-1], to(argument[-1])])


def test_every_method_is_here() -> None:
    named = {name.split(".")[1] for name in CASES}
    assert named == {*NAMES} - {"sckd"}, "sckd compares gradients, which are rows of one network"


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("images", [1, 4])
def test_other_images(name: str, images: int) -> None:
    arguments, teacher = CASES[name]
    value = formula(name)(*arguments)
    values = value.values() if isinstance(value, dict) else [value]
    assert all(v.isfinite().all() for v in values)
    fewer = [changed(a, lambda t: t[:images]) if i == teacher else a for i, a in enumerate(arguments)]
    with pytest.raises(ValueError, match=r"\(8|found|\(1, |\(4, |\(2, |\(6, "):
        formula(name)(*fewer)


@pytest.mark.parametrize("name", [name for name in CASES if not any(part in name for part in (*PAIRWISE, "ce.loss"))])
def test_one_channel_or_class(name: str) -> None:
    arguments, teacher = CASES[name]
    if name == "methods.semckd.loss":
        pytest.skip("its second argument has blocks there; the widths meet in a product")
    narrow = [changed(a, lambda t: t[:, :1]) if i == teacher else a for i, a in enumerate(arguments)]
    with pytest.raises(ValueError, match=r"shape|channels|fusion"):
        formula(name)(*narrow)


def test_labels_of_other_images() -> None:
    soft = ROWS.softmax(1)
    for call in (
        lambda: formula("methods.dkd.loss")(ROWS, ROWS, LABELS[:1]),
        lambda: cross_entropy(ROWS, LABELS[:1]),
        lambda: cross_entropy(ROWS, soft[:, :1]),
        lambda: divergence.accuracy(ROWS, LABELS[:1]),
        lambda: divergence.agreement(ROWS, ROWS[:1]),
        lambda: divergence.kl(ROWS, ROWS[:1]),
        lambda: calibration.ece(ROWS, LABELS[:1]),
    ):
        with pytest.raises(ValueError, match="are to be compared: both must"):
            call()


def test_the_number_of_images_may_stay_open_in_an_export() -> None:
    class Losses(torch.nn.Module):
        def forward(self, z: Tensor, labels: Tensor) -> Tensor:
            return cross_entropy(z, labels) + formula("methods.sp.loss")(z, 2 * z)

    images = torch.export.Dim("images", min=2)
    program = torch.export.export(Losses(), (ROWS, LABELS), dynamic_shapes=({0: images}, {0: images}))
    few = ROWS[:3], LABELS[:3]
    assert torch.equal(program.module()(*few), Losses()(*few))


OF_MAPS = ("ab", "at", "fitnet", "fsp", "ft", "kdsvd", "nst", "ofd", "reviewkd", "simkd", "vid")
OF_ROWS = ("cc", "ce", "crd", "dist", "dkd", "kd", "dml", "kdcl", "gtn", "sftn")


def of(families: tuple[str, ...]) -> list[str]:
    return [name for name in CASES if name.split(".")[1] in families]


@pytest.mark.parametrize("name", of(OF_MAPS))
@pytest.mark.parametrize("shape", [(8, 96), (6, 4, 4)], ids=["vectors", "one image"])
def test_no_maps(name: str, shape: tuple[int, ...]) -> None:
    other = [reshaped(argument, MAPS.shape, shape) for argument in CASES[name][0]]
    with pytest.raises(ValueError, match=f"a map is needed.*{re.escape(str(shape))}"):
        formula(name)(*other)


@pytest.mark.parametrize("name", of(OF_ROWS))
@pytest.mark.parametrize("more", [(None, ...), (..., None, None)], ids=["a dimension before", "two after"])
def test_no_rows(name: str, more: Any) -> None:
    tall = [reshaped(argument, shape, tuple(torch.empty(shape)[more].shape)) for argument, shape in rows_of(name)]
    with pytest.raises(ValueError, match="a row for each image is needed"):
        formula(name)(*tall)


def rows_of(name: str) -> list[tuple[Any, tuple[int, ...]]]:
    return [(argument, tuple(SCORES.shape if "crd" in name else ROWS.shape)) for argument in CASES[name][0]]


def reshaped(argument: Any, old: tuple[int, ...], new: tuple[int, ...]) -> Any:
    """Every tensor of ``argument`` that has one shape, in another; of fewer values where the new one has fewer."""
    if isinstance(argument, (list, tuple)):
        return type(argument)(reshaped(one, old, new) for one in argument)
    is_one = isinstance(argument, Tensor) and tuple(argument.shape) == tuple(old)
    return argument.flatten()[: torch.Size(new).numel()].reshape(new) if is_one else argument


@pytest.mark.parametrize("name", ["methods.ofd.loss", "methods.vid.loss"])
def test_values_of_channels(name: str) -> None:
    maps = MAPS[:6], MAPS[:6] + 1  # as many images as channels, so that a wrong dimension would fit
    values = torch.rand(6) + 0.5 if "vid" in name else -torch.rand(6)
    expected = formula(name)(*maps, values)
    for same in ((6, 1, 1), (1, 6, 1, 1)):
        assert torch.equal(formula(name)(*maps, values.reshape(same)), expected)
    for other in (values[:1], values[0], values[:5], values.reshape(6, 1), values.reshape(6, 1, 1, 1), values.repeat(6, 1)):
        with pytest.raises(ValueError, match="a value for each of 6 channels is needed, found a tensor of shape"):
            formula(name)(*maps, other)


def test_no_branches_and_no_peers() -> None:
    for name in ("teaching.gtn.loss", "teaching.sftn.loss"):
        with pytest.raises(ValueError, match="branches: logits of one branch at least"):
            formula(name)(ROWS, [], LABELS)
    with pytest.raises(ValueError, match="peers: logits of one peer at least"):
        formula("peers.dml.loss")(ROWS, [])


@pytest.mark.parametrize(
    ("name", "arguments", "settings", "said"),
    [
        ("peers.kdcl.target", ([ROWS, ROWS], LABELS), {"how": "liner"}, r"how: 'naive', .* or 'mean', found 'liner'"),
        ("teaching.sftn.terms", (ROWS, [ROWS], LABELS), {"direction": "forward"}, r"direction: .* found 'forward'"),
        ("methods.ft.loss", (MAPS, MAPS), {"kind": "author"}, "kind: 'attention' or 'authors', found 'author'"),
        ("methods.ft.restoration", (MAPS, MAPS), {"norm": "L2"}, "norm: 'l2' or 'l1', found 'L2'"),
        ("methods.fsp.loss", ((MAPS, MAPS), (MAPS, MAPS)), {"kind": ""}, "kind: 'repdistiller' or 'torchdistill', found ''"),
        ("methods.dist.loss", (ROWS, ROWS), {"eps": "clamped"}, "eps: 'clamp' or 'product', found 'clamped'"),
        ("methods.cc.matrix_distance", (ROWS, ROWS), {"kernel": "rbf"}, "kernel: 'bilinear' or 'gaussian', found 'rbf'"),
    ],
)
def test_a_word_that_a_formula_does_not_know(
    name: str, arguments: tuple[Any, ...], settings: dict[str, str], said: str
) -> None:
    """Another formula was computed, in silence."""
    call = inspect.unwrap(formula(name))  # without the tests' own check of types
    with pytest.raises(ValueError, match=said):
        call(*arguments, **settings)


def test_what_is_said() -> None:
    said = r"^tensors of shapes \(1, 5\) and \(8, 5\) are to be compared: both must have the same shape$"
    with pytest.raises(ValueError, match=said):
        formula("methods.kd.loss")(ROWS, ROWS[:1])
