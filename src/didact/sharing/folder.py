"""A run of a store as a folder or a tar, and back to a network."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import safetensors.torch

from didact.files.checked import json_text
from didact.files.disk import check_place, refusal, unwritable
from didact.files.hub import PREFIX, pull
from didact.files.packed import ABOUT, CARD, OTHER_FILES, WEIGHTS, is_tar, member, pack
from didact.files.reading import DamagedError, is_file, parsed
from didact.files.weights import Tensors, WeightsError
from didact.nets import create
from didact.nets.blocks import BlockNet
from didact.nets.shown import Shown, bare, shown
from didact.nets.splitting.names import own_names
from didact.nets.splitting.parts import CutHead
from didact.runs.given import Given, Inputs, seen
from didact.runs.given import load as load_given
from didact.runs.run import Run
from didact.sharing.about import FORMAT, about, card
from didact.spec import RequestError, SpecError, clean, from_json
from didact.spec import shown as repeated
from didact.store.record import Record
from didact.store.store import Store


def pack_run(store: Store, run: Run, record: Record, path: Path) -> None:
    """Pack the network of a finished run at ``path``: a new folder, or a tar by its suffix.

    Raises:
        SpecError: the run's method hands on another network than its own, or it was trained in 8
            bits; or ``path`` is called like a file of another kind.
        UnwritableError: the disk refuses.
        RequestError: there is something at ``path``, or nothing can be written there.
    """
    if path.suffix.lower() in OTHER_FILES:
        raise SpecError(f"output: a new folder, or a file that ends in .tar, found {repeated(str(path))}")
    if run.recipe.bits == 8:
        raise SpecError(
            f"{run.label} was trained in 8 bits, and a packed network has 32; write didact export {run.digest} --bits 8"
        )
    check_place("output", path.parent)
    net, added = store.load(run)
    if run.method.deployed(added, net) is not net:
        raise SpecError(
            f"{run.label} hands on another network than {run.net}: '{run.method.name()}' answers with parts of its teacher "
            "as well, which no file of weights holds; share a run of another method"
        )
    weights = safetensors.torch.save(_tensors(bare(net)), {"format": "pt"})
    known = about(run, record, hashlib.sha256(weights).hexdigest())
    text = card(run, record, net, store, known)
    try:
        pack(path, {CARD: text.encode(), ABOUT: json_text(known), WEIGHTS: weights})
    except OSError as error:
        raise unwritable(error, f"output: {refusal(error)}") from None


def _tensors(net: BlockNet) -> Tensors:
    """The state dict; of a network that was split, under the names that it has in its own code."""
    names = own_names(net) if isinstance(net.head, CutHead) else {key: key for key in net.state_dict()}
    return {names[key]: value.detach().clone().contiguous() for key, value in net.state_dict().items()}


def load(path: Path | str, net: str | None = None) -> BlockNet:
    """The network that is packed at ``path``, on the CPU in eval mode.

    It takes images that are normalised as didact.json says.

    Args:
        path: a folder or a tar from ``didact share``, or ``hub:owner/name``.
        net: its name, where that is code of your own or of a library, which no file chooses.

    Raises:
        RequestError: there is no packed network, it is damaged, or ``net`` is needed.
    """
    return opened(path, net)[0]


def is_packed(path: Path | str) -> bool:
    """Whether a packed network is meant by ``path``: a folder with a description, a tar, or a place on the hub."""
    if isinstance(path, str) and path.startswith(PREFIX):
        return True
    place = Path(path).expanduser()
    return is_file(place / ABOUT) or is_tar(place)


def opened(path: Path | str, net: str | None = None) -> tuple[BlockNet, dict[str, Any]]:
    """The network that is packed at ``path``, as of :func:`load`, and what its description says.

    Raises:
        RequestError: as of :func:`load`.
    """
    place = pull(path) if isinstance(path, str) and path.startswith(PREFIX) else Path(path).expanduser()
    known = _known(place)
    name = net or known["net"]
    if net is None and ":" in name:
        raise RequestError(
            f"{clean(place)} holds the network {repeated(name)}; where you trust that code, name it: --net, in Python net="
        )
    channels, size = known["image"][0], known["image"][1]
    inputs = None if known["inputs"] is None else from_json(Inputs, known["inputs"])
    made = create(name, known["classes"], channels, (inputs and inputs.size) or size)
    load_given(made, name, Given(sha256=seen(place)), known["classes"], fresh=False)
    if inputs is not None:
        own = (inputs.mean or known["mean"], inputs.std or known["std"])
        made = shown(made, Shown(*own, known["mean"], known["std"], inputs.size))
    return made.eval(), known


def _known(place: Path) -> dict[str, Any]:
    """What didact.json says.

    Raises:
        WeightsError: it is missing, damaged, or of a later version of didact.
    """
    try:
        data = member(place, ABOUT)
        known = None if data is None else parsed(data, place / ABOUT)
    except DamagedError as error:
        raise WeightsError(str(error)) from None
    if known is None:
        raise WeightsError(f"{clean(place)} holds no {ABOUT}; name a folder or a tar from 'didact share'")
    if not isinstance(known, dict) or known.get("format") != FORMAT:
        raise WeightsError(f"{clean(place)}: its {ABOUT} is not of this version of didact")
    image = known.get("image")
    numbers = [known.get("classes"), *(image if isinstance(image, list) else [])]
    whole = all(isinstance(number, int) and number > 0 for number in numbers) and len(numbers) == 4
    whole = whole and _tells(known)
    if not whole or not isinstance(known.get("net"), str) or not all(key in known for key in ("mean", "std", "inputs")):
        raise WeightsError(f"{clean(place)}: its {ABOUT} is damaged")
    return known


def _tells(known: dict[str, Any]) -> bool:
    """Whether names of the classes and the size before a crop, which earlier versions leave out, are what they are called."""
    names, resize = known.get("names"), known.get("resize", known["image"][1:])
    named = names is None or (isinstance(names, list) and len(names) == known["classes"])
    named = named and all(isinstance(name, str) for name in names or ())
    sizes = isinstance(resize, list) and len(resize) == 2 and all(isinstance(size, int) for size in resize)
    return named and sizes and all(whole >= part for whole, part in zip(resize, known["image"][1:], strict=True))
