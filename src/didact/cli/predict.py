"""``didact predict``. Imports no torch before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from didact.cli.options import Json, exactly
from didact.cli.output import Format, emit, form
from didact.spec import Count, SpecError


def predict(
    file: Annotated[Path, Parameter(help="A file from didact export.")],
    *images: Annotated[Path, Parameter(help="Images.")],
    top: Annotated[int, Parameter(converter=exactly(Count), help="So many classes of each image.")] = 5,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Answer for each image; the help stands where the command is named."""
    from didact.deploy.predict import Predictor
    from didact.spec import clean
    from didact.tables.table import Table

    shape = form(format, json)
    if not images:
        raise SpecError("images: name at least one image, didact predict FILE.onnx IMAGE ...")
    answers = Predictor(file.expanduser()).answers([image.expanduser() for image in images], top)
    rows = tuple(
        (clean(answer.image), clean(name), f"{100 * share:.2f} %") for answer in answers for name, share in answer.classes
    )
    plain = [
        {"image": str(answer.image), "classes": [{"name": name, "probability": share} for name, share in answer.classes]}
        for answer in answers
    ]
    emit([Table(("image", "class", "probability"), rows)], shape, plain)
    return 0
