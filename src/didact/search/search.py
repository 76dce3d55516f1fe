"""Searches a pool for its best students under limits: accuracy against cost, predicted on a generic
teacher's supernet.

The two objectives, high accuracy and low cost, are optimised by NSGA-II (Deb, Pratap, Agarwal,
Meyarivan: A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II (IEEE TEVC 2002),
https://doi.org/10.1109/4235.996017) as implemented in Optuna. Students that exceed a limit are
never predicted; the sampler only receives their excess. A pool with no more students than trials is
not sampled: all students within the limits are predicted.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from didact.data import facts
from didact.deploy.engine import check_installed
from didact.nets.supernet import Pool, Space
from didact.runs.run import Run
from didact.search import predict
from didact.search.costs import Costs, SearchSettings
from didact.search.pareto import Member, ParetoFront, front
from didact.search.predict import Predictor
from didact.seeds import derive
from didact.spec import SpecError, digest, installation, to_json
from didact.store.store import Store

VERSION = 1
"""Part of the key of stored results; raised when a search with the same settings gives another
result."""

PATIENCE = 10
"""Largest number of sampler suggestions for each trial; the search then ends, even with fewer
students."""

Tell = Callable[[int, int], None]
"""Progress callback: (number of predicted students, their largest number)."""


def search(
    store: Store,
    run: Run,
    settings: SearchSettings | None = None,
    device: str = "cpu",
    tell: Tell = lambda done, most: None,
) -> ParetoFront:
    """Search the pool of ``run``, a finished generic teacher (GTN). The result is stored with its
    Record.

    The same Record and the same settings give the same front, unless latencies are measured.

    Raises:
        UnsuitableError: a run that cannot be searched (:class:`didact.search.predict.Predictor`).
        SpecError: no student is within the limits, or Optuna, or a library of ``runtime``, is not
            installed.
        LookupError: the run has no Record.
    """
    settings = settings or SearchSettings()
    if settings.runtime == "onnx":
        check_installed("runtime")
    predictor = Predictor(store, run, settings.images, device)
    question = {"search": to_json(settings), "versions": [VERSION, predict.VERSION]}
    file = f"search-{digest(question)}"
    stored = predictor.results.get(file, question, lambda plain: ParetoFront.read(plain, settings))
    if stored is not None:
        return stored
    about = facts(run.data)
    costs = Costs(settings, about.classes, about.image, lambda name: predictor.latency(name, settings))
    accuracies = _predicted(predictor, costs, tell)
    students = [_member(name, accuracy, costs) for name, accuracy in accuracies.items()]
    members = front(students)
    others = tuple(student for student in students if student not in members)
    result = ParetoFront(run.digest, settings, members, others, predictor.pool.size, predictor.images_held, predictor.guess)
    predictor.results.put(file, question, result.plain())
    return result


def _member(name: str, accuracy: float, costs: Costs) -> Member:
    parameters, macs = costs.counts(name)
    time = costs.latency(name) if costs.search.timed else None
    return Member(name, accuracy, costs.value(name), parameters, macs, time)


# ------------------------------------------------------------------------------- students to
# predict


def _predicted(predictor: Predictor, costs: Costs, tell: Tell) -> dict[str, float]:
    """Predicted accuracies by name, of all students that were tried and are within the limits."""
    pool, most = predictor.pool, costs.search.trials
    if isinstance(pool, Space) and pool.size > most:
        _within(pool, [pool.smallest], costs)  # the smallest student has the lowest value of every cost
        return _sampled(pool, predictor, costs, tell)
    names = [pool.name(picks) for picks in itertools.product(*(range(len(d.options)) for d in pool.decisions))]
    students = _within(pool, names, costs)
    accuracies: dict[str, float] = {}
    for name in students:
        accuracies[name] = predictor.accuracy(name)
        tell(len(accuracies), len(students))
    return accuracies


def _within(pool: Space | Pool, names: Sequence[str], costs: Costs) -> list[str]:
    """The students among ``names`` that are within the limits.

    Raises:
        SpecError: there is none. The message names the student with the least excess, and its
            figures.
    """
    students = [name for name in names if not costs.excess(name)]
    if not students:
        nearest = min(names, key=lambda name: _total_excess(name, costs))
        faults = "\n".join(excess.text(nearest) for excess in costs.excess(nearest))
        raise SpecError(f"no student of the pool ({pool.label}) is within the limits; {nearest} is the nearest\n{faults}")
    return students


def _total_excess(name: str, costs: Costs) -> float:
    return sum((excess.share for excess in costs.excess(name)), 0.0)


def _sampled(pool: Space, predictor: Predictor, costs: Costs, tell: Tell) -> dict[str, float]:
    """Predicted accuracies by name, of students suggested by NSGA-II; the smallest and the largest
    come first."""
    settings, accuracies = costs.search, dict[str, float]()
    open_ = [d for d in pool.decisions if len(d.options) > 1]
    with _study(settings.seed, min(50, max(10, settings.trials // 8))) as study:
        for name in (pool.smallest, pool.largest):
            choices = zip(pool.decisions, pool.choice_indices(name), strict=True)
            study.enqueue_trial({d.name: d.options[index] for d, index in choices if d in open_})
        for _ in range(PATIENCE * settings.trials):
            if len(accuracies) >= settings.trials:
                break
            trial = study.ask()
            suggested = {d.name: d.options.index(trial.suggest_categorical(d.name, d.options)) for d in open_}
            name = pool.name([suggested.get(d.name, 0) for d in pool.decisions])
            excess = _total_excess(name, costs)
            trial.set_constraint("limits", excess)
            if not excess and name not in accuracies:
                accuracies[name] = predictor.accuracy(name)
                tell(len(accuracies), settings.trials)
            # the sampler orders students beyond a limit by their excess; their values do not matter
            study.tell(trial, [0.0, 0.0] if excess else [accuracies[name], costs.value(name)])
    return accuracies


@contextmanager
def _study(seed: int, population: int) -> Iterator[Any]:
    """An Optuna study in memory, without log output, that maximises accuracy and minimises cost.

    Raises:
        SpecError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise SpecError(
            f"a pool with more students than trials is searched by Optuna, which is not installed: {installation('search')}"
        ) from None
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        sampler = optuna.samplers.NSGAIISampler(population_size=population, seed=derive(seed, "search") % 2**32)
        yield optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    finally:
        optuna.logging.set_verbosity(before)
