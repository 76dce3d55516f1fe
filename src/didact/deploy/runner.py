"""Opens an exported file by the runtime that it is for, and runs it. A program of its own, for any
Python that has numpy and the runtime:

    python runner.py

It reads requests from standard input and answers on standard output, a line of JSON each:

    {"do": "open", "form": "onnx", "file": "net.onnx", "threads": 1, "image": null}
        {"runtime": "onnxruntime 1.23.0", "image": [3, 32, 32], "batch": null, "most": null, "graph": null}
    {"do": "time", "batch": 32, "warm_up": 5, "passes": 10}
        {"milliseconds": [1.4, ...], "memory": 20480}
    {"do": "run", "images": "images.npy", "batch": 64, "logits": "logits.npy"}
        {}

``batch`` is null where the file takes any number of images, ``most`` is the largest such number, or
null. ``graph`` has the operators of a TFLite file as [name, inputs, outputs], in numbers of tensors,
with the bytes of each tensor and the numbers of those that are given and wanted. ``memory`` is by
how many bytes the peak of the resident memory has grown since before the file was opened; null
where the system does not say. An answer with ``error`` says what is wrong, and ``lacking`` names a library that is not
installed. Nothing of didact is imported: a runtime that cannot be installed next to didact's torch
has an environment of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Run = Callable[[Any], Any]
"""Images (n, ...) to logits (n, classes)."""

NUMBERS = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64", "tensor(uint8)": "uint8"}
"""Types of ONNX that images may have."""


class Refused(Exception):
    """The file is not what was asked for; the message says why."""


class Opened:
    """A file that is ready to run.

    Args:
        run: computes logits.
        runtime: its name and version.
        shape: of the input, the batch first; None for a size that is free.
        kind: numpy's name of the type of the numbers.
    """

    def __init__(self, run: Run, runtime: str, shape: list[int | None], kind: str = "float32") -> None:
        self.run = run
        self.runtime = runtime
        self.batch = shape[0]
        self.most: int | None = None
        self.graph: dict[str, Any] | None = None
        self.sizes = shape[1:]
        self.image = [size or 0 for size in self.sizes]
        self.kind = kind

    def images(self, count: int) -> Any:
        """``count`` images of noise, drawn from seed 0."""
        noise = np.random.default_rng(0).random((count, *self.image), dtype=np.float32)
        return (255 * noise).astype("uint8") if self.kind == "uint8" else noise.astype(self.kind)


def onnx(file: str, threads: int) -> Opened:
    """By ONNX Runtime on the CPU. External weights are found next to the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in NUMBERS:
        found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
        raise Refused(f"one input of images (n, channels, height, width) is expected, found {found}")
    given, wanted = inputs[0].name, [outputs[0].name]
    shape = [size if isinstance(size, int) and size > 0 else None for size in inputs[0].shape]
    return Opened(
        lambda images: session.run(wanted, {given: images})[0],
        f"onnxruntime {onnxruntime.__version__}",
        shape,
        NUMBERS[inputs[0].type],
    )


def pt2(file: str, threads: int) -> Opened:
    """By torch, operator by operator."""
    import torch
    import torch.ao.quantization.fx._decomposed

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    program = torch.export.load(file)
    given = [node.meta["val"] for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    if len(given) != 1 or given[0].dim() != 4:
        found = [tuple(one.shape) for one in given]
        raise Refused(f"one input of images (n, channels, height, width) is expected, found {found}")
    net = program.module()
    shape = [size if isinstance(size, int) else None for size in given[0].shape]
    kind = str(given[0].dtype).removeprefix("torch.")
    return Opened(lambda images: net(torch.from_numpy(images)).numpy(), f"torch {torch.__version__}", shape, kind)


def executorch(file: str, threads: int) -> Opened:
    """By ExecuTorch's runtime, with what the file has for XNNPACK."""
    from importlib.metadata import version

    import torch
    from executorch.extension.pybindings import portable_lib  # pyright: ignore[reportMissingImports]
    from executorch.runtime import Runtime, Verification  # pyright: ignore[reportMissingImports]

    portable_lib._unsafe_reset_threadpool(threads)
    method = Runtime.get().load_program(file, verification=Verification.Minimal).load_method("forward")
    if method is None or method.metadata.num_inputs() != 1 or len(method.metadata.input_tensor_meta(0).sizes()) != 4:
        raise Refused("one input of images (n, channels, height, width) is expected")
    sizes = list(method.metadata.input_tensor_meta(0).sizes())
    runtime = f"executorch {version('executorch')}"
    opened = Opened(lambda images: method.execute((torch.from_numpy(images),))[0].numpy(), runtime, [None, *sizes[1:]])
    opened.most = sizes[0]
    return opened


def tflite(file: str, threads: int) -> Opened:
    """By LiteRT's interpreter."""
    from importlib.metadata import version

    from ai_edge_litert.interpreter import Interpreter  # pyright: ignore[reportMissingImports]

    one = Interpreter(model_path=file, num_threads=threads)
    one.allocate_tensors()
    inputs, outputs = one.get_input_details(), one.get_output_details()
    if len(inputs) != 1 or len(inputs[0]["shape"]) != 4:
        raise Refused(f"one input of 4 dimensions is expected, found {[list(each['shape']) for each in inputs]}")
    given, wanted = inputs[0]["index"], outputs[0]["index"]
    sizes = [int(size) for size in inputs[0]["shape"]]
    now = [0]

    def run(images: Any) -> Any:
        if now[0] != len(images):
            one.resize_tensor_input(given, [len(images), *sizes[1:]])
            one.allocate_tensors()
            now[0] = len(images)
        one.set_tensor(given, images)
        one.invoke()
        return one.get_tensor(wanted)

    try:
        run(np.zeros([2, *sizes[1:]], inputs[0]["dtype"]))
        batch = None
    except (RuntimeError, ValueError):  # a shape within the graph is fixed
        one = Interpreter(model_path=file, num_threads=threads)
        batch, now[0] = sizes[0], 0
    kind = np.dtype(inputs[0]["dtype"]).name
    opened = Opened(run, f"ai-edge-litert {version('ai-edge-litert')}", [batch, *sizes[1:]], kind)
    opened.graph = tflite_graph(file)
    return opened


def tflite_graph(file: str) -> dict[str, Any]:
    """The operators of the file, and its tensors, for the images that it has by itself."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType  # pyright: ignore[reportMissingImports]

    # a delegate would stand for the operators that it takes over
    bare = Interpreter(model_path=file, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    tensors = {int(one["index"]): one for one in bare.get_tensor_details()}
    steps = bare._get_ops_details()
    return {
        "steps": [[one["op_name"], [int(at) for at in one["inputs"]], [int(at) for at in one["outputs"]]] for one in steps],
        "bytes": {at: int(np.prod(one["shape"])) * np.dtype(one["dtype"]).itemsize for at, one in tensors.items()},
        "given": [int(one["index"]) for one in bare.get_input_details()],
        "wanted": [int(one["index"]) for one in bare.get_output_details()],
    }


FORMS: dict[str, Callable[[str, int], Opened]] = {"onnx": onnx, "pt2": pt2, "executorch": executorch, "tflite": tflite}
"""What opens a file, by its form."""


IMPORTS = {
    "onnx": ("onnxruntime",),
    "pt2": ("torch", "torch.export", "torch.ao.quantization.fx._decomposed"),
    "executorch": ("torch", "executorch.runtime"),
    "tflite": ("ai_edge_litert.interpreter",),
}
"""What is imported before memory is counted: the runtime's own."""


def opened(form: str, file: str, threads: int, image: list[int] | None) -> Opened:
    """The file, ready to run.

    Args:
        image: sizes (channels, height, width) of a file that leaves them free.

    Raises:
        Refused: it is no file of images, or ``image`` does not fit it.
    """
    one = FORMS[form](file, threads)
    if image is not None:
        if len(image) != len(one.sizes) or any(own not in (None, size) for own, size in zip(one.sizes, image, strict=True)):
            raise Refused(f"the file takes images of {one.sizes}, found {image}; leave --image out")
        one.image = image
    if 0 in one.image:
        raise Refused(f"the file leaves the size of images free: {one.sizes}; write --image, such as 3x224x224")
    return one


class Session:
    """Answers requests, one after the other."""

    def __init__(self) -> None:
        self.one: Opened | None = None
        self.before: int | None = None

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request: see the head of this file."""
        if asked["do"] == "open":
            for name in IMPORTS[asked["form"]]:
                importlib.import_module(name)
            self.before = _peak(restart=True)
            self.one = opened(asked["form"], asked["file"], asked["threads"], asked["image"])
            return {name: getattr(self.one, name) for name in ("runtime", "image", "batch", "most", "graph")}
        assert self.one is not None
        if asked["do"] == "time":
            return self._timed(self.one, asked["batch"], asked["warm_up"], asked["passes"])
        return self._ran(self.one, asked["images"], asked["batch"], asked["logits"])

    def _timed(self, one: Opened, batch: int, warm_up: int, passes: int) -> dict[str, Any]:
        images, taken = one.images(batch), list[float]()
        for number in range(warm_up + passes):
            begun = time.perf_counter()
            one.run(images)
            if number >= warm_up:
                taken.append(1000 * (time.perf_counter() - begun))
        after = _peak()
        return {"milliseconds": taken, "memory": None if after is None or self.before is None else after - self.before}

    def _ran(self, one: Opened, images: str, batch: int, logits: str) -> dict[str, Any]:
        pixels = np.load(images, mmap_mode="r")
        size = one.batch or batch
        rows: list[Any] = []
        for start in range(0, len(pixels), size):
            part = np.ascontiguousarray(pixels[start : start + size])
            lacking = size - len(part) if one.batch else 0
            full = np.concatenate([part, np.zeros((lacking, *part.shape[1:]), part.dtype)]) if lacking else part
            rows.append(np.array(one.run(full))[: len(part)])
        np.save(logits, np.concatenate(rows))
        return {}


def reason(error: Exception) -> str:
    """What a runtime says, in a line or two, without the place in its own source code."""
    text = re.sub(r"/onnxruntime_src/\S+ .*?\) (?=[A-Z])", "", str(error))
    return " ".join([line.strip() for line in text.splitlines() if line.strip()][:2])[:300]


def _peak(restart: bool = False) -> int | None:
    """The peak of the resident memory in bytes, on Linux; ``restart``: counted from now."""
    try:
        if restart:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        with open("/proc/self/status") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None


def main() -> None:
    """Answer until standard input ends. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    session = Session()
    for line in sys.stdin:
        try:
            answer = session.answer(json.loads(line))
        except ModuleNotFoundError as error:
            answer = {"error": str(error), "lacking": error.name}
        except Refused as error:
            answer = {"error": str(error)}
        except Exception as error:  # of a runtime, which has many kinds
            answer = {"error": f"{type(error).__name__}: {reason(error)}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
