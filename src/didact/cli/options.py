"""Options that several commands have."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, Token

from didact.spec import Bytes, Count, Positive, Seed, SpecError, cut, from_json


def exactly(kind: Any) -> Callable[[Any, Sequence[Token]], Any]:
    """A converter that takes what :func:`didact.spec.from_json` takes for ``kind``: 1.5, 0x10 and
    true are no whole numbers."""

    def convert(_: Any, tokens: Sequence[Token]) -> Any:
        text = tokens[0].value
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        return from_json(kind, value)

    return convert


def here(_: Any, value: Any) -> None:
    """Check that a path leads to this machine.

    Raises:
        ValueError: it is an address on the network, of which a path has lost a slash.
    """
    for path in value if isinstance(value, (list, tuple)) else (value,):
        scheme, _, rest = str(path).partition(":/")
        if isinstance(path, Path) and rest and len(scheme) > 1 and scheme.isalnum():
            address = f"{scheme}://{rest.lstrip('/')}"
            raise ValueError(f"{cut(address)} is an address; files are read on this machine only: download it first")


def folder(type_: Any, tokens: Sequence[Token]) -> Path:
    """A folder's name as a person types it; the empty text would be the working directory, which
    nobody means by it."""
    text = tokens[0].value
    if not text.strip():
        raise SpecError("store: the name of a folder, found an empty text; '.' is the working directory")
    return Path(text).expanduser()


StorePath = Annotated[
    Path, Parameter(name="--store", help="Folder of Records.", env_var="DIDACT_STORE", converter=folder, n_tokens=1)
]
TrustStore = Annotated[
    bool,
    Parameter(name="--trust-store", negative="", help="Import and call code that the store's Records name (module:Name)."),
]
WeightScales = Annotated[
    str | None,
    Parameter(
        name="--weight-scales",
        help="With 8 bits: channel (default) or layer: a scale for each output channel of weights, or one for all of a layer.",
    ),
]
Device = Annotated[str | None, Parameter(help="cpu, cuda, cuda:1 ...; the GPU when there is one, by default.")]
Compile = Annotated[bool, Parameter(name="--compile", negative="", help="Compile networks with torch.compile.")]
Exact = Annotated[bool, Parameter(negative="", help="Ask torch for deterministic kernels (matters on a GPU).")]
TestEvery = Annotated[
    int, Parameter(converter=exactly(Count), help="Epochs between evaluations; the last epoch is always evaluated.")
]
Together = Annotated[
    int, Parameter(converter=exactly(Count), help="At most so many learners at a time; bounds memory, changes no result.")
]


def _workers(_: Any, tokens: Sequence[Token]) -> int | str:
    """A number of processes, or auto."""
    try:
        return "auto" if tokens[0].value == "auto" else exactly(Count)(int, tokens)
    except SpecError as error:
        raise SpecError(f"{error}, or auto") from None


Processes = Annotated[
    int | str | None,
    Parameter(
        name="--workers",
        converter=_workers,
        n_tokens=1,
        help="Processes that train at once, each with memory of its own; auto: as many as this machine has room for.",
    ),
]
On = Annotated[
    str | None,
    Parameter(
        name="--on",
        help="Where jobs run: ray (a cluster on this machine), the address of one (HOST:PORT, ray://HOST:PORT), module:Class.",
    ),
]
Capture = Annotated[
    Literal["off", "auto", "on"],
    Parameter(help="On a GPU, record a step as a CUDA graph and replay it; auto: where it can be. Changes no result."),
]
OnStreams = Annotated[
    bool,
    Parameter(name="--streams", negative="", help="On a GPU, a stream for each learner of a cohort. Changes no result."),
]
KeepAnswers = Annotated[
    bool,
    Parameter(
        name="--keep-answers", negative="", help="Keep what teachers answer; later students of the same batches read it."
    ),
]
KeepFeatures = Annotated[
    bool, Parameter(name="--keep-features", negative="", help="Keep their feature maps as well, which are large.")
]
AnswersLimit = Annotated[
    int | None,
    Parameter(name="--answers-limit", converter=exactly(Bytes), help="Space on disk for kept answers, such as 50GB (10GB)."),
]
Decoders = Annotated[
    int | None,
    Parameter(
        converter=exactly(Seed),
        help="Processes that decode images while a network trains; one fewer than processors by default.",
    ),
]
Plan = Annotated[
    bool,
    Parameter(name="--plan", negative="", help="Train nothing: show the jobs, and the time, memory and disk they take."),
]
Throughput = Annotated[
    float | None,
    Parameter(
        name="--throughput",
        converter=exactly(Positive),
        help="With --plan: billions of operations a second of a device, in place of a measurement here.",
    ),
]
Devices = Annotated[
    int | None, Parameter(name="--devices", converter=exactly(Count), help="With --plan: how many devices train at once.")
]
Track = Annotated[
    list[str] | None,
    Parameter(
        name="--track",
        negative="",
        help="Follow the training elsewhere as well: tensorboard[:DIR], mlflow[:URI], wandb (offline), wandb:online, "
        "module:Class. Can be repeated.",
    ),
]
Retry = Annotated[bool, Parameter(negative="", help="Go on from the last good state with runs that failed before.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")]
ForPair = Annotated[
    str | None, Parameter(help="With methods: whose extra parameters are counted. With cuts: the network that is cut.")
]
Settings = Annotated[str, Parameter(allow_leading_hyphen=True, help="--setting value, as listed below.", show=False)]
Picture = Annotated[Path | None, Parameter(help="Save a picture there (png, svg or pdf).")]
STORE = Path("didact-runs")
"""Where Records are when nothing is said."""
