"""Routes of teachers: whether their anchors were kept, and the teacher of a cohort along one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from didact.data import Dataset, evaluation_batches
from didact.nets.blocks import BlockNet
from didact.nets.folded import folded
from didact.runs.foreign import involved
from didact.runs.run import Run
from didact.seeds import reseed
from didact.spec import RequestError
from didact.store.store import Store
from didact.store.writing.unfinished import Unfinished
from didact.teaching.route import Along

IMAGES = 2000
"""A greedy route measures its student on the validation images, or where there are none on this
many training images.
"""


def check_kept(runs: Iterable[Run], store: Store) -> None:
    """Refuse routes along teachers that are trained, in part or wholly, where an anchor was not
    kept.

    Raises:
        RequestError: the message says which epochs are missing and what to do.
    """
    for run in runs:
        if run.teacher is None or run.route is None:
            continue
        teacher = run.teacher
        unfinished = Unfinished(store, teacher)
        past = teacher.epochs if store.get(teacher) is not None else max(unfinished.kept(), default=0)
        lost = [epoch for epoch in run.anchors[:-1] if epoch <= past and epoch not in unfinished.anchors()]
        if lost:
            raise RequestError(
                f"{run.label}: its route takes the teacher {teacher.label} ({teacher.digest}) as it was after epoch "
                f"{', '.join(map(str, lost))}, which was not kept when it was trained; move {store.folder(teacher)} away, or use "
                "another store, and ask again: it is then trained again, in the same way, and its route kept"
            )


def along(
    run: Run,
    store: Store,
    dataset: Dataset,
    frozen: Callable[[BlockNet], BlockNet],
    prepare: Callable[[BlockNet], BlockNet] = folded,
) -> Along:
    """The teacher of ``run`` along its route; a greedy one goes on from the anchor of the run's
    last row.

    Args:
        frozen: makes an anchor a teacher on the run's device.
        prepare: gives the network that is shown in its place.
    """
    assert run.route is not None and run.teacher is not None
    teacher = run.teacher
    split = dataset.validation or dataset.train.take(torch.arange(min(IMAGES, len(dataset.train))))
    own_code = bool(involved(run))

    def draw_for(epoch: int, batch: int) -> None:
        """So a greedy route is the same after an interruption, also where the student or its
        teacher draws.
        """
        if own_code:
            reseed(run.own_seed, "anchor", epoch + 1, batch, device=dataset.device)

    route = Along(
        run.route,
        run.anchors,
        run.epochs,
        lambda epoch: frozen(store.anchor(teacher, epoch)),
        lambda: evaluation_batches(dataset, split),
        draw_for,
        prepare,
    )
    rows = Unfinished(store, run).rows() if run.route.schedule == "greedy" else []
    if rows:
        route.position = run.anchors.index(rows[-1]["next_anchor"])
    return route
