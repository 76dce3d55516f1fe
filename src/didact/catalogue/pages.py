"""The reference pages of methods and settings, written from the code by ``python -m
didact.catalogue.pages docs``."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from didact.catalogue.fields import fields
from didact.catalogue.formulas import markdown
from didact.catalogue.methods import Described, changes_text, describe, labels_text, reads_text, stage_details
from didact.method import Method
from didact.request.schema import Request
from didact.spec import catalogue

COMMAND = "python -m didact.catalogue.pages docs"

MARK = f"<!-- Written by `{COMMAND}` from the code; change that and run it again (make docs). -->"

NOTATION = """\
zs, zt: logits of student and teacher; fs, ft: features; y: labels; CE: cross entropy; T: temperature;
KL(a || b) = sum a log(a / b). Losses are means over the batch. How blocks are paired: [../methods.md](../methods.md)."""

PARTS = """\
What a method reads: logits; pooled, the vector before the classifier; features, after each block; preacts, the same before
their last activation; stem, what enters the first block. `didact explain METHOD` shows the same as the pages."""

SETTINGS = """\
Everything that `didact train` takes as `--setting value`, and `didact.plan` as a tree: `--teacher.net resnet20` is
`{"teacher": {"net": "resnet20"}}`. `didact.Request`, `TeacherRequest` and `PeersRequest` are the same as typed values.
A setting that is left out, or `null`, takes its default. [methods.md](methods.md#settings-and-how-messages-name-them) says how
settings are written and how messages name them. Settings of methods lie below `method` and `teacher.method`;
[the pages of the methods](methods/README.md) have them."""

FAMILIES: dict[str, tuple[str, str]] = {
    "logits": ("What the teacher answers: losses between the two networks' logits.", "kd dkd dist"),
    "features": (
        "What the teacher sees on the way: losses between feature maps, or between what is made of them.",
        "fitnet at nst vid ofd reviewkd semckd simkd srrl ft ab fsp kdsvd",
    ),
    "relations": (
        "How the images of a batch relate to one another, or to those of other batches.",
        "sp rkd pkt cc crd sskd",
    ),
    "teachers": ("Methods on the teacher: it is trained for its student, or for a pool of students.", "sftn gtn"),
    "peers": ("Networks that learn together, each from what the others answer: no teacher comes first.", "dml kdcl"),
    "others": ("Labels alone, and wrappers around other methods.", "ce sckd"),
}
"""By page: its first sentence and its methods. A method that no page names goes to the last one."""


def pages() -> dict[str, str]:
    """The text of every page by its path below docs/: one a family of methods, their index, and the
    settings of a request."""
    named = {name: page for page, (_, names) in FAMILIES.items() for name in names.split()}
    families: dict[str, list[Described]] = {page: [] for page in FAMILIES}
    rank = list(named)
    for name in sorted(catalogue(*Method.homes), key=lambda name: (rank.index(name) if name in named else len(rank), name)):
        families[named.get(name, "others")].append(describe(name))
    texts = {f"methods/{page}.md": _page(page, methods) for page, methods in families.items() if methods}
    return texts | {"methods/README.md": _index(families), "settings.md": _settings()}


def _settings() -> str:
    rows = [
        [f"`{path}`", kind, f"`{default}`" if default else "", _prose(text)] for path, kind, default, text in fields(Request)
    ]
    return _joined([MARK, "# Settings of a request", SETTINGS, _table(["setting", "type", "default", "meaning"], rows)])


def _index(families: dict[str, list[Described]]) -> str:
    rows = [
        [
            f"[`{method.name}`]({page}.md#{method.name})",
            _prose(method.about.heading),
            f"[{_source(method)}]({method.about.link})" if method.about.link else "",
            reads_text(method.reads),
            ", ".join(stage.name for stage in method.stages),
        ]
        for page, methods in families.items()
        for method in methods
    ]
    lines = [f"- [{page}]({page}.md): {FAMILIES[page][0]}" for page, methods in families.items() if methods]
    head = ["method", "what it is", "source", "reads", "stages"]
    count = _counted([method for methods in families.values() for method in methods])
    return _joined([MARK, "# Methods by family", "\n".join(lines), count, PARTS, _table(head, rows)])


def _counted(methods: list[Described]) -> str:
    """How many methods there are, by who learns from whom."""
    kinds: dict[str, list[str]] = {"teacher": [], "peers": [], "own": [], "labels": []}
    for method in methods:
        from_whom = next((who for who in ("teacher", "peers") if method.reads[who]), "labels")
        kinds["own" if method.option == "teacher.method" else from_whom].append(f"`{method.name}`")
    words = {kind: f"{len(names)} ({', '.join(names)})" for kind, names in kinds.items()}
    return (
        f"{len(methods)} methods, presets not counted: {len(kinds['teacher'])} for a student of a teacher, {words['peers']} for\n"
        f"networks among peers, {words['own']} for the teacher itself, {words['labels']} by the labels alone.\n"
        "[RCO](../peers.md#along-the-teachers-route) is none of them: it is a teacher's route, along which each of those "
        f"{len(kinds['teacher'])} works."
    )


def _page(page: str, methods: list[Described]) -> str:
    parts = [MARK, f"# {page.capitalize()}", _wrapped(FAMILIES[page][0]), _wrapped(NOTATION)]
    for method in methods:
        parts += _section(method)
    return _joined(parts)


def _section(method: Described) -> list[str]:
    """A method: heading, paper, its file's formulas and prose in their order, settings, and the
    rest in a list."""
    about = method.about
    paper = f" {_prose(about.authors)}: *{_prose(about.paper)}* ([{_source(method)}]({about.link}))." if about.paper else ""
    settings = [[f"`{key}`", f"`{default}`", _prose(text)] for key, _, default, text in method.settings]
    facts = [f"Command: `{method.command}`"]
    facts += [f"Settings: `--{method.option}.NAME`" if settings else "No settings."]
    facts += [f"Preset `{method.name}+{name}`: `{changes_text(changes)}`" for name, changes in method.presets.items()]
    facts += [f"Reads {reads_text(method.reads)}", f"Labels {labels_text(method.soft_labels)}"]
    facts += [f"Stages: {_prose('; '.join(map(stage_details, method.stages)))}"]
    path = f"src/{method.file.replace('.', '/')}.py"
    facts += [f"Source: [{path}](../../{path})"]
    return [
        f"## {method.name}",
        _wrapped(f"**{_prose(about.heading)}.**{paper}"),
        *(markdown(block) if block.startswith("    ") else _wrapped(_prose(block)) for block in about.body),
        *([_table(["setting", "default", "meaning"], settings)] if settings else []),
        "\n".join(_wrapped(f"- {fact}", "  ") for fact in facts),
    ]


def _source(method: Described) -> str:
    return f"{method.about.venue} {method.about.year}"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _prose(text: str) -> str:
    """Text as Markdown: what would be taken for markup is escaped, but not between backticks."""
    parts = text.replace("``", "`").split("`")
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"(?<!\w)_|_(?!\w)|[*<\[\]]", r"\\\g<0>", parts[i])
    return "`".join(parts)


def _wrapped(text: str, indent: str = "") -> str:
    """A paragraph or an item of a list, in lines of at most 100 characters."""
    text = " ".join(text.split())
    return textwrap.fill(text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _joined(parts: list[str]) -> str:
    return "\n\n".join(parts) + "\n"


def main(arguments: list[str]) -> int:
    """Write the pages into the folder that is named."""
    if len(arguments) != 1:
        print(f"name the folder of the pages: {COMMAND}", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    for name, text in pages().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
