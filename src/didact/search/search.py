"""The best students of a pool under limits: accuracy against cost, predicted on the supernet of a generic teacher.

Two objectives, a large accuracy and a small cost, by NSGA-II (Deb, Pratap, Agarwal, Meyarivan: A Fast and Elitist
Multiobjective Genetic Algorithm: NSGA-II (IEEE TEVC 2002), https://doi.org/10.1109/4235.996017) as Optuna has it. A student that
exceeds a limit is never predicted; it only tells the sampler by how much. A pool with no more students than trials is not
sampled: all of its students that keep to the limits are predicted.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from didact.data import facts
from didact.nets.supernet import Pool, Space
from didact.runs.run import Run
from didact.search import predict
from didact.search.costs import Costs, SearchSettings
from didact.search.pareto import Member, ParetoFront, front
from didact.search.predict import Predictor
from didact.seeds import derive
from didact.spec import SpecError, digest, to_json
from didact.store.store import Store

VERSION = 1
"""Rises when a search of the same description finds something else."""

PATIENCE = 10
"""The search ends after so many suggestions for each trial, however few of them were new students that keep to the limits."""

Tell = Callable[[int, int], None]
"""Is told how many students have been predicted, of how many at most."""


def search(
    store: Store,
    run: Run,
    wanted: SearchSettings | None = None,
    device: str = "cpu",
    tell: Tell = lambda done, most: None,
) -> ParetoFront:
    """Search the pool of ``run``, a finished generic teacher (GTN). Done once, then read from beside its Record.

    The same Record and the same search give the same front, unless latencies are measured.

    Raises:
        UnsuitableError: a run that cannot be searched (:class:`didact.search.predict.Predictor`).
        SpecError: limits that no student keeps to, or no Optuna to search with.
        LookupError: the run has no Record.
    """
    wanted = wanted or SearchSettings()
    predictor = Predictor(store, run, wanted.images, device)
    question = {"search": to_json(wanted), "versions": [VERSION, predict.VERSION]}
    file = f"search-{digest(question)}"
    kept = predictor.results.get(file, question, lambda plain: ParetoFront.read(plain, wanted))
    if kept is not None:
        return kept
    about = facts(run.data)
    costs = Costs(wanted, about.classes, about.image, predictor.latency)
    found = _predicted(predictor, costs, tell)
    students = [_member(name, accuracy, costs) for name, accuracy in found.items()]
    members = front(students)
    others = tuple(one for one in students if one not in members)
    answer = ParetoFront(run.digest, wanted, members, others, predictor.pool.size, predictor.images_held, predictor.guess)
    predictor.results.put(file, question, answer.plain())
    return answer


def _member(name: str, accuracy: float, costs: Costs) -> Member:
    parameters, macs = costs.counts(name)
    time = costs.latency(name) if costs.timed else None
    return Member(name, accuracy, costs.value(name), parameters, macs, time)


# ------------------------------------------------------------------------------------------------ which students are predicted


def _predicted(predictor: Predictor, costs: Costs, tell: Tell) -> dict[str, float]:
    """By name, the predicted accuracies of all students that were tried and keep to the limits."""
    pool, most = predictor.pool, costs.search.trials
    if isinstance(pool, Space) and pool.size > most:
        _reachable(pool, [pool.smallest], costs)  # it has the least of everything
        return _sampled(pool, predictor, costs, tell)
    names = [pool.name(picks) for picks in itertools.product(*(range(len(d.options)) for d in pool.decisions))]
    kept = _reachable(pool, names, costs)
    found: dict[str, float] = {}
    for name in kept:
        found[name] = predictor.accuracy(name)
        tell(len(found), len(kept))
    return found


def _reachable(pool: Space | Pool, names: Sequence[str], costs: Costs) -> list[str]:
    """Those of ``names`` that keep to the limits.

    Raises:
        SpecError: none does; the one that comes nearest is named with its figures.
    """
    kept = [name for name in names if not costs.excess(name)]
    if not kept:
        nearest = min(names, key=lambda name: _by_how_much(name, costs))
        faults = "\n".join(one.told(nearest) for one in costs.excess(nearest))
        raise SpecError(f"no student of the pool ({pool.label}) keeps to the limits; {nearest} comes nearest\n{faults}")
    return kept


def _by_how_much(name: str, costs: Costs) -> float:
    return sum((one.share for one in costs.excess(name)), 0.0)


def _sampled(pool: Space, predictor: Predictor, costs: Costs, tell: Tell) -> dict[str, float]:
    """Students suggested by NSGA-II; the smallest and the largest are tried first."""
    wanted, found = costs.search, dict[str, float]()
    open_ = [d for d in pool.decisions if len(d.options) > 1]
    with _study(wanted.seed, min(50, max(10, wanted.trials // 8))) as study:
        for name in (pool.smallest, pool.largest):
            chosen = zip(pool.decisions, pool.choice_indices(name), strict=True)
            study.enqueue_trial({d.name: d.options[pick] for d, pick in chosen if d in open_})
        for _ in range(PATIENCE * wanted.trials):
            if len(found) >= wanted.trials:
                break
            trial = study.ask()
            said = {d.name: d.options.index(trial.suggest_categorical(d.name, d.options)) for d in open_}
            name = pool.name([said.get(d.name, 0) for d in pool.decisions])
            excess = _by_how_much(name, costs)
            trial.set_constraint("limits", excess)
            if not excess and name not in found:
                found[name] = predictor.accuracy(name)
                tell(len(found), wanted.trials)
            # what exceeds a limit is ordered by how much, whatever its values
            study.tell(trial, [0.0, 0.0] if excess else [found[name], costs.value(name)])
    return found


@contextmanager
def _study(seed: int, population: int) -> Iterator[Any]:
    """An Optuna study in memory that says nothing: accuracy up, cost down.

    Raises:
        SpecError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise SpecError(
            "a pool with more students than trials is searched by Optuna, which is not installed: pip install 'didact[search]'"
        ) from None
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        sampler = optuna.samplers.NSGAIISampler(population_size=population, seed=derive(seed, "search") % 2**32)
        yield optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    finally:
        optuna.logging.set_verbosity(before)
