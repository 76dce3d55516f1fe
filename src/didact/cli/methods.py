"""``didact explain``. Imports no torch before it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from didact.cli.options import Json
from didact.cli.output import print_json

if TYPE_CHECKING:
    from didact.catalogue.methods import Described


def explain(
    method: Annotated[
        str, Parameter(help="A method, with a preset or not (fitnet+kd), or module:Class; or a recipe (modern).")
    ],
    *,
    json: Json = False,
) -> int:
    """Describe and print; the help stands where the command is named."""
    from didact.engine.recipes import RECIPES, complete
    from didact.report.text import print_text

    if method in RECIPES:
        recipe = RECIPES[method]
        if json:
            print_json(
                {
                    "name": method,
                    "what": recipe.text,
                    "source": recipe.source,
                    "settings": complete(recipe.recipe),
                    "teaching": recipe.teaching,
                }
            )
        else:
            print_text(explained_recipe(method))
        return 0
    described = described_or_recipe(method)
    if json:
        print_json(described.plain())
    else:
        print_text(explained(described))
    return 0


def described_or_recipe(name: str) -> Described:
    """The description of the method ``name``.

    Raises:
        SpecError: neither a method nor a recipe is called so; the message names the nearest.
    """
    from didact.catalogue.methods import describe
    from didact.engine.recipes import RECIPES
    from didact.spec import SpecError, closest, shown

    try:
        return describe(name)
    except SpecError as error:
        if (other := _otherwise(name)) is not None:
            raise SpecError(f"{shown(name)} {other}; a method or a recipe is explained: didact list methods") from None
        recipes = " or ".join(f"'{one}'" for one in closest(name, RECIPES))
        raise SpecError(f"{error}; a recipe is called {recipes}" if recipes else f"{error}") from None


def _otherwise(name: str) -> str | None:
    """What is called ``name`` and is no method, and where it is described; None for nothing."""
    from didact import nets
    from didact.catalogue.settings import request_settings
    from didact.data.catalogue import canonical_name
    from didact.deploy.catalogue import DEVICES
    from didact.nets.libraries import named
    from didact.nets.supernet import SPACES
    from didact.papers.listing import known

    if named(name) or (":" not in name and _is(nets.resolve, name)):
        return "is a network: didact list nets, and its blocks by didact list cuts --net NAME"
    if ":" not in name and _is(canonical_name, name):
        return "is a data set: didact list data"
    kinds = {
        "is a pool of networks: didact list pools": SPACES,
        "is a device: didact list devices": {device.name for device in DEVICES},
        "is a study: didact list studies": {study for study, _, _ in known()},
        "is a setting: didact list settings": {setting[0] for setting in request_settings()},
    }
    return next((what for what, names in kinds.items() if name in names), None)


def _is(find: Callable[[str], object], name: str) -> bool:
    """Whether ``find`` knows the name."""
    from didact.spec import SpecError

    try:
        find(name)
    except SpecError:
        return False
    return True


def explained(method: Described) -> str:
    """The description of a method as text."""
    from didact.catalogue.methods import changes_text, labels_text, reads_text, stage_details

    about = method.about
    body = (block if block.startswith("    ") else " ".join(block.split()) for block in about.body)
    parts = [f"{method.name}: {about.heading}", about.citation, *body, f"Command:\n  {method.command}"]
    lines = []
    for key, kind, default, text in method.settings:
        lines += [f"  --{method.option}.{key}  [{kind}, default {default}]", f"        {text}"]
    parts.append("\n".join(["Settings:", *lines]) if lines else "It has no settings.")
    base = method.name.partition("+")[0]
    presets = [f"  {base}+{name}: {changes_text(changes)}" for name, changes in method.presets.items()]
    parts.append("\n".join(["Presets:", *presets]) if presets else "")
    stages = "; ".join(map(stage_details, method.stages))
    parts.append(
        f"Reads: {reads_text(method.reads)}\nLabels: {labels_text(method.soft_labels)}\nStages: {stages}\nFile: {method.file}"
    )
    return "\n\n".join(part.replace("``", "`") for part in parts if part)


def explained_recipe(name: str) -> str:
    """All there is to know of a recipe, as text."""
    from didact.catalogue.fields import fields
    from didact.engine.recipe import Recipe
    from didact.engine.recipes import RECIPES, complete

    recipe = RECIPES[name]
    held = complete(recipe.recipe)
    lines = ["Settings (of precision the fastest is taken where none is said):"]
    for key, kind, _, text in fields(Recipe):
        lines += [f"  --recipe.{key}  [{kind}, here {held[key]}]", f"        {text}"]
    for method, usual in recipe.teaching.items():
        whose = f"where the teacher's method is {method}"
        lines += [f"  --teacher.method.{key}  [here {value:g}, {whose}]" for key, value in usual.items()]
    parts = [f"{name}: {recipe.text}", recipe.source, f"Command:\n  didact train --recipe {name}", "\n".join(lines)]
    return "\n\n".join(parts)
