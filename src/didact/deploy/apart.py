"""Files that are made or run in another process: see :mod:`didact.deploy.runner` and
:mod:`didact.deploy.lowering`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from didact.deploy.engine import Unsupported
from didact.deploy.guest import Guest, GuestError, interpreter
from didact.spec import RequestError

RUNNER = Path(__file__).with_name("runner.py")
LOWERING = Path(__file__).with_name("lowering.py")


def logits_of(form: str, file: bytes, suffix: str, batches: Iterable[Tensor], python: Path | None) -> Tensor:
    """The logits (n, classes) that the runtime of ``form`` computes for batches of images.

    Raises:
        RequestError: the runtime refuses the file.
    """
    rows: list[Tensor] = []
    with tempfile.TemporaryDirectory() as folder, Guest(RUNNER, form, interpreter(form, python)) as guest:
        here = Path(folder)
        (here / f"net{suffix}").write_bytes(file)
        try:
            threads = torch.get_num_threads()
            opened = guest.ask(do="open", form=form, file=str(here / f"net{suffix}"), threads=threads, image=None)
            for images in batches:
                np.save(here / "images.npy", images.contiguous().numpy())
                batch = min(len(images), opened["most"] or len(images))
                guest.ask(do="run", images=str(here / "images.npy"), batch=batch, logits=str(here / "logits.npy"))
                rows.append(torch.from_numpy(np.load(here / "logits.npy")).float())
        except GuestError as error:
            raise RequestError(f"{form}: its runtime cannot run the file: {error}; nothing was written") from None
    return torch.cat(rows)


def lowered(
    form: str, network: bytes, images: Tensor | None, float_ends: bool, weight_scales: str, python: Path | None
) -> tuple[bytes, dict[str, str]]:
    """The file of ``form`` from a network as torch.export saves it, and the versions that made it.

    Args:
        images: (n, c, h, w), from which ranges are taken in 8 bits; None in float32.
        float_ends: whether the first and the last layer stay in float.
        weight_scales: in 8 bits, "channel" or "layer" (:data:`didact.deploy.forms.contract.WEIGHT_SCALES`).

    Raises:
        Unsupported: the form lacks something of the network.
    """
    with tempfile.TemporaryDirectory() as folder, Guest(LOWERING, form, interpreter(form, python)) as guest:
        here = Path(folder)
        (here / "net.pt2").write_bytes(network)
        if images is not None:
            np.save(here / "images.npy", images.contiguous().numpy())
        try:
            answer = guest.ask(
                do=form,
                network=str(here / "net.pt2"),
                file=str(here / "made"),
                images=None if images is None else str(here / "images.npy"),
                float_ends=float_ends,
                weight_scales=weight_scales,
            )
        except GuestError as error:
            raise Unsupported(str(error)) from None
        return (here / "made").read_bytes(), answer["versions"]
