"""The note below a comparison of teachers: what its ±, n and differences are over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from didact.runs.run import Run
from didact.runs.spread import Sample, defined

STREAMS = "training seeds (initialisation and the learner's own random streams)"


def covers(
    runs: Sequence[Run],
    samples: Sequence[Sample],
    *,
    gains: Sequence[Sample],
    teachers: Mapping[str, Sample],
    bases: Mapping[str, str],
    similar: bool,
) -> str:
    """Explains the figures of a table: ±, n, differences, KL and CKA.

    Args:
        runs: the students' runs.
        samples: the students' figures.
        gains: their differences.
        teachers: by column, the teacher's accuracy over its seeds, which are several where the sample
            has several values.
        bases: by teacher, the one with which it is compared.
        similar: whether the table shows KL and CKA.
    """
    several = any(len(one.seeds) > 1 for one in teachers.values())
    return "".join(
        (
            _spread(runs, samples, gains, teachers, several=several, columns=bool(bases)),
            _compared(bases, several=several),
            _others(samples, similar=similar),
        )
    )


def _spread(
    runs: Sequence[Run],
    samples: Sequence[Sample],
    gains: Sequence[Sample],
    teachers: Mapping[str, Sample],
    *,
    several: bool,
    columns: bool,
) -> str:
    """What the ± is over, and what all runs have in common."""
    seeds = sorted({run.seed for run in runs})
    n = max((sample.n for sample in samples), default=0)
    own = "; that of the teacher is over its own seeds" if any(one.n > 1 for one in teachers.values()) else ""
    if n < 2:
        which = f"A single training seed ({seeds[0]})" if len(seeds) == 1 and not several else "Single figures of students"
        return f"{which}, so the spread is unknown{own}."
    over = f"students: {STREAMS} {_under(teachers)}" if several else STREAMS
    counts = {sample.n for sample in (*samples, *gains) if sample.n}, {one.n for one in teachers.values() if one.n}
    fewer = "; figures over fewer seeds show their n" if any(len(each) > 1 for each in counts) else ""
    same = f"Order and augmentation of the batches (data seed {runs[0].data_seed})"
    if any(run.teacher for run in runs) and not several:
        same += f" and the teacher{' of a column' if columns else ''}"
    return f"± is the sample standard deviation over n = {n} {over}{own}{fewer}. {same} are the same for all runs."


def _under(teachers: Mapping[str, Sample]) -> str:
    """The teachers' seeds; those of each column where they differ."""
    listed = {name: ", ".join(str(seed) for seed in one.seeds) for name, one in teachers.items()}
    if len(set(listed.values())) == 1:
        return f"under each of the teacher seeds {next(iter(listed.values()))}"
    apart = "; ".join(f"{seeds} of '{name}'" for name, seeds in listed.items())
    return f"under the teacher seeds {apart}"


def _compared(bases: Mapping[str, str], *, several: bool) -> str:
    """With what the teachers are compared; a space before it."""
    to = list(dict.fromkeys(bases.values()))
    if not to:
        return ""
    pairs = f"'{to[0]}'" if len(to) == 1 else ", ".join(f"'{base}' ({name})" for name, base in bases.items())
    seeds = "the seeds of teacher and student that both sides have" if several else "the seeds that both teachers have"
    return f" Differences are to {pairs}, over {seeds}."


def _others(samples: Sequence[Sample], *, similar: bool) -> str:
    """KL, CKA and what is not defined; a space before it."""
    alike = ""
    if similar:
        alike = (
            " KL(teacher || student) in nats and CKA of the pooled vectors, on the test set; similar networks have a low KL "
            "and a high CKA."
        )
    if any(not defined(value) for sample in samples for value in sample.values):
        alike += " '-' means unknown or undefined, such as the CKA of a network with the same output for every image."
    return alike
