"""What the teachers of a store answer on their training images, and how well their students learn from it, as a Markdown table.

    DIDACT_DATA=... python benchmarks/teacher_answers.py STORE --epochs 240 > benchmarks/results/teacher-answers.md

A row is a teacher: its accuracy on its training images (without augmentation, in evaluation mode) and on the test set, the mean
entropy of its softmax in nats at temperatures 1 and 4 on both, and the mean accuracy of its students by each method, with their
number. Students differ in their seeds only; every other difference makes a column of its own.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import dataclass
from statistics import mean, stdev

import torch
from torch import Tensor, nn

from didact.data import Dataset, evaluation_batches, load
from didact.runs.labels import row_label, teacher_label
from didact.runs.run import Run
from didact.store.record import Record
from didact.store.store import Store

Students = dict[str, list[float]]


def entropy(logits: Tensor, temperature: float) -> float:
    """Mean entropy of softmax(logits / temperature), in nats."""
    log_p = (logits.double() / temperature).log_softmax(1)
    return -(log_p.exp() * log_p).sum(1).mean().item()


@dataclass(frozen=True)
class Answers:
    """Accuracy in percent, and mean entropies in nats at temperatures 1 and 4."""

    accuracy: float
    entropy: float
    softened: float

    @property
    def cells(self) -> list[str]:
        return [f"{self.accuracy:.1f}", f"{self.entropy:.2f}", f"{self.softened:.2f}"]


def answers(net: nn.Module, dataset: Dataset, part: str) -> Answers:
    """What ``net`` answers on the training or the test images."""
    split = dataset.train if part == "train" else dataset.test
    logits, labels = [], []
    with torch.no_grad():
        for batch in evaluation_batches(dataset, split):
            logits.append(net(batch.images).float())
            labels.append(batch.labels)
    whole = torch.cat(logits)
    accuracy = 100 * (whole.argmax(1) == torch.cat(labels)).double().mean().item()
    return Answers(accuracy, entropy(whole, 1), entropy(whole, 4))


def taught(store: Store, epochs: int | None) -> tuple[dict[str, Run], dict[str, Students]]:
    """Teachers with students, by digest, and the test accuracies of these by method."""
    teachers: dict[str, Run] = {}
    students: dict[str, Students] = defaultdict(lambda: defaultdict(list))
    finished: list[tuple[Run, Record]] = [(run, record) for run, record in store.runs() if run.teacher is not None]
    for run, record in finished:
        assert run.teacher is not None
        if epochs is None or run.recipe.epochs == epochs:
            teachers[run.teacher.digest] = run.teacher
            students[run.teacher.digest][f"{run.net} {row_label(run)}"].append(record.final()["test_top1"])
    return teachers, students


def accuracy(values: list[float]) -> str:
    spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
    return f"{mean(values):.2f}{spread} ({len(values)})" if values else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store")
    parser.add_argument("--epochs", type=int, help="of the students; by default all")
    options = parser.parse_args()
    store = Store(options.store)
    teachers, students = taught(store, options.epochs)
    labels = sorted({label for row in students.values() for label in row})
    head = ["teacher", "epochs", "train", "entropy", "T 4", "test", "entropy", "T 4", *labels]
    print(f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", sep="\n")
    for digest, teacher in sorted(teachers.items(), key=lambda item: (item[1].data.label, teacher_label(item[1]))):
        net, _ = store.load(teacher)
        dataset = load(teacher.data)
        shown = [cell for part in ("train", "test") for cell in answers(net.eval(), dataset, part).cells]
        cells = [accuracy(students[digest].get(label, [])) for label in labels]
        print(f"| {' | '.join([teacher_label(teacher), str(teacher.recipe.epochs), *shown, *cells])} |", flush=True)


if __name__ == "__main__":
    main()
