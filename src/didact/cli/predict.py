"""``didact predict``. Imports no torch before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, Json, StorePath, TrustStore, exactly
from didact.cli.output import Format, emit, form
from didact.spec import Count, RequestError, SpecError, clean

if TYPE_CHECKING:
    from didact.deploy.predict import Predictor


def predict(
    network: Annotated[
        str, Parameter(help="A file from didact export; a folder or a tar from didact share, or hub:owner/name; or a run.")
    ],
    *images: Annotated[Path, Parameter(help="Images.")],
    top: Annotated[int, Parameter(converter=exactly(Count), help="So many classes of each image.")] = 5,
    net: Annotated[
        str | None,
        Parameter(help="Name of a shared network that is code of your own or of a library, which no file chooses."),
    ] = None,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Answer for each image; the help stands where the command is named."""
    from didact.tables.table import Table

    shape = form(format, json)
    if not images:
        raise SpecError("images: name at least one image, didact predict FILE.onnx IMAGE ...")
    answers = _predictor(network, net, store, trust_store).answers([image.expanduser() for image in images], top)
    rows = tuple((clean(one.image), clean(name), f"{100 * share:.2f} %") for one in answers for name, share in one.classes)
    plain = [
        {"image": str(one.image), "classes": [{"name": name, "probability": share} for name, share in one.classes]}
        for one in answers
    ]
    emit([Table(("image", "class", "probability"), rows)], shape, plain)
    return 0


def _predictor(network: str, net: str | None, store: Path, trust_store: bool) -> Predictor:
    """The exported file, the shared network or the run of the store that answers."""
    from didact.deploy.bench import FORMS
    from didact.deploy.predict import of_file
    from didact.sharing.folder import is_packed

    if is_packed(network):
        from didact.sharing.deployed import packed_predictor

        return packed_predictor(network, net)
    if net is not None:
        raise SpecError("net: is for a folder or a tar from didact share; leave it out")
    path = Path(network).expanduser()
    if path.is_file() or path.suffix.lower() in FORMS:
        return of_file(path)
    from didact.sharing.deployed import predictor
    from didact.store.choice import chosen

    try:
        records = answer.opened(store, trust_store)
        return predictor(records, *chosen(records, network))
    except RequestError as error:
        if path.is_dir():  # and not the folder of a run
            raise SpecError(
                f"{clean(path)} is no folder of didact share; name a file of didact export in it, or a run: {error}"
            ) from None
        raise
