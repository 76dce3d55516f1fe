"""``didact train``: train the missing runs, teachers first. Imports no torch before it runs."""

from __future__ import annotations

from functools import partial

from didact import streams
from didact.cli import answer, exports
from didact.cli.computing import USUAL, Computing
from didact.cli.exports import ExportBits, ExportFolder, ExportTo
from didact.cli.options import (
    STORE,
    Device,
    Devices,
    Json,
    Plan,
    Retry,
    Settings,
    StorePath,
    Throughput,
    Track,
    TrustStore,
    WeightScales,
)
from didact.cli.output import Format, form
from didact.launcher import follows


def train(
    *settings: Settings,
    store: StorePath = STORE,
    device: Device = None,
    computing: Computing = USUAL,
    plan: Plan = False,
    throughput: Throughput = None,
    devices: Devices = None,
    retry: Retry = False,
    export: ExportTo = None,
    bits: ExportBits = None,
    folder: ExportFolder = None,
    weight_scales: WeightScales = None,
    track: Track = None,
    trust_store: TrustStore = False,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Plan and train. The help text is in :mod:`didact.cli.main`."""
    from didact.advice.records import with_own
    from didact.advice.warning import warning
    from didact.request.plan import plan as planned
    from didact.request.tokens import parse

    shape, where = form(format, json), answer.device(device)
    execution = computing.execution(where)
    planner = answer.planner(plan, throughput, devices, execution.executor, track)
    exported = exports.asked(export, bits, folder, weight_scales, plan=plan)
    request = partial(planned, device=where, find=partial(answer.finished, store, trust_store))
    runs = request(parse(settings, request))
    line = warning(runs, partial(with_own, store))
    if line is not None:
        streams.say(line, to_stderr=True)
    if planner is not None:
        return answer.forecast(planner, runs, store, execution, throughput, retry=retry, form=shape)
    if exported is None:
        return answer.answer(runs, store, execution, retry=retry, form=shape, track=track)
    records = answer.unread(store)
    exported.check(records, runs)
    code = answer.answer(runs, store, execution, retry=retry, form=shape, track=track)
    return code if follows() else max(code, exported.write(records, runs, to_stderr=shape != "text"))
