"""The latency of a network for one image on this machine, by torch or by ONNX Runtime."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch
from torch import nn

from didact.nets.blocks import Shape
from didact.nets.evaluating import evaluating


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a forward pass with one image: median and quartiles over ``repeats``
    passes."""

    median: float
    low: float
    high: float
    threads: int
    repeats: int

    @property
    def spread(self) -> float:
        """The interquartile range in milliseconds."""
        return self.high - self.low


def latency(net: nn.Module, image: Shape, *, threads: int = 1, repeats: int = 50, warm_up: int = 5) -> Latency:
    """Measure ``net`` in eval mode with one image of shape (c, h, w), on the device of its weights.

    Restores the mode of every module. The result holds for this machine and PyTorch's own kernels;
    use it to compare networks, not as the latency on another device.

    Args:
        threads: how many the operators may use; the process's own number is restored.
        repeats: passes that are timed.
        warm_up: untimed passes before the timed ones.

    Raises:
        ValueError: a number below 1 (``warm_up``: below 0); fewer than two repeats, which have no
            quartiles.
    """
    if threads < 1 or repeats < 2 or warm_up < 0:
        raise ValueError(
            f"latency needs threads >= 1, repeats >= 2 and warm_up >= 0, found {threads}, {repeats} and {warm_up}"
        )
    first = next(iter(net.parameters()), torch.zeros(()))
    images = torch.rand(1, *image, generator=torch.Generator().manual_seed(0)).to(first)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with evaluating(net), torch.inference_mode():
            taken = [_once(net, images) for _ in range(warm_up + repeats)][warm_up:]
    finally:
        torch.set_num_threads(before)
    low, median, high = statistics.quantiles(taken, n=4, method="inclusive")
    return Latency(median, low, high, threads, repeats)


def onnx_latency(
    net: nn.Module, image: Shape, bits: int = 32, *, threads: int = 1, repeats: int = 50, warm_up: int = 5
) -> Latency:
    """Measure the ONNX file that ``net`` becomes, by ONNX Runtime on the processor.

    In 8 bits the ranges of activations come from noise, as times do not depend on them: the file
    is not for use.

    Args:
        image: shape (c, h, w).
        bits: 32, or 8: quantised as :func:`didact.deploy.engine.quantised` does.
        threads, repeats, warm_up: as of :func:`latency`.

    Raises:
        didact.deploy.engine.Unsupported: an operation has no counterpart in ONNX.
    """
    from didact.deploy import engine, onnx_file

    noise = torch.rand(16, *image, generator=torch.Generator().manual_seed(0))
    with evaluating(net):
        model = onnx_file.model_of(net.cpu(), image, [0.0] * image[0], [1.0] * image[0])
    runtime = engine.session(model if bits == 32 else engine.quantised(model, [noise]), threads)
    one, taken = {"images": noise[:1].numpy()}, list[float]()
    for _ in range(warm_up + repeats):
        begun = time.perf_counter()
        runtime.run(["logits"], one)
        taken.append(1000 * (time.perf_counter() - begun))
    low, median, high = statistics.quantiles(taken[warm_up:], n=4, method="inclusive")
    return Latency(median, low, high, threads, repeats)


def _once(net: nn.Module, images: torch.Tensor) -> float:
    """Milliseconds of one pass; a GPU is waited for."""
    begun = time.perf_counter()
    net(images)
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
    return 1000 * (time.perf_counter() - begun)
