"""A frozen network computed by ONNX Runtime (the extra ``onnx``): in float32, or quantised to 8
bits.

The graph that is run shows every part of the outputs (:func:`shows`), whichever of them are read:
what is an output bounds what the runtime may fuse, and so what a logit is to the last bit. So a
student reads the same alone and in a cohort. It costs some 3 % of the pass.

Quantised is ONNX Runtime's static form: QDQ, activations of 8 bits without sign (a scale and a zero
point a tensor, from the least and the greatest value on calibration images), weights with a sign
and a scale for each output channel, or one for the whole layer. Weights take 7 of their 8 bits: the sums of two products in 16
bits that AVX2 has would saturate otherwise, and processors would disagree.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from didact.deploy.culprit import layer, unfollowed
from didact.deploy.layout import row_major
from didact.files.disk import refused
from didact.nets.blocks import BlockNet, Shape, Shapes
from didact.spec import SpecError, installation
from didact.tensors import PARTS, Outputs

LIBRARIES = ("onnx", "onnxscript", "onnxruntime")


def shows(precision: str) -> frozenset[str]:
    """The parts of the outputs that a graph of this precision shows.

    Quantised, values before an activation are cut off where the activation cuts them off, so they
    are not shown.
    """
    return PARTS - {"preacts"} if precision == "int8" else PARTS


class Unsupported(Exception):
    """ONNX, or its runtime, has no word for an operation of a network; the message names it."""


def check_installed(setting: str = "teacher.engine") -> None:
    """Refuse an engine that is not installed.

    Args:
        setting: what asks for it, for the message.

    Raises:
        SpecError: the message names the extra.
    """
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise SpecError(f"{setting}: onnx needs {', '.join(missing)}, which is not installed: {installation('onnx')}")


def runtime() -> str:
    """The version of the runtime that is installed."""
    return version("onnxruntime")


class Computed(BlockNet):
    """A network that ONNX Runtime computes. It shows its outputs, and is neither sliced nor
    trained.

    Args:
        model: an ONNX model as :func:`exported` or :func:`quantised` gave it.
        shapes: of the network's outputs for one image.
        threads: how many compute an operation.
    """

    def __init__(self, model: bytes, shapes: Shapes, threads: int) -> None:
        super().__init__(None, (), None)
        self._shapes = shapes
        self._session = session(model, threads)
        self._names = [output.name for output in self._session.get_outputs()]
        self.eval()

    def __len__(self) -> int:
        return len(self._shapes.features)

    def outputs(self, images: Tensor, parts: frozenset[str] = PARTS) -> Outputs:
        """``parts`` of what the graph shows. Maps are channels-last."""
        wanted = [name for name in self._names if name.partition(".")[0] in parts]
        given = {"images": images.detach().contiguous().numpy()}
        shown = dict(zip(wanted, map(_tensor, self._session.run(wanted, given)), strict=True))
        rows = {part: tuple(x for name, x in shown.items() if name.partition(".")[0] == part) for part in parts}
        return Outputs(**{k: v if k in ("features", "preacts") else v[0] for k, v in rows.items()})  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        logits = self.outputs(images, frozenset({"logits"})).logits
        assert logits is not None
        return logits

    def shapes(self, image: Shape) -> Shapes:
        """Those of the network that was exported."""
        return self._shapes


def _tensor(values: Any) -> Tensor:
    tensor = torch.from_numpy(values)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def session(model: bytes, threads: int) -> Any:
    """ONNX Runtime on the CPU with ``model``; ``threads`` compute an operation."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.use_deterministic_compute = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # beside a busy process it would take its time
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class _Shown(nn.Module):
    """All outputs of a network in a row, for the exporter."""

    def __init__(self, net: BlockNet, parts: list[str]) -> None:
        super().__init__()
        self.net = net
        self.parts = parts

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        outputs = self.net.outputs(images, frozenset(self.parts))
        return tuple(tensor for part in self.parts for tensor in _row(outputs, part))


def _row(outputs: Outputs, part: str) -> tuple[Tensor, ...]:
    value = getattr(outputs, part)
    return value if isinstance(value, tuple) else (value,)


def exported(net: BlockNet, image: Shape, precision: str = "fp32") -> bytes:
    """``net``, frozen and in eval mode, as an ONNX model in float32, for any number of images.

    Args:
        image: (c, h, w). precision: the one in which it is to run, which decides on the parts that
        it shows (:func:`shows`).

    Raises:
        SpecError: the exporter, or the runtime, has no word for an operation of the network; the
            message names it.
    """
    check_installed()
    parts = sorted(shows(precision))
    names = [f"{part}.{i}" for part in parts for i in range(len(net) if part in ("features", "preacts") else 1)]
    try:
        return converted(_Shown(net, parts).eval(), image, names)
    except Unsupported as error:
        raise SpecError(
            f"teacher.engine: this network cannot be computed by ONNX Runtime: {error}; leave teacher.engine out"
        ) from error


def converted(module: nn.Module, image: Shape, outputs: list[str]) -> bytes:
    """``module``, frozen and in eval mode, as an ONNX model that ONNX Runtime accepts, in float32.

    Args:
        image: (c, h, w); the input is called ``images``, and takes any number of them.
        outputs: a name for each tensor that the module returns.

    Raises:
        Unsupported: the exporter, or the runtime, has no word for an operation.
        OSError: the disk refuses the file that the exporter writes.
    """
    images = torch.zeros(2, *image)
    dynamic = ({0: torch.export.Dim("batch", min=1)},)
    with quiet(), tempfile.TemporaryDirectory() as folder, torch.no_grad(), row_major(module):
        path = Path(folder) / "net.onnx"
        try:
            torch.onnx.export(
                module,
                (images,),
                path,
                input_names=["images"],
                output_names=outputs,
                dynamic_shapes=dynamic,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            model = path.read_bytes()
            session(model, 1)
        except Exception as error:  # of the exporter, of the network's code, of the runtime: it may be any
            if refused(cause := _bottom(error)):
                raise cause from None
            fails = unfollowed if unfollowed(module, (images,)) else _unconverted
            raise Unsupported(first_cause(error) + layer(module, images, fails)) from error
    return model


def _unconverted(part: nn.Module, given: tuple[Tensor, ...]) -> bool:
    """Whether ``part`` alone has an operation without a counterpart in ONNX."""
    try:
        torch.onnx.export(part, given, dynamo=True, verbose=False)
    except Exception:  # of the exporter: it may be any
        return True
    return False


def quantised(model: bytes, batches: Iterable[Tensor], floats: Iterable[str] = (), weight_scales: str = "channel") -> bytes:
    """``model`` with activations and weights of 8 bits.

    Args:
        batches: images as the network is shown them, (b, c, h, w), from which the ranges of
            activations are taken.
        floats: names of nodes that stay in float.
        weight_scales: "channel": a scale for each output channel of weights; "layer": one for all.

    Raises:
        SpecError: images of another shape.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    shape = session(model, 1).get_inputs()[0].shape[1:]
    with quiet(), tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.onnx", Path(folder) / "made.onnx"
        given.write_bytes(model)
        quantize_static(
            given,
            made,
            _Reader(batches, shape),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            quant_format=QuantFormat.QDQ,
            nodes_to_exclude=list(floats),
            per_channel=weight_scales == "channel",
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return made.read_bytes()


class _Reader:
    """Batches as the quantiser asks for them (its CalibrationDataReader)."""

    def __init__(self, batches: Iterable[Tensor], shape: list[int]) -> None:
        self._batches = iter(batches)
        self._shape = shape

    def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
        batch = next(self._batches, None)
        if batch is not None and list(batch.shape[1:]) != self._shape:
            raise SpecError(
                f"calibration: images of {self._shape} (channels, height, width) are expected, found "
                f"{list(batch.shape[1:])}; take images of the network's own data set"
            )
        return None if batch is None else {"images": batch.contiguous().numpy()}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of exporter and quantiser, which are for their developers."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def first_cause(error: BaseException) -> str:
    """What went wrong at the bottom, in a line or two."""
    error = _bottom(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])[:300]}" if lines else type(error).__name__


def _bottom(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
