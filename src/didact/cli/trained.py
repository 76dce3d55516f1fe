"""What ``didact search --trained`` prints: how well a supernet predicts the students that were trained."""

from __future__ import annotations

from didact.cli import answer, front
from didact.report.text import print_rows
from didact.request.command import command
from didact.runs.labels import teacher_label
from didact.runs.run import Run
from didact.runs.spread import text
from didact.search.correlation import LEAST, Correlation, rank_correlation
from didact.search.predict import Predictor
from didact.spec import SpecError
from didact.store.store import Store
from didact.streams import say

PROPOSED = 8
"""Students that are proposed for training where too few were."""

COVERS = """\
predicted: with the supernet's weights, on {images:,} validation images. trained: test accuracy, mean and standard deviation over
seeds. tau (Kendall) and rho (Spearman): 1 the same order, 0 unrelated, -1 reversed. p: how often a random order has a tau as far
from 0. tau of size: of the numbers of parameters and the test accuracies; a prediction that is not above it tells no more than
size."""


def report(store: Store, teacher: Run, images: int, device: str, as_json: bool) -> None:
    """Print predicted beside trained.

    Raises:
        SpecError: fewer than three students of the pool were trained in one way; it says how to train some.
    """
    predictor = Predictor(store, teacher, images, device)
    found = rank_correlation(predictor, store)
    if not found:
        raise SpecError(
            f"{store.root} has no {LEAST} students of the pool ({predictor.pool.label}) that were trained in the same way on the "
            f"images of {teacher.label} ({teacher.digest}), and fewer have no order; {_more(predictor)}"
        )
    if as_json:
        told = {"of": teacher.digest, "images": predictor.images_held, "guess": predictor.guess}
        answer.print_json(told | {"rank_correlation": [one.plain() for one in found]})
        return
    for one in found:
        if one.own:
            print_rows(*_students(one), one.trained)
    title = f"{teacher_label(teacher)}, {teacher.data.label}: students by prediction and when trained"
    print_rows(["students trained by", "students", "tau", "rho", "p", "tau of size"], [_row(one) for one in found], title)
    say(COVERS.format(images=predictor.images_held))
    best = max(student.predicted for one in found for student in one.students)
    names = {student.name for one in found for student in one.students}
    if predictor.at_chance(best, len(names)):
        say(front.warning(best, predictor.guess, predictor.images_held, teacher, store))
    elif not any(one.own for one in found):
        say(f"None of these were distilled from the teacher that predicts; {_more(predictor)}")


def _students(found: Correlation) -> tuple[list[str], list[list[str]]]:
    rows = []
    for one in found.students:
        spread = f" ± {one.std:.2f}" if one.std is not None else ""
        figures = text(one.predicted), f"{text(one.trained)}{spread}"
        rows.append([one.name, f"{one.parameters:,}", *figures, f"{one.seeds}"])
    return ["student", "parameters", "predicted (%)", "trained (%)", "seeds"], rows


def _row(found: Correlation) -> list[str]:
    return [found.trained, f"{len(found.students)}", *map(text, (found.tau, found.rho, found.p, found.by_size))]


def _more(predictor: Predictor) -> str:
    """What to run so that there are students to compare."""
    pool = predictor.pool
    if pool.size < LEAST:
        return f"the pool has {pool.size} in all, too few for this comparison"
    line = command(predictor.run, pool.draw(min(PROPOSED, pool.size), 0), predictor.store.root)
    return f"to train some from this teacher:\n    {line}" if line else "train some by Run(net=..., teacher=...) from Python"
