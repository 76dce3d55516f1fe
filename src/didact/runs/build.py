"""A run's networks, method's extras and initial weights, built from real shapes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from didact import nets
from didact.data import Facts, facts
from didact.method import Pair
from didact.nets.blocks import BlockNet
from didact.nets.quantised import Points, is_range, points, quantise
from didact.nets.shown import Shown, bare, shown
from didact.runs.given import Inputs, load
from didact.runs.run import Run
from didact.seeds import seeded


def network(run: Run) -> BlockNet:
    """The run's network, freshly initialised on the CPU under its own seed; with ``bits=8`` it
    computes with the values that it has in 8 bits.

    A student that has its teacher's network and seed would begin as its teacher began; it has a
    stream of its own.
    """
    return _in_its_bits(run, unquantised(run))


def unquantised(run: Run) -> BlockNet:
    """:func:`network` in 32 bits."""
    about = facts(run.data)
    twin = run.teacher is not None and (run.teacher.net, run.teacher.seed) == (run.net, run.seed)
    size = run.inputs.size if run.inputs is not None and run.inputs.size is not None else about.image[1]
    with seeded(run.own_seed, "net", *(["taught"] if twin else [])):
        net = nets.create(run.net, about.classes, about.image[0], size)
    return net if run.inputs is None else shown(net, _adaptation(run.inputs, about))


def in_floats(run: Run, net: BlockNet) -> BlockNet:
    """The network of a run that was trained in 8 bits, ``net``, with the same weights in 32 bits."""
    plain = unquantised(run)
    begin(plain, {f"net.{k}": v for k, v in net.state_dict().items()}, "net")
    return plain.eval()


def _in_its_bits(run: Run, net: BlockNet) -> BlockNet:
    if run.recipe.bits == 32:
        return net
    key = (run.net, run.data, run.inputs)
    if key not in _where:
        _where[key] = points(net, facts(run.data).image)
    return quantise(net, _where[key], run.recipe.weight_scales)


_where: dict[Any, Points] = {}
"""Where networks are quantised, by what their structure follows from: it takes a pass to find out."""


def _adaptation(inputs: Inputs, about: Facts) -> Shown:
    """How the network is shown the images; their own mean and standard deviation are those of the
    published images.
    """
    for name, values in (("mean", inputs.mean), ("std", inputs.std)):
        if values is not None and len(values) != about.image[0]:
            raise ValueError(f"{name}: found {len(values)}, and the images have {about.image[0]}; one number a channel")
    return Shown(inputs.mean or about.mean, inputs.std or about.std, about.mean, about.std, inputs.size)


def beginning(run: Run) -> BlockNet:
    """The run's network with the weights of the file that it is given, or begins with; else fresh.

    Raises:
        WeightsError: the file is not where it was, has changed, or does not fit.
    """
    net = unquantised(run)
    file = run.given or (run.start.file if run.start is not None else None)
    if file is not None:
        load(bare(net), run.net, file, facts(run.data).classes, fresh=run.given is None)
    return _in_its_bits(run, net)


def pair(run: Run, net: BlockNet, teacher: BlockNet | None, labels: Tensor) -> Pair:
    """Both networks with their shapes for this run's images. ``labels``: of the training images.

    Raises:
        ValueError: the images do not survive a network's strides, or the teacher was trained for
            other classes.
    """
    about = facts(run.data)
    shapes = net.shapes(about.image)
    if shapes.classes != about.classes:
        raise ValueError(
            f"the network gives {shapes.classes} logits, {run.data.label} has {about.classes} classes; a constructor of one's "
            "own makes it for the num_classes that it is given"
        )
    taught = teacher.shapes(about.image) if teacher is not None else None
    if taught is not None and taught.classes != about.classes:
        raise ValueError(f"the teacher tells {taught.classes} classes apart, {run.data.title} has {about.classes}")
    with torch.device("meta"):
        beside = [nets.create(one.net, about.classes, *about.image[:2]).shapes(about.image) for one in run.peers]
    for one, told in zip(run.peers, beside, strict=True):
        if told.classes != about.classes:
            raise ValueError(f"its peer {one.net} gives {told.classes} logits, {run.data.label} has {about.classes} classes")
    return Pair(net, shapes, about.image, about.classes, labels, run.recipe.batch_size, teacher, taught, tuple(beside))


def placeholders(run: Run, samples: int) -> Tensor:
    """Labels that stand for those of ``samples`` training images where only their number matters."""
    return torch.arange(samples, device="cpu") % facts(run.data).classes


def extras(run: Run, two: Pair) -> nn.Module:
    """The parts that the run's method adds, freshly initialised on the CPU under the run's own
    seed.
    """
    with seeded(run.own_seed, "extras"):
        return run.method.build(two)


def begin(net: BlockNet, tensors: dict[str, Any], part: str) -> None:
    """Load the weights of ``part`` of a Record into ``net``: all of them for "net", else those that
    the part holds. Ranges of activations are taken where both have them.

    Raises:
        ValueError: the part does not exist, or its weights do not fit the network.
    """
    prefix = "net." if part == "net" else f"extras.{part}."
    given = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    own = net.state_dict()
    if not given:
        raise ValueError(f"the run to start from has no part {part!r}")
    given = {k: v for k, v in given.items() if k in own or not is_range(k)}
    wrong = [k for k, v in given.items() if k not in own or own[k].shape != v.shape]
    lacking = [k for k in own if k not in given and not is_range(k)] if part == "net" else []
    if wrong or lacking:
        raise ValueError(f"the weights to start from do not fit this network (first difference: {(wrong or lacking)[0]})")
    net.load_state_dict(given, strict=False)
