"""Whether a method can follow the labels that a recipe gives: those of mixed images, and smoothed
ones.
"""

from __future__ import annotations

from didact.data import Data
from didact.data.derived import nothing_to_learn_from, source, unlabelled_rows
from didact.engine.recipe import Recipe
from didact.method import Method


def check_labels(method: Method, recipe: Recipe) -> None:
    """Refuse a recipe that mixes images or smooths labels where the method reads one class for each
    image.

    Raises:
        ValueError: the message names the settings and what to write instead.
    """
    name, follows = method.name(), method.soft_labels()
    mixing = " and ".join(
        f"recipe.{kind}={getattr(recipe, kind):g}" for kind in ("mixup", "cutmix") if getattr(recipe, kind)
    )
    if mixing and follows != "mixed":
        raise ValueError(
            f"the method '{name}' reads the class of each image, and with {mixing} images are mixtures of two; "
            f"{_remedy('write recipe.mixup=0 recipe.cutmix=0', follows, 'mixed')}"
        )
    needs = [method.needs, *(stage.needs for stage in method.stages() if stage.needs)]
    further = {view for one in needs for view in one.views} | {"own images" for one in needs if one.own_images}
    if mixing and further:
        raise ValueError(
            f"the method '{name}' reads further views of the images ({', '.join(sorted(further))}), which are not mixed; "
            "write recipe.mixup=0 recipe.cutmix=0"
        )
    if recipe.label_smoothing and follows == "none":
        raise ValueError(
            f"the method '{name}' reads the class of each image, which recipe.label_smoothing does not change; "
            f"{_remedy('write recipe.label_smoothing=0', follows, 'smoothed')}"
        )
    if recipe.label_smoothing and getattr(method, "label_smoothing", 0):
        raise ValueError(f"labels are smoothed by recipe.label_smoothing and by the method '{name}', too; write one of them")


def check_unlabelled(method: Method, recipe: Recipe, data: Data) -> None:
    """Refuse images without labels where the method reads the class of each image, or nothing but
    classes.

    Raises:
        ValueError: the message names the setting and what to write instead.
    """
    lacking = nothing_to_learn_from(data)
    if lacking is not None:
        raise ValueError(f"data: {lacking}")
    if not source(data).facts.train and (data.validation, data.fraction, data.per_class) != (0, 1, None):
        raise ValueError("data: fraction, per_class and validation choose among images with labels; leave them out")
    if data.unlabelled is None:
        return
    name, follows = method.name(), method.soft_labels()
    if follows != "mixed":
        raise ValueError(
            f"the method '{name}' reads the class of each image, and those of data.unlabelled have none; "
            f"{_remedy('leave data.unlabelled out', follows, 'mixed')}"
        )
    if not (method.needs.teacher or method.needs.peers or method.teaches):
        raise ValueError(
            f"the method '{name}' learns from labels alone, and images of data.unlabelled have none; leave it out, or use a "
            "method with a teacher such as kd"
        )
    if recipe.batch_size < 2 and data.unlabelled_share < 1:
        raise ValueError("batches of one image have no room for one without a label; write recipe.batch_size=2 or more")
    if recipe.label_smoothing and data.unlabelled_share == 1:
        raise ValueError("no image that is shown has a label that could be smoothed; write recipe.label_smoothing=0")
    without = unlabelled_rows(data.unlabelled_share, recipe.batch_size)
    if recipe.mixing.mixes and 1 in (without, recipe.batch_size - without):
        raise ValueError(
            f"images are mixed with others of their kind, and of {recipe.batch_size} images in a batch {without} have no label; "
            "write another data.unlabelled_share, a larger recipe.batch_size, or recipe.mixup=0 recipe.cutmix=0"
        )


def _remedy(recipe: str, follows: str, answer: str) -> str:
    own = f"; in a method of your own read batch.targets and let soft_labels answer '{answer}'" if follows == "none" else ""
    return f"{recipe}, or use a method such as kd{own}"
