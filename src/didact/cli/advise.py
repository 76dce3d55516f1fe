"""``didact advise``. Imports no torch before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, Device, Json, Picture, Settings, StorePath
from didact.cli.output import Format, emit, form, picture_path, save_picture
from didact.spec import SpecError
from didact.streams import say

if TYPE_CHECKING:
    from didact.advice.options import Option


def advise(
    *settings: Settings,
    pilot: Annotated[
        float | None, Parameter(help="Train short runs first, of this share of the epochs; they are one more trial.")
    ] = None,
    picture: Picture = None,
    store: StorePath = STORE,
    device: Device = None,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Compare the teachers that the request may have; the help stands where the command is
    named."""
    from didact.advice import options as choices
    from didact.advice.records import with_own
    from didact.advice.table import plain, sentences, tables
    from didact.report.text import stderr
    from didact.request.plan import plan
    from didact.request.tokens import parse

    shape, picture = form(format, json), picture_path(picture)
    place = answer.device(device)
    tree = parse(settings, lambda tree: plan(tree, place))
    known = with_own(store)
    options = choices.options(tree, place, known)
    if pilot is not None:
        _train_pilot(tree, options[1], pilot, store, place)
        known = with_own(store)
        options = choices.options(tree, place, known)
    screen = stderr()
    options = [choices.timed(option, place, screen.print) for option in options]
    share = _known_share(options[0], store, place)
    emit(tables(options, known), shape, plain(options, known, share))
    for line in sentences(options, known, share) if shape == "text" else ():
        say(line)
    if picture is not None:
        from didact.advice.picture import picture as draw

        save_picture(draw(known), picture, shape)
    return 0


def _known_share(standard: Option, store: Path, device: str) -> float | None:
    """Percent of its images that the standard teacher knows, where the store has it."""
    from didact.advice.by_heart import known_share
    from didact.report.text import stderr
    from didact.store.store import Store

    return known_share(Store(store, stderr().print), standard.teachers, device) if (store / "runs").is_dir() else None


def _train_pilot(tree: dict[str, Any], friendly: Option, share: float, store: Path, device: str) -> None:
    """Train what the store lacks of the pilot of the option with an SFTN teacher."""
    from didact.advice.pilot import pilot
    from didact.execution import Execution, execute
    from didact.report.text import stderr
    from didact.store.store import Store
    from didact.track import terminal

    if friendly.refused:
        raise SpecError(f"pilot: it trains an SFTN teacher, which cannot serve this request: {friendly.refused}")
    short = pilot(tree, friendly, share, device)
    talk = stderr()
    outcome = execute(list(short.runs), Store(store, talk.print), Execution(device=device), terminal.show(talk))
    gain = short.gain(outcome.records)
    talk.print(f"Pilot of {short.epochs} epochs: gain {gain.text(sign=True)} points (n = {gain.n})")
