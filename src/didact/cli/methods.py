"""``didact explain``. Imports no torch before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from didact.cli.options import Json
from didact.cli.output import print_json
from didact.streams import say

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
            say(explained_recipe(method))
        return 0
    described = described_or_recipe(method)
    if json:
        print_json(described.plain())
    else:
        say(explained(described))
    return 0


def described_or_recipe(name: str) -> Described:
    """The description of the method ``name``.

    Raises:
        SpecError: neither a method nor a recipe is called so; the message names the nearest.
    """
    from didact.catalogue.methods import describe
    from didact.engine.recipes import RECIPES
    from didact.spec import SpecError, closest

    try:
        return describe(name)
    except SpecError as error:
        recipes = " or ".join(f"'{one}'" for one in closest(name, RECIPES))
        raise SpecError(f"{error}; a recipe is called {recipes}" if recipes else f"{error}") from None


def explained(method: Described) -> str:
    """The description of a method as text."""
    from didact.catalogue.methods import changes_text, labels_text, reads_text, stage_details

    about = method.about
    parts = [f"{method.name}: {about.heading}", about.citation, *about.body, f"Command:\n  {method.command}"]
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
    from didact.catalogue.settings import fields
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
