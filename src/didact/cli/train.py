"""``didact train``: train the missing runs, teachers first. Imports no torch before it runs."""

from __future__ import annotations

from functools import partial

from didact import streams
from didact.cli import answer, exports
from didact.cli.exports import ExportBits, ExportFolder, ExportTo
from didact.cli.options import (
    STORE,
    AnswersLimit,
    Capture,
    Compile,
    Decoders,
    Device,
    Devices,
    Exact,
    Json,
    KeepAnswers,
    KeepFeatures,
    On,
    OnStreams,
    Plan,
    Processes,
    Retry,
    Settings,
    StorePath,
    TestEvery,
    Throughput,
    Together,
    Track,
    WeightScales,
)
from didact.cli.output import Format, form
from didact.launcher import follows


def train(
    *settings: Settings,
    store: StorePath = STORE,
    device: Device = None,
    compile: Compile = False,
    deterministic: Exact = False,
    test_every: TestEvery = 1,
    capture: Capture = "off",
    on_streams: OnStreams = False,
    cohort_size: Together = 16,
    workers: Processes = None,
    on: On = None,
    keep_answers: KeepAnswers = False,
    keep_features: KeepFeatures = False,
    answers_limit: AnswersLimit = None,
    decoders: Decoders = None,
    plan: Plan = False,
    throughput: Throughput = None,
    devices: Devices = None,
    retry: Retry = False,
    export: ExportTo = None,
    bits: ExportBits = None,
    folder: ExportFolder = None,
    weight_scales: WeightScales = None,
    track: Track = None,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Plan and train. The help text is in :mod:`didact.cli.main`."""
    from didact.advice.records import with_own
    from didact.advice.warning import warning
    from didact.execution import Execution
    from didact.request.plan import plan as planned
    from didact.request.tokens import parse

    shape, where = form(format, json), answer.device(device)
    execution = Execution(
        device=where,
        compiled=compile,
        deterministic=deterministic,
        test_every=test_every,
        capture=capture,
        streams=on_streams,
        cohort_size=cohort_size,
        executor=answer.executor(workers, on, where),
        keep=answer.keep(keep_answers, keep_features, answers_limit),
        decoders=decoders,
    )
    planner = answer.planner(plan, throughput, devices, execution.executor, track)
    exported = exports.asked(export, bits, folder, weight_scales, plan=plan)
    request = partial(planned, device=where, find=partial(answer.finished, store))
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
