"""``didact share``. Imports no torch before it runs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, StorePath, TrustStore


def share(
    run: Annotated[str, Parameter(help="A digest, or the beginning of one, or a folder's name.")],
    *,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="A new folder, or a file that ends in .tar.")
    ] = None,
    push: Annotated[str | None, Parameter(help="Send it to this place on the hub of Hugging Face: owner/name.")] = None,
    private: Annotated[bool, Parameter(negative="", help="A place on the hub that is made is private.")] = False,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
) -> int:
    """Read and pack; the help stands where the command is named."""
    from didact import streams
    from didact.files.hub import push as send
    from didact.sharing import pack_run
    from didact.sharing.about import command
    from didact.spec import SpecError
    from didact.store.choice import chosen

    if output is None and push is None:
        raise SpecError("output: say where the network is packed, --output FOLDER or FILE.tar, or --push owner/name")
    if private and push is None:
        raise SpecError("private: is for a place on the hub; add --push owner/name")
    records = answer.opened(store, trust_store)
    found = chosen(records, run)
    if output is not None:
        output = output.expanduser()
        pack_run(records, *found, output)
        streams.say(f"packed {found[0].label} ({found[0].digest}): {output}")
        streams.say(f"a student learns from it: {command(found[0], str(output))}")
    if push is not None:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "packed"
            pack_run(records, *found, folder)
            streams.say(f"sent {found[0].label} ({found[0].digest}): {send(folder, push, private=private)}")
    return 0
