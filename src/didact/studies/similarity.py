"""How similar a student became to its teacher, measured on the test set and kept beside the student's Record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from didact.analysis import cka, divergence
from didact.data import Data, Dataset, evaluation_batches, load
from didact.engine.records import DamagedError, file_checksum, read_json, write_json
from didact.nets.blocks import BlockNet
from didact.studies.run import Run
from didact.studies.store import Store


@dataclass(frozen=True)
class Similarity:
    """On the test set: KL(teacher || student) in nats, linear CKA of the pooled vectors, share of equal answers in percent."""

    kl: float
    cka: float
    agreement: float


def similarities(store: Store, runs: Sequence[Run], device: str = "cpu") -> dict[str, Similarity]:
    """By digest, the similarity of every finished run in ``runs`` that has a teacher. Computed once, then read.

    Networks are run in float32, whatever they were trained in.
    """
    found: dict[str, Similarity] = {}
    shown: dict[str, tuple[Tensor, Tensor]] = {}
    loaded: dict[Data, Dataset] = {}
    for run in runs:
        record = store.get(run)
        if run.teacher is None or record is None:
            continue
        seal = file_checksum(record.folder / "record.json")
        path = record.folder / "similarity.json"
        try:
            kept = read_json(path)
            if kept.pop("of") == seal:
                found[run.digest] = Similarity(**kept)
                continue
        except (DamagedError, TypeError, KeyError):
            pass  # not there, or not readable: it is computed again
        if run.data not in loaded:
            loaded[run.data] = load(run.data, device)
        if run.teacher.digest not in shown:
            shown[run.teacher.digest] = answers(store, run.teacher, loaded[run.data], device)
        zt, vt = shown[run.teacher.digest]
        zs, vs = answers(store, run, loaded[run.data], device)
        found[run.digest] = Similarity(divergence.kl(zt, zs), cka.linear(vs, vt), divergence.agreement(zt, zs))
        write_json(path, asdict(found[run.digest]) | {"of": seal})
    return found


def answers(store: Store, run: Run, dataset: Dataset, device: str) -> tuple[Tensor, Tensor]:
    """(logits, pooled vectors) of the deployed network for the whole test set, on the CPU.

    One that is no BlockNet has no pooled vector; the trained network's is taken.
    """
    shows, deployed = networks(store, run, device)
    logits, pooled = [], []
    with torch.no_grad():
        for batch in evaluation_batches(dataset, dataset.test):
            own = shows.look(batch.images, frozenset({"logits", "pooled"}))
            z = own.logits if shows is deployed else deployed(batch.images)
            assert z is not None and own.pooled is not None
            logits.append(z.cpu())
            pooled.append(own.pooled.cpu())
    return torch.cat(logits), torch.cat(pooled)


def networks(store: Store, run: Run, device: str) -> tuple[BlockNet, nn.Module]:
    """(the network whose layers are looked at, the one that answers), in eval mode: both are the deployed one.

    Where that is no BlockNet, the layers are those of the trained network.
    """
    net, added = store.load(run)
    net, added = net.to(device), added.to(device)
    deployed = run.method.deployed(added, net).eval()
    return deployed if isinstance(deployed, BlockNet) else net, deployed
