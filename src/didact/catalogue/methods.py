"""Descriptions of methods: settings, inputs, stages, and the parameters that they add to a pair."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from didact.catalogue.docstring import About, about
from didact.catalogue.fields import fields
from didact.data import Data, training_images
from didact.method import ForStudent, Method, SoftLabels, Stage
from didact.runs.build import extras, network, pair, placeholders
from didact.runs.foreign import formed
from didact.runs.groups import Peer
from didact.runs.run import Run
from didact.spec import choose, find, plural, required, to_json
from didact.tensors import Needs

ORDER = ("logits", "pooled", "features", "preacts", "stem")


@dataclass(frozen=True)
class Described:
    """The description of a method with its defaults, with or without a preset.

    Attributes:
        name: with its preset, "fitnet+kd".
        about: its parsed docstring.
        settings: (name, type, default, meaning); the default is the preset's where there is one.
        presets: the settings of each preset, by name.
        option: the path of its settings on the command line; "teacher.method" for one on the
            teacher.
        command: a command that uses it, with values for settings without a default.
        reads: the parts of outputs that it reads, by network.
        stages: in order.
        soft_labels: which labels its terms follow but one class for each image: "mixed", "smoothed"
            or "none".
        file: its module.
    """

    name: str
    about: About
    settings: tuple[tuple[str, str, str, str], ...]
    presets: dict[str, dict[str, Any]]
    option: str
    command: str
    reads: dict[str, list[str]]
    stages: tuple[Stage, ...]
    soft_labels: SoftLabels
    file: str

    def plain(self) -> dict[str, Any]:
        """For programs."""
        docstring = self.about
        return {
            "name": self.name,
            **{key: getattr(docstring, key) for key in ("label", "title", "authors", "paper", "venue", "year", "link")},
            "formulas": list(docstring.formulas),
            "notes": list(docstring.notes),
            "settings": [dict(zip(("name", "type", "default", "meaning"), row, strict=True)) for row in self.settings],
            "presets": self.presets,
            "option": self.option,
            "command": self.command,
            "reads": self.reads,
            "soft_labels": self.soft_labels,
            "stages": [_plain_stage(stage) for stage in self.stages],
            "file": self.file,
        }


def describe(name: str) -> Described:
    """The method ``name``: a file of the catalogue, with a preset or not, or ``module:Class``.

    Raises:
        SpecError: no such method or preset; the nearest names are listed.
    """
    method = stand_in(name)
    cls = type(method)
    preset = cls.presets[name.partition("+")[2]] if "+" in name else {}
    settings = (
        (key, kind, repr(getattr(method, key)) if key in preset else default, text)
        for key, kind, default, text in fields(cls)
    )
    return Described(
        name=name,
        about=about(cls),
        settings=tuple(settings),
        presets={key: dict(changes) for key, changes in cls.presets.items()},
        option=_option(method),
        command=_command(name, method),
        reads=reads(method.needs),
        stages=method.stages(),
        soft_labels=method.soft_labels(),
        file=cls.__module__,
    )


def stand_in(name: str, student: str = "resnet8x4") -> Method:
    """The method ``name`` with its defaults, for ``student`` where it prepares a teacher; its
    examples for what has no default.

    Raises:
        SpecError: no such method or preset, or another setting without a default.
    """
    cls = find(Method, name.partition("+")[0])
    examples = {**cls.examples, **({"student": student} if issubclass(cls, ForStudent) else {})}
    return choose(Method, {"name": name, **{key: examples[key] for key in required(cls) if key in examples}})


def _option(method: Method) -> str:
    return "teacher.method" if method.teaches else "method"


def _command(name: str, method: Method) -> str:
    parts = ["didact train --net resnet8"]
    parts += ["--teacher.net resnet20"] if method.teaches or method.needs.teacher else []
    parts += ["--peers.net resnet20"] if method.needs.peers else []
    parts.append(f"--{_option(method)} {name}")
    parts += [
        f"--{_option(method)}.{key} {method.examples[key]}" for key in required(type(method)) if key in method.examples
    ]
    return " ".join(parts)


def reads(needs: Needs) -> dict[str, list[str]]:
    """The parts of outputs that a method reads, by network, in their usual order."""
    parts = {who: [part for part in ORDER if part in getattr(needs, who)] for who in ("own", "teacher", "peers")}
    return parts | {"views": [*sorted(needs.views), *(["own augmentation"] if needs.own_images else [])]}


def labels_text(follows: SoftLabels) -> str:
    """What recipes may do to labels."""
    both = {
        "mixed": "may be of mixed images, and smoothed",
        "smoothed": "may be smoothed; images are not mixed",
        "none": "one class for each image",
    }
    return both[follows]


def reads_text(shown: Mapping[str, list[str]]) -> str:
    """ "its own logits, features; the teacher's features"."""
    who = {"own": "its own", "teacher": "the teacher's", "peers": "its peers'", "views": "further views:"}
    return "; ".join(f"{who[key]} {', '.join(parts)}" for key, parts in shown.items() if parts) or "nothing"


def changes_text(changes: Mapping[str, Any]) -> str:
    """Settings in a row: "gamma=1.0, inner=dkd"."""
    return ", ".join(f"{key}={value}" for key, value in changes.items())


def stage_text(stage: Stage) -> str:
    """Name and length: "train", "init 1/8" of the recipe's epochs, "init 30 epochs"."""
    if stage.epochs is not None:
        return f"{stage.name} {plural(stage.epochs, 'epoch')}"
    return stage.name if stage.share is None else f"{stage.name} {Fraction(stage.share).limit_denominator(1000)}"


def stage_details(stage: Stage) -> str:
    """The stage with what sets it apart: "init 1/8 (moves extras.; reads the teacher's
    features)"."""
    more = [f"moves {', '.join(stage.moves)}"] if stage.moves != ("",) else []
    more += [f"rate {stage.learning_rate:g}"] if stage.learning_rate is not None else []
    more += (
        [f"rate falls to a tenth after {', '.join(f'{s:g}' for s in stage.milestones)} of it"] if stage.milestones else []
    )
    more += [f"reads {reads_text(reads(stage.needs))}"] if stage.needs else []
    return stage_text(stage) + (f" ({'; '.join(more)})" if more else "")


def _plain_stage(stage: Stage) -> dict[str, Any]:
    plain = to_json({f.name: getattr(stage, f.name) for f in dataclasses.fields(stage) if f.name != "needs"})
    return plain | {"reads": reads(stage.needs) if stage.needs else None}


# ------------------------------------------------------------------------------------------------
# what it adds


@dataclass(frozen=True)
class Added:
    """What a method adds to a pair of networks while it trains.

    Attributes:
        parameters: those that are trained.
        frozen: those that are not.
        remembered: bytes of what is kept besides parameters, such as CRD's memory.
    """

    parameters: int
    frozen: int
    remembered: int

    def text(self) -> str:
        """ "12,345 + 48.8 MiB of memory": what is worth reporting."""
        more = [f"{self.frozen:,} frozen"] if self.frozen else []
        more += [f"{self.remembered / 2**20:.1f} MiB of memory"] if self.remembered >= 2**20 else []
        return " + ".join([f"{self.parameters:,}", *more])


def added(name: str, net: str, teacher: str, data: Data) -> Added:
    """What the method ``name`` adds to ``net`` and ``teacher`` (its peer, where it learns from
    peers), built without memory for the images of ``data``.

    Raises:
        ValueError: the method cannot serve this pair; the message says why.
    """
    method = stand_in(name, net)
    learns = teacher if method.teaches else net
    master = Run(net=teacher, data=data, seed=1) if method.needs.teacher else None
    peers = (Peer(net=teacher, method=method),) if method.needs.peers else ()
    run = Run(net=learns, data=data, method=method, teacher=master, peers=peers)
    with formed(run):
        taught = network(master) if master else None
        parts = extras(run, pair(run, network(run), taught, placeholders(run, training_images(data))))
    sizes: Mapping[bool, list[int]] = {True: [], False: []}
    for parameter in parts.parameters():
        sizes[parameter.requires_grad].append(parameter.numel())
    return Added(sum(sizes[True]), sum(sizes[False]), sum(buffer.nbytes for buffer in parts.buffers()))
