"""Peak activation memory: worked by hand, against the definition, and against the graph of torch.export."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, fx, nn

from didact import nets
from didact.deploy.activations import Step, Trace, peak, trace
from didact.nets.layers import Residual, conv_norm
from didact.nets.mobilenet import inverted
from didact.nets.shufflenet import Shuffle


def elements(*parts: nn.Module, image: tuple[int, ...] = (3, 8, 8)) -> int:
    return peak(trace(nn.Sequential(*parts), image))


def test_a_chain_keeps_input_and_output() -> None:
    # image 3x8x8 = 192; 10x8x8 = 640; 4x4x4 = 64
    assert elements(nn.Conv2d(3, 10, 3, padding=1)) == 192 + 640
    assert elements(nn.Conv2d(3, 10, 3, padding=1), nn.Conv2d(10, 4, 3, stride=2, padding=1)) == 192 + 640
    assert elements(nn.Conv2d(3, 10, 3, padding=1), nn.Conv2d(10, 10, 1)) == 640 + 640
    assert elements(nn.Flatten(), nn.Linear(192, 5)) == 192 + 5


def test_norms_and_activations_are_fused() -> None:
    fused = elements(*conv_norm(3, 10, 3), nn.ReLU(), nn.Hardswish())
    assert fused == elements(nn.Conv2d(3, 10, 3, padding=1)) == 832
    assert elements(*conv_norm(3, 10, 3), nn.ReLU(inplace=True)) == 832


def test_a_channel_shuffle_is_a_copy() -> None:
    assert elements(Shuffle(2), image=(8, 4, 4)) == 128 + 128


def test_indices_that_nobody_reads_are_not_counted() -> None:
    assert elements(nn.MaxPool2d(2)) == 192 + 48


def test_a_shortcut_is_kept() -> None:
    # while the second convolution runs: shortcut, input, output; the sum has as many
    assert elements(Residual(nn.Sequential(*conv_norm(3, 3, 3), nn.ReLU(), *conv_norm(3, 3, 3)))) == 3 * 192
    # while the branch's only convolution runs: the image twice needed, once kept
    assert elements(Residual(nn.Sequential(*conv_norm(3, 3, 3)))) == 3 * 192
    # with a 1x1 convolution as shortcut: image, branch, shortcut; then branch, shortcut, sum
    assert elements(Residual(nn.Conv2d(3, 10, 3, padding=1), nn.Conv2d(3, 10, 1))) == 3 * 640


def test_an_inverted_bottleneck_peaks_between_its_wide_tensors() -> None:
    # 4x8x8 = 256 kept for the sum, two tensors of 24x8x8 = 1536 around the depthwise convolution
    assert elements(inverted(4, 4, 1, 6), image=(4, 8, 8)) == 256 + 2 * 1536
    # without a shortcut the input goes after the expansion; with stride 2 the second is a quarter
    assert elements(inverted(4, 5, 1, 6), image=(4, 8, 8)) == 2 * 1536
    assert elements(inverted(4, 5, 2, 6), image=(4, 8, 8)) == 1536 + 384


def test_a_norm_whose_input_is_needed_later_has_an_output_of_its_own() -> None:
    class Before(nn.Module):
        def __init__(self, *last: nn.Module) -> None:
            super().__init__()
            self.branch = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), *last)

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x, self.branch(x)], dim=1)

    # norm: x and its own; convolution: x, normalised, 64; concatenation: x, 64, 256
    assert peak(trace(Before(nn.Conv2d(3, 1, 1)), (3, 8, 8))) == 192 + 64 + 256
    # where the branch gets wide and narrow again: x, normalised, 640, then x, 640, 64
    assert peak(trace(Before(nn.Conv2d(3, 10, 1), nn.Conv2d(10, 1, 1)), (3, 8, 8))) == 192 + 192 + 640


def test_views_are_the_tensor_they_look_at_and_constants_are_none() -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 2))
            self.register_buffer("scale", torch.ones(2))

        def forward(self, x: Tensor) -> Tensor:
            kept, changed = x.chunk(2, dim=1)
            weight = torch.softmax(self.weight, 0) * self.scale
            mixed = torch.einsum("oi,bihw->bohw", weight, changed)
            return kept + mixed

    seen = trace(Halves(), (4, 3, 3))
    # x whole while the half is read, one half made, their sum: 36 + 18, then 36 + 18 + 18
    assert peak(seen) == 36 + 18 + 18
    assert seen.sizes[0] == 36 and 4 not in seen.sizes and 2 not in seen.sizes


def test_resnet8_by_hand() -> None:
    assert peak(trace(nets.create("resnet8", 100), (3, 32, 32))) == 3 * 16 * 32 * 32
    assert peak(trace(nets.create("resnet8", 100), (3, 64, 64))) == 3 * 16 * 64 * 64


def test_mobilenet_v2_by_hand() -> None:
    # second bottleneck of 12 channels at 16x16: kept input, two of 72 channels
    assert peak(trace(nets.create("mobilenet_v2", 100), (3, 32, 32))) == (12 + 72 + 72) * 16 * 16


def test_shufflenet_v2_by_hand() -> None:
    # first unit: input of 24 at 32x32, the left branch's 58 at 16x16, the right's first 58 at 32x32
    assert peak(trace(nets.create("shufflenet_v2", 100), (3, 32, 32))) == 24 * 1024 + 58 * 256 + 58 * 1024


def test_the_network_is_left_alone() -> None:
    net = nets.create("resnet8", 10)
    net.blocks["1"].eval()
    before = copy.deepcopy(net.state_dict())
    trace(net, (3, 32, 32))
    assert net.training and not net.blocks["1"].training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_an_image_that_does_not_survive() -> None:
    with pytest.raises(ValueError, match="do not survive this network's strides; the smallest that do are"):
        trace(nets.create("vgg8", 10), (3, 4, 4))


# ------------------------------------------------------------------------------------------------ the definition, literally


def literal(trace: Trace) -> int:
    """For every step, every tensor on its own: is it read or written now, or made before and read (or returned) later?"""
    steps, end = trace.steps, len(trace.steps)

    def readers(tensor: int) -> list[int]:
        return [at for at, step in enumerate(steps) if tensor in step.reads] + [end] * (tensor in trace.outputs)

    def born(tensor: int) -> int:
        return -1 if tensor == 0 else next(at for at, step in enumerate(steps) if tensor in step.writes)

    most = trace.sizes[0]
    for at, step in enumerate(steps):
        total = 0
        for tensor, size in enumerate(trace.sizes):
            later = [reader for reader in readers(tensor) if reader > at]
            needed = tensor in step.reads or (born(tensor) <= at and bool(later))
            first = bool(step.writes) and tensor == step.writes[0]
            in_place = first and step.over and not [reader for reader in readers(step.reads[0]) if reader > at]
            total += size if needed and not in_place else 0
        most = max(most, total)
    return most


@st.composite
def steps_and_sizes(draw: st.DrawFn) -> tuple[list[Any], list[Any], set[int]]:
    sizes, steps = [draw(st.integers(1, 9))], []
    for _ in range(draw(st.integers(1, 12))):
        reads = tuple(draw(st.sets(st.integers(0, len(sizes) - 1), min_size=1, max_size=3)))
        over = len(reads) == 1 and draw(st.booleans())
        made = [sizes[reads[0]]] if over else draw(st.lists(st.integers(1, 9), max_size=2))
        steps.append((reads, tuple(range(len(sizes), len(sizes) + len(made))), over))
        sizes += made
    return sizes, steps, draw(st.sets(st.integers(0, len(sizes) - 1), max_size=2))


@given(steps_and_sizes())
def test_peak_is_the_definition(drawn: tuple[list[Any], list[Any], set[int]]) -> None:
    sizes, steps, returned = drawn
    made = Trace(tuple(sizes), tuple(Step("op", *step) for step in steps), frozenset(returned))
    assert peak(made) == literal(made)


@pytest.mark.parametrize("name", ["resnet8x4", "wrn_16_2", "shufflenet_v1", "vgg13"])
def test_peak_of_networks_is_the_definition(name: str) -> None:
    seen = trace(nets.create(name, 10), (3, 32, 32))
    assert peak(seen) == literal(seen)


# ------------------------------------------------------------------------------------------------ another tracer


def exported(net: nn.Module, image: tuple[int, ...]) -> int:
    """The same peak from torch.export's graph, for networks without views but the transposed weights of the classifier."""
    found = torch.export.export(net.eval(), (torch.zeros(1, *image),))
    (images,) = found.graph_signature.user_inputs
    (logits,) = found.graph_signature.user_outputs
    kept: list[fx.Node] = []
    for node in found.graph.nodes:
        if node.name == images or (node.op == "call_function" and set(node.all_input_nodes) & set(kept)):
            kept.append(node)
    place = {node: at for at, node in enumerate(kept)}
    last = {node: max((place[user] for user in node.users if user in place), default=place[node]) for node in kept}
    last |= {node: len(kept) for node in kept if node.name == logits}
    most = 0
    for at, node in enumerate(kept):
        fused = str(node.target) in ("aten.batch_norm.default", "aten.relu.default") and last[node.all_input_nodes[0]] == at
        held = [other for other in kept[:at] if last[other] >= at] + ([] if fused else [node])
        most = max(most, sum(other.meta["val"].numel() for other in held))
    return most


@pytest.mark.parametrize(("name", "size"), [("resnet14x2", 32), ("wrn_16_1", 48), ("mobilenet_v2", 32), ("vgg8", 64)])
def test_another_tracer_finds_the_same_peak(name: str, size: int) -> None:
    net = nets.create(name, 20)
    assert peak(trace(net, (3, size, size))) == exported(net, (3, size, size))
