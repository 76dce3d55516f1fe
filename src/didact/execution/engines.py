"""Teachers that an inference engine computes: whether it can, the network that is shown, and how
far it is from the eager one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch

from didact.analysis.divergence import accuracy, kl
from didact.data import Dataset, evaluation_batches, facts
from didact.deploy.calibration import calibration
from didact.deploy.engine import Computed, check_installed, exported, quantised, runtime
from didact.method import Teacher
from didact.nets.blocks import BlockNet
from didact.nets.folded import folded
from didact.runs.build import network
from didact.runs.engine import Engine
from didact.runs.run import Run
from didact.spec import SpecError, to_json
from didact.store.answers.results import Results
from didact.store.store import Store


def check(runs: Iterable[Run], device: str) -> None:
    """Refuse, before anything is trained, engines that cannot compute the teachers of ``runs``.

    Raises:
        SpecError: the engine is not installed, has no word for an operation of the teacher, or
            cannot be used on the device.
    """
    wanted = {(run.teacher.net, run.data, run.engine.precision): run for run in runs if run.engine and run.teacher}
    for run in wanted.values():
        assert run.teacher is not None and run.engine is not None
        if not device.startswith("cpu"):
            raise SpecError(
                f"teacher.engine: {run.engine.name} computes on the CPU, and this trains on {device}; "
                "write --device cpu, or leave teacher.engine out"
            )
        check_installed()
        net = network(run.teacher).eval().requires_grad_(False)
        exported(folded(net), facts(run.data).image, run.engine.precision)


def preparing(run: Run, dataset: Dataset) -> Callable[[BlockNet], BlockNet]:
    """What makes of a frozen network the one that is shown to the students of ``run``'s cohort."""
    return folded if run.engine is None else partial(computed, engine=run.engine, dataset=dataset)


def computed(net: BlockNet, engine: Engine, dataset: Dataset) -> Computed:
    """``net`` as the engine computes it. It is calibrated on training images only."""
    model = exported(folded(net), dataset.image, engine.precision)
    if engine.precision == "int8":
        model = quantised(model, calibration(dataset, engine.calibration, engine.seed))
    return Computed(model, net.shapes(dataset.image), torch.get_num_threads())


def compare(run: Run, net: BlockNet | None, teacher: Teacher | None, store: Store, dataset: Dataset) -> None:
    """Say the accuracy of the teacher by its engine, and its KL to the eager float network, on the
    test images.

    They choose nothing. They are measured once, and kept beside the teacher's Record. Along a route
    it is the finished teacher.
    """
    assert run.teacher is not None and run.engine is not None and net is not None and teacher is not None
    record = store.get(run.teacher)
    assert record is not None, "a teacher is trained before its students"
    results = Results(record, store.say)
    question = {"engine": to_json(run.engine), "runtime": runtime(), "data": to_json(run.data)}
    found = results.get("engine", question, _figures)
    if found is None:
        shown = teacher.at(0) if run.route is None else computed(net, run.engine, dataset)
        found = _figures(results.put("engine", question, measured(shown, folded(net), dataset)))
    store.say(
        f"{run.teacher.label} by {run.engine.label}: {found['accuracy']:.2f} % of the test images, "
        f"{found['eager']:.2f} % by torch in float32; KL from that {found['kl']:.5f} nats"
    )


def measured(shown: BlockNet, eager: BlockNet, dataset: Dataset) -> dict[str, float]:
    """Test accuracy in percent of both networks ("accuracy", "eager"), and KL(eager || shown) in
    nats ("kl").
    """
    with torch.no_grad():
        batches = list(evaluation_batches(dataset, dataset.test))
        zt, z = (torch.cat([net(batch.images).float() for batch in batches]) for net in (eager, shown))
    labels = dataset.test.labels
    return {"accuracy": accuracy(z, labels), "eager": accuracy(zt, labels), "kl": kl(zt, z)}


def _figures(kept: Any) -> dict[str, float]:
    return {name: float(kept[name]) for name in ("accuracy", "eager", "kl")}
