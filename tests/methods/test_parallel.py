"""What methods say of processes that share a batch: where terms are taken on shares, their means are those of the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from didact.engine.parallel.processes import Processes, Share
from didact.method import Pair, Stage, StepContext
from didact.spec import choose
from didact.tensors import Outputs
from support.one_step import PAIRS, tell
from support.walk import NAMES, made

WHOLE = ("cc", "crd", "dist", "pkt", "rkd", "semckd", "sp", "sskd")
"""Methods that relate images of a batch, or remember them."""

APART = [(name, stage) for name in NAMES if made(name).parallel() == "images" for stage in made(name).stages()]


def cut(outputs: Outputs | None, start: int, stop: int) -> Outputs | None:
    """Rows of outputs."""
    if outputs is None:
        return None
    whole = {name: getattr(outputs, name) for name in ("logits", "pooled", "stem")}
    maps = {name: tuple(x[start:stop] for x in getattr(outputs, name)) for name in ("features", "preacts")}
    return Outputs(**{name: None if x is None else x[start:stop] for name, x in whole.items()}, **maps)


def of(context: StepContext, share: Share, start: int) -> StepContext:
    """What a process that has a share sees of a step."""
    stop = start + len(share.part)
    own = cut(context.own, start, stop)
    assert own is not None and not context.views
    peers = tuple(one for peer in context.peers if (one := cut(peer, start, stop)) is not None)
    return replace(context, batch=share.part, own=own, teacher=cut(context.teacher, start, stop), peers=peers)


@pytest.mark.parametrize(("name", "stage"), APART, ids=lambda value: value.name if isinstance(value, Stage) else value)
def test_the_mean_over_shares_is_that_of_the_batch(name: str, stage: Stage, pair: Callable[..., Pair]) -> None:
    """Norms of extras in eval mode: those in training mode exchange their statistics."""
    told = tell(pair, made(name), *PAIRS[2], stage=stage)
    told.extras.eval()
    whole, total = told.terms(), {}
    for rank in range(2):
        share = Processes(rank, 2).share(told.context.batch)
        terms = told.method.terms(told.extras, of(told.context, share, rank * share.rows[0]))
        total = {name: total.get(name, 0) + share.weight / 2 * term for name, term in terms.items()}
    assert total.keys() == whole.keys()
    for term, value in whole.items():
        torch.testing.assert_close(total[term], value, rtol=1e-4, atol=1e-5, msg=lambda text, term=term: f"{term}: {text}")


def test_methods_that_relate_images_see_the_whole_batch() -> None:
    assert all(made(name).parallel() == "outputs" for name in WHOLE)
    assert choose(type(made("simkd")), "simkd+gated").parallel() == "outputs"
    assert choose(type(made("kdcl")), {"name": "kdcl", "target": "linear"}).parallel() == "outputs"
    assert made("sckd").parallel() == "never"
    assert len({name for name, _ in APART}) >= 18
