"""SSKD: the four terms and the first stage against NumPy, what is kept, and a training of both stages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from didact.data import Data, load
from didact.data.augment import Draws
from didact.data.renderings import Shifted, rotations
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.method import Clock, MetricsContext, Pair, StepContext, View
from didact.methods import sskd
from didact.seeds import stream
from didact.tensors import Batch, Outputs
from support.training import Ear, learner, run, taught

random = np.random.default_rng(6)

Array = np.ndarray
RATIOS = [(1.0, 0.75), (0.0, 0.0), (0.5, 1.0), (0.29, 0.6)]


def log_softmax(z: Array) -> Array:
    z = z - z.max()
    return z - np.log(np.exp(z).sum())


def kl(zt: Array, zs: Array, temperature: float) -> float:
    p, q = log_softmax(zt / temperature), log_softmax(zs / temperature)
    return float(temperature**2 * (np.exp(p) * (p - q)).sum())


def cosines(vectors: Array) -> Array:
    """Of the rotated vectors (rows 1, 2, 3, 5, 6, 7, ..) with the upright ones (0, 4, ..)."""
    out = [[a @ b / (np.sqrt(a @ a) * np.sqrt(b @ b)) for b in vectors[::4]] for i, a in enumerate(vectors) if i % 4]
    return np.array(out)


def selected(scores: Array, truth: list[int], ratio: float) -> list[int]:
    rank = [int((row > row[t]).sum()) for row, t in zip(scores, truth, strict=True)]
    right = [i for i, r in enumerate(rank) if r == 0]
    wrong = sorted((i for i, r in enumerate(rank) if r), key=lambda i: rank[i])  # sorted is stable
    return right + wrong[: int(ratio * len(wrong))]


def selective(zt: Array, zs: Array, truth: list[int], ratio: float, temperature: float) -> float:
    counted = selected(zt, truth, ratio)
    return float(np.mean([kl(zt[i], zs[i], temperature) for i in counted])) if counted else 0.0


def reference(
    zs: Array, zt: Array, ps: Array, pt: Array, labels: list[int], tf: float = 1.0, ss: float = 0.75, t: tuple = (4, 4, 0.5)
) -> dict[str, float]:
    turned = [i for i in range(len(zs)) if i % 4]
    return {
        "ce": float(np.mean([-log_softmax(zs[4 * i])[y] for i, y in enumerate(labels)])),
        "kd": float(np.mean([kl(zt[4 * i], zs[4 * i], t[0]) for i in range(len(labels))])),
        "tf": selective(zt[turned], zs[turned], [labels[i // 4] for i in turned], tf, t[1]),
        "ss": selective(cosines(pt), cosines(ps), [i // 4 for i in turned], ss, t[2]),
    }


def drawn(batch: int = 5, classes: int = 6) -> tuple[list[Array], list[int]]:
    """Logits and projected vectors of both networks, and labels; the teacher has some rows right."""
    labels = random.integers(classes, size=batch).tolist()
    zs, zt = (2 * random.normal(size=(4 * batch, classes)) for _ in range(2))
    ps, pt = random.normal(size=(4 * batch, 3)), random.normal(size=(4 * batch, 4))
    zt += 1.5 * np.eye(classes)[np.repeat(labels, 4)]
    pt += np.repeat(random.normal(size=(batch, 4)), 4, axis=0)
    return [zs, zt, ps, pt], labels


def found(given: list[Array], labels: list[int], **settings: float) -> dict[str, float]:
    terms = sskd.loss(*(torch.tensor(x) for x in given), torch.tensor(labels), **settings)
    return {k: v.item() for k, v in terms.items()}


# ------------------------------------------------------------------------------------------------ the formulas


def test_by_hand() -> None:
    # two images whose rotations look like them to the teacher, and like nothing to the student
    zs = torch.zeros(8, 2).double()
    pt = torch.tensor([[1.0, 0.0]] * 4 + [[0.0, 2.0]] * 4).double()
    ps = torch.ones(8, 5).double()
    terms = sskd.loss(zs, zs, ps, pt, torch.tensor([0, 1]))
    assert list(terms) == ["ce", "kd", "tf", "ss"]
    assert terms["ce"].item() == pytest.approx(np.log(2))
    assert terms["kd"] == terms["tf"] == 0
    p = 1 / (1 + np.exp(-2))  # cosines 1 and 0 at temperature 0.5
    assert terms["ss"].item() == pytest.approx(0.25 * (np.log(2) + p * np.log(p) + (1 - p) * np.log(1 - p)))
    assert sskd.head_loss(pt).item() == pytest.approx(np.log(1 + np.exp(-1)))


@pytest.mark.parametrize(("tf", "ss"), RATIOS)
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_the_four_terms(tf: float, ss: float, batch: int) -> None:
    given, labels = drawn(batch)
    value = found(given, labels, ratio_tf=tf, ratio_ss=ss)
    assert value == pytest.approx(reference(*given, labels, tf, ss), rel=1e-10, abs=1e-14)  # type: ignore[arg-type]


def test_the_defaults_and_other_temperatures() -> None:
    given, labels = drawn()
    assert found(given, labels) == pytest.approx(reference(*given, labels), rel=1e-10)  # type: ignore[arg-type]
    value = found(given, labels, temperature=2.0, temperature_tf=3.0, temperature_ss=1.5)
    assert value == pytest.approx(reference(*given, labels, t=(2, 3, 1.5)), rel=1e-10)  # type: ignore[call-arg, arg-type]
    method = sskd.SSKD()
    assert (method.gamma, method.alpha, method.beta_tf, method.beta_ss) == (0.1, 0.9, 2.7, 10)
    assert (method.temperature, method.temperature_tf, method.temperature_ss) == (4, 4, 0.5)
    assert (method.ratio_tf, method.ratio_ss) == (1, 0.75)


@pytest.mark.parametrize(("tf", "ss"), RATIOS[:3])
def test_the_gradient(slope: Callable, tf: float, ss: float) -> None:
    (zs, zt, ps, pt), labels = drawn(3)
    own, projected = torch.tensor(zs, requires_grad=True), torch.tensor(ps, requires_grad=True)
    terms = sskd.loss(own, torch.tensor(zt), projected, torch.tensor(pt), torch.tensor(labels), ratio_tf=tf, ratio_ss=ss)
    sum(terms.values(), torch.zeros(())).backward()
    total = lambda zs, ps: sum(reference(zs, zt, ps, pt, labels, tf, ss).values())  # noqa: E731
    np.testing.assert_allclose(own.grad, slope(lambda x: total(x, ps), zs), atol=1e-8)
    np.testing.assert_allclose(projected.grad, slope(lambda x: total(zs, x), ps), atol=1e-8)


@pytest.mark.parametrize("batch", [1, 4])
def test_the_heads_loss_and_its_gradient(slope: Callable, batch: int) -> None:
    def expected(x: Array) -> float:
        return float(np.mean([-log_softmax(row)[i // 3] for i, row in enumerate(cosines(x))]))

    vectors = random.normal(size=(4 * batch, 3))
    projected = torch.tensor(vectors, requires_grad=True)
    value = sskd.head_loss(projected)
    value.backward()
    assert value.item() == pytest.approx(expected(vectors), rel=1e-10, abs=1e-14)
    np.testing.assert_allclose(projected.grad, slope(expected, vectors), atol=1e-8)


@pytest.mark.parametrize(
    ("rank", "ratio", "expected"),
    [
        ([2, 0, 1, 3, 0], 0.0, [1, 4]),
        ([2, 0, 1, 3, 0], 0.5, [1, 2, 4]),  # int(1.5): one of three wrong rows
        ([2, 0, 1, 3, 0], 0.75, [0, 1, 2, 4]),
        ([2, 0, 1, 3, 0], 1.0, [0, 1, 2, 3, 4]),
        ([1, 1, 0, 1, 1], 0.5, [0, 1, 2]),  # among equals the earlier
        ([3, 3, 1], 0.67, [0, 2]),
        ([2, 1], 0.0, []),
        ([1] * 100, 0.29, list(range(28))),  # 0.29 * 100 is below 29 in float64, as in Python
    ],
)
def test_what_is_kept(rank: list[int], ratio: float, expected: list[int]) -> None:
    assert sskd.kept(torch.tensor(rank), ratio).nonzero()[:, 0].tolist() == expected


def test_the_rows_of_the_view() -> None:
    """Upright first, then the turns, as the loader gives them."""
    pixels = torch.arange(2 * 9, dtype=torch.uint8).reshape(2, 1, 3, 3)
    still = Draws(*(torch.zeros(2, 4, dtype=torch.long),) * 2, torch.zeros(2, dtype=torch.bool))
    view = rotations(Shifted("none", 0, 0, None), pixels, torch.arange(2), still)
    upright, turned = sskd.apart(view.flatten(1).float())
    assert torch.equal(upright, pixels.flatten(1).float())
    expected = [torch.rot90(pixels[i], k, (1, 2)).flatten().float() for i in range(2) for k in (1, 2, 3)]
    assert torch.equal(turned, torch.stack(expected))


def test_extremes_are_finite() -> None:
    zs, zt = (60 * torch.randn(8, 10) for _ in range(2))
    zs, ps = zs.requires_grad_(), torch.zeros(8, 4, requires_grad=True)
    for pt in (torch.zeros(8, 3), torch.randn(8, 3)):
        terms = sskd.loss(zs, zt, ps, pt, torch.tensor([3, 4]), ratio_tf=0.0, ratio_ss=0.0)
        assert all(v.isfinite() for v in terms.values())
        sum(terms.values(), torch.zeros(())).backward()
        assert zs.grad is not None and zs.grad.isfinite().all()
        assert ps.grad is not None and not ps.grad.any()
    one = sskd.loss(zs[:4], zt[:4], torch.randn(4, 4).requires_grad_(), torch.randn(4, 3), torch.tensor([1]))
    assert one["ss"] == 0


def test_half_precision_is_widened() -> None:
    labels, given = torch.tensor([1, 0, 3]), [torch.randn(12, n).bfloat16() for n in (4, 4, 5, 6)]
    with torch.autocast("cpu", torch.bfloat16):
        terms, head = sskd.loss(*given, labels), sskd.head_loss(given[3])
    wide = sskd.loss(*(x.float() for x in given), labels)
    assert all(torch.equal(terms[k], wide[k]) and terms[k].dtype == torch.float32 for k in wide)
    assert torch.equal(head, sskd.head_loss(given[3].float()))


# ------------------------------------------------------------------------------------------------ the method


def view(pair: Pair, batch: int) -> View:
    shown = []
    for shapes in (pair.shapes, pair.teacher_shapes):
        assert shapes is not None
        shown.append(
            Outputs(logits=torch.randn(4 * batch, 5).double(), pooled=torch.randn(4 * batch, *shapes.pooled).double())
        )
    return View(*shown)


def told(shown: View, labels: list[int], stage: str) -> StepContext:
    batch = Batch(torch.zeros(len(labels), 3, 16, 16), torch.tensor(labels), torch.arange(len(labels)))
    return StepContext(batch, Outputs(), None, Clock(0, 1, 0, 1, 0, stage), stream(0), views={"rotations": shown})


def test_terms(pair: Callable[..., Pair]) -> None:
    two = pair("wrn_16_2", "resnet8")
    method = sskd.SSKD(gamma=2.0, alpha=3.0, beta_tf=5.0, beta_ss=7.0, ratio_tf=0.5, ratio_ss=0.25, temperature_ss=1.0)
    extras = method.build(two).double()
    assert isinstance(extras, sskd.Heads)
    shown, labels = view(two, 3), [4, 0, 2]
    with torch.no_grad():
        ps, pt = extras.student_head(shown.own.pooled).numpy(), extras.teacher_head(shown.teacher.pooled).numpy()  # type: ignore[union-attr]
    logits = [outputs.logits.numpy() for outputs in (shown.own, shown.teacher)]  # type: ignore[union-attr]
    expected = reference(*logits, ps, pt, labels, 0.5, 0.25, (4, 4, 1.0))
    terms = method.terms(extras, told(shown, labels, "train"))
    weights = {"ce": 2, "kd": 3, "tf": 5, "ss": 7}
    assert {k: v.item() for k, v in terms.items()} == pytest.approx({k: weights[k] * v for k, v in expected.items()})
    sum(terms.values(), torch.zeros(())).backward()
    assert all(p.grad is not None and p.grad.any() for p in extras.student_head.parameters())
    assert all(p.grad is None for p in extras.teacher_head.parameters())
    figures = method.metrics(extras, MetricsContext("step", views={"rotations": shown}))
    assert shown.own.logits is not None and torch.equal(figures[""], shown.own.logits[[0, 4, 8]])
    alone = View(Outputs(), Outputs(pooled=shown.teacher.pooled))  # type: ignore[union-attr]
    first = told(alone, labels, "head")
    expected_head = float(np.mean([-log_softmax(row)[i // 3] for i, row in enumerate(cosines(pt))]))
    assert {k: v.item() for k, v in method.terms(extras, first).items()} == {"head": pytest.approx(expected_head)}
    assert method.metrics(extras, MetricsContext("step", views={"rotations": alone})) == {}
    assert method.metrics(extras, MetricsContext("test", shown.own)) == {}


def test_stages() -> None:
    head, main = sskd.SSKD().stages()
    assert (head.length(240), head.name, main.main) == (60, "head", True)
    assert [head.lr(e, 60, 0.01) for e in (0, 29, 30, 44, 45, 59)] == pytest.approx([0.05] * 2 + [0.005] * 2 + [0.0005] * 2)
    assert main.lr(0, 240, 0.01) is None
    assert sskd.SSKD(init_epochs=3).stages()[0].length(240) == 3


def test_only_square_images_can_be_turned(pair: Callable[..., Pair]) -> None:
    two = dataclasses.replace(pair("resnet20", "resnet8"), image=(3, 16, 32))
    with pytest.raises(ValueError, match="turns images by 90 degrees, and these are 16x32: use square images"):
        sskd.SSKD().build(two)


def copied(module: torch.nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in module.state_dict().items()}


def changed(module: torch.nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {k for k, v in module.state_dict().items() if not torch.equal(v, before[k])}


def test_a_training_moves_one_head_then_the_student() -> None:
    dataset = load(Data(per_class=3))
    shown = taught("resnet14", dataset.image)
    recipe = Recipe(epochs=4, batch_size=10, learning_rate=0.01)
    one = learner(sskd.SSKD(), "resnet8", dataset, recipe, teacher=shown)
    parts = {"net": one.net, "student": one.extras.student_head, "teacher": one.extras.teacher_head}
    before, trained = {k: copied(v) for k, v in parts.items()}, copied(shown[0])  # type: ignore[arg-type]
    rows = []

    def after(_: Learner, row: dict[str, Any]) -> None:
        rows.append(row)
        moved = {k for k, v in parts.items() if changed(v, before[k])}  # type: ignore[arg-type]
        assert moved == ({"teacher"} if row["stage"] == "head" else {"net", "student"})  # statistics included
        before.update({k: copied(v) for k, v in parts.items()})  # type: ignore[arg-type]

    run((one,), dataset=dataset, teacher=shown[0], ear=Ear(after))
    assert [row["stage"] for row in rows] == ["head"] + ["train"] * 4
    assert [set(row["terms"]) for row in rows] == [{"head"}] + [{"ce", "kd", "tf", "ss"}] * 4
    assert ["train_top1" in row for row in rows] == [False] + [True] * 4
    assert rows[-1]["loss"] < rows[1]["loss"]
    assert not changed(shown[0], trained)
