"""What a packed network says of itself, for programs (didact.json) and for people (the model card)."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from didact import __version__
from didact.data import Data, DataError, facts, load, stored
from didact.nets import title
from didact.nets.blocks import BlockNet, macs, parameters
from didact.request.command import alone, data_settings, on_data
from didact.runs.labels import recipe_label, row_label, teacher_label
from didact.runs.run import Run
from didact.spec import SpecError, clean, to_json
from didact.store.record import Record
from didact.store.store import Store

FORMAT = 1
"""Rises when a packed network is read otherwise."""

STUDENT = "resnet8"
"""The network in the example of a student."""


def about(run: Run, record: Record, sha256: str) -> dict[str, Any]:
    """What is known of the network, as plain JSON data.

    Args:
        sha256: checksum of its weights.
    """
    known, images = facts(run.data), record.images()
    return {
        "format": FORMAT,
        "didact": __version__,
        "net": run.net,
        "classes": known.classes,
        "image": list(known.image),
        "resize": list(stored(run.data)[1:]),
        "names": _names(run.data),
        "mean": images.get("mean", list(known.mean)),
        "std": images.get("std", list(known.std)),
        "inputs": None if run.inputs is None else to_json(run.inputs),
        "data": run.data.label,
        "sha256": sha256,
        "digest": run.digest,
        "run": to_json(run),
        "final": record.final(),
        "environment": record.environment(),
    }


def _names(data: Data) -> list[str] | None:
    """Of the classes; None where the images are not there, which name them."""
    try:
        return list(load(data).names)
    except DataError:
        return None


def card(run: Run, record: Record, net: BlockNet, store: Store, known: dict[str, Any]) -> str:
    """The model card: what the network is, what was measured, and how to use it."""
    final, environment = record.final(), record.environment()
    rows = [
        ("test accuracy", f"{final['test_top1']:.2f} % top-1{_top5(final)}, last epoch ({run.data.label})"),
        (
            "network",
            f"`{title(run.net)}`, {parameters(net):,} parameters, {macs(net, facts(run.data).image):,} MACs an image",
        ),
        ("images", f"{'x'.join(map(str, known['image']))}, mean {_listed(known['mean'])}, std {_listed(known['std'])}"),
        ("classes", str(known["classes"])),
        ("trained", f"{row_label(run)}; {recipe_label(run)}; seed {run.seed}"),
    ]
    if run.teacher is not None:
        rows.append(("teacher", teacher_label(run.teacher, run) + _accuracy(store, run.teacher)))
    if run.inputs is not None:
        own = {key: value for key, value in to_json(run.inputs).items() if value is not None}
        rows.append(("is shown", ", ".join(f"{key} {value}" for key, value in own.items())))
    rows.append(("computed with", _computed(environment)))
    rows.append(("digest of the run", f"`{run.digest}`"))
    table = ["| | |", "|---|---|", *(f"| {name} | {_cell(text)} |" for name, text in rows)]
    heading = f"# {clean(title(run.net))} on {clean(run.data.label)}"
    return "\n".join([_HEAD, heading, "", *table, "", *_trained(run, store), *_use(run), *_LIMITS])


ANY_FOLDER = "folder:PATH"
"""What stands for a folder of images on another machine."""

_HEAD = """---
library_name: didact
pipeline_tag: image-classification
tags:
- didact
- knowledge-distillation
---
"""

_LIMITS = (
    "## Limits",
    "",
    "The accuracy is that of one training with one seed. The test set chose nothing. Nothing is known of other images.",
    "",
)


def _top5(final: dict[str, Any]) -> str:
    return f", {final['test_top5']:.2f} % top-5" if isinstance(final.get("test_top5"), (int, float)) else ""


def _listed(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:.4g}' for value in values)})"


def _cell(text: str) -> str:
    return clean(text).replace("|", "\\|")


def _accuracy(store: Store, teacher: Run) -> str:
    record = store.opened(teacher)
    return "" if record is None else f", {record.final()['test_top1']:.2f} % top-1"


def _computed(environment: dict[str, Any]) -> str:
    names = ("device_name", "system")
    versions = [f"{name} {environment[name]}" for name in ("didact", "torch", "python") if name in environment]
    return ", ".join([*versions, *(str(environment[name]) for name in names if name in environment)])


def _trained(run: Run, store: Store) -> list[str]:
    line = alone(run, store.root)
    return [] if line is None else ["## Training", "", "```console", f"$ {clean(line)}", "```", ""]


def command(run: Run, folder: str, *, here: bool = True) -> str:
    """A command by which a student learns from the packed network in ``folder``, on its data.

    Args:
        here: whether it is for this machine; elsewhere a folder of images lies at another place.
    """
    named = f" --teacher.net {run.net}" if ":" in run.net else ""
    inputs = {} if run.inputs is None else {k: v for k, v in to_json(run.inputs).items() if v is not None}
    own = "".join(f" --teacher.{k} {','.join(map(str, v)) if isinstance(v, list) else v}" for k, v in inputs.items())
    data = on_data(_images(run.data, here=here))
    return f"didact train --net {STUDENT}{named} --teacher.weights {shlex.quote(folder)}{own} {data}"


def _images(data: Data, *, here: bool) -> dict[str, Any]:
    """The settings of a data set as a person writes them; of a folder the path on this machine, or
    what stands for it."""
    try:
        given = data_settings(data)
    except SpecError:  # a folder that is no longer there
        given = {key: value for key, value in to_json(data).items() if key in ("size", "classes") and value is not None}
        given = {"name": ANY_FOLDER, **given}
    if here:
        return given
    _, list_, classes = given["name"].partition("#")
    if given["name"].startswith("folder:"):
        given["name"] = f"{ANY_FOLDER}{list_}{classes}"
    return given | ({"unlabelled": ANY_FOLDER.partition(":")[2]} if "unlabelled" in given else {})


def _use(run: Run) -> list[str]:
    named = f" --teacher.net {run.net}" if ":" in run.net else ""
    second = f'"FOLDER", net="{run.net}"' if ":" in run.net else '"FOLDER"'
    return [
        "## Use",
        "",
        "As a teacher, and as a start:",
        "",
        "```console",
        f"$ {clean(command(run, 'FOLDER', here=False))}",
        f"$ didact train{named.replace('teacher.net', 'net')} --weights FOLDER",
        "```",
        "",
        "Its answers for images:",
        "",
        "```console",
        f"$ didact predict FOLDER{named.replace('teacher.net', 'net')} cat.jpg",
        "```",
        "",
        "In Python; images are normalised with the mean and std above:",
        "",
        "```python",
        "from didact.sharing import load",
        "",
        f"net = load({second})",
        "logits = net(images)",
        "```",
        "",
    ]
