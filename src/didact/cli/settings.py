"""The settings of ``didact train``, for ``didact list settings`` and the command's help."""

from __future__ import annotations

from didact.catalogue.settings import fields
from didact.spec import catalogue


def settings() -> list[tuple[str, str, str, str]]:
    """Everything that ``didact train`` understands as ``--setting value``."""
    from didact.data import Data
    from didact.engine.recipe import RECIPES, Recipe
    from didact.method import Method
    from didact.spec import find, to_json

    rows = _plans_own()
    rows += fields(Data, "data.")
    short = to_json(RECIPES["short"][1]) | {"precision": "auto"}
    rows += [
        (path, kind, str(short[path.removeprefix("recipe.")]), text) for path, kind, _, text in fields(Recipe, "recipe.")
    ]
    rows += fields(find(Method, "sftn"), "teacher.method.")
    rows += fields(
        find(Method, "gtn"), "teacher.method.gtn."
    )  # where several ways are asked for, those of one lie below its name
    rows.append(("method.*", "", "", "Any field of the methods asked for; see didact explain METHOD."))
    return rows


def _plans_own() -> list[tuple[str, str, str, str]]:
    """The settings that are no field of a spec."""
    names = "|".join(catalogue("didact.methods", "didact.peers"))
    return [
        ("net", "names", "required", "The student, or several, separated by commas."),
        (
            "method",
            "names",
            "kd, or ce without a teacher",
            f"How it learns, or several: {names}; a preset after a plus sign: fitnet+kd.",
        ),
        ("route", "equal | greedy", "none", "Follow the teacher's route from its early anchors on (RCO)."),
        ("route.anchors", "int", "4", "How many, at equal intervals of the teacher's epochs, its end included."),
        ("route.threshold", "float", "", "greedy: the KL (nats) below which the next anchor takes over."),
        ("peers.net", "names", "none", "The networks it learns together with (dml, kdcl); several are one group."),
        ("peers.method", "name", "its own", "How they learn, where not like it; by ce they are looked at only."),
        ("peers.recipe.*, peers.seed", "", "its own", "Where a peer's differ; epochs, batches, precision are shared."),
        ("seeds", "int", "1", "How many training seeds, from 0; or --seed for a single one."),
        ("data_seed", "int", "0", "Order and augmentation of the batches."),
        ("start", "branches", "none", "Begin the student with the blocks of its SFTN teacher's first branch."),
        ("teacher.net", "name", "none", "The network that teaches."),
        (
            "teacher.method",
            "names",
            "standard",
            "How it was trained: standard, sftn, gtn, several (standard,sftn), or a student's method.",
        ),
        (
            "teacher.teacher.net",
            "name",
            "none",
            "Makes the teacher an assistant: the network it learns from, by teacher.method=kd.",
        ),
        ("teacher.teacher.*", "", "the teacher's", "All that a teacher takes, to any depth: teacher.teacher.method=sftn."),
        ("teacher.start", "standard", "none", "Fine-tune the SFTN teacher from the standard one instead of from scratch."),
        ("teacher.seed", "int", "0", "The teacher's own seed."),
        ("teacher.recipe.*, teacher.data.*", "", "the student's", "Where the teacher's differ from the student's."),
        ("data", "name", "digits", "Short for data.name."),
        ("recipe", "name", "short", "short or paper; the fields below change it."),
        ("epochs, precision", "", "", "Short for recipe.epochs and recipe.precision (fp32, bf16 or auto)."),
    ]


def settings_help() -> str:
    """The settings as text below the help of ``didact train``."""
    lines = ["Settings (each as --setting value):", ""]
    for path, kind, default, text in settings():
        lines.append(f"  --{path}  [{kind}{', ' if kind else ''}default {default}]" if default else f"  --{path}  {kind}")
        lines += [f"        {text}"] if text else []
    return "\n".join(lines)
