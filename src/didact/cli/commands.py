"""The commands, each with its help and where its code is. Every one is imported when it runs."""

from __future__ import annotations

from cyclopts import App, Parameter

from didact import __version__
from didact.cli.options import here

app = App(
    name="didact",
    version=__version__,
    help="Student-aware knowledge distillation: train teachers that teach, distil from them, compare.",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(validator=here),
)

app.command(
    "didact.cli.quickstart:quickstart",
    name="quickstart",
    help="""A small example: a standard and a student-friendly teacher, their students, a comparison.""",
)

app.command(
    "didact.cli.train:train",
    name="train",
    help="""Train the missing runs, teachers first, and show the results.

    didact train --net resnet8 --teacher.net resnet20 --teacher.method sftn --method kd,at+kd
    """,
)

app.command(
    "didact.cli.listings:list_",
    name="list",
    help="""What there is to choose from: nets, where they can be cut (cuts), pools, methods, data, devices, recipes, settings,
    studies; this machine; the runs in the store.

    didact list methods --net resnet8x4 --teacher resnet32x4 --data cifar100 also says what each adds to that pair.
    """,
)

app.command(
    "didact.cli.runs:app",
    name="runs",
    help="""The runs of a store: list, remove, clean up, carry elsewhere, annotate. Without a word: list.

    didact runs --where "data=cifar100 and method~kd" --sort=-top1
    """,
)

app.command(
    "didact.cli.methods:explain",
    help="""Explain a method: paper, formula, a command, settings with defaults, presets, inputs, stages.""",
)

app.command(
    "didact.cli.share:share",
    help="""A finished run leaves: its weights, what they are of, and a model card, as a folder or a tar, or to the hub of
    Hugging Face.

    --weights and --teacher.weights take such a folder again.
    """,
)

app.command(
    "didact.cli.export:export",
    help="""The network that a finished run deploys as a file for devices (ONNX, PyTorch, ExecuTorch, TFLite), in 32 or 8 bits,
    checked and measured on the test images by the runtime that is to run it.

    didact export 1f0c --bits 8 -o student.onnx
    """,
)

app.command(
    "didact.cli.predict:predict",
    help="""What a network says of images: classes with their probabilities. A file from didact export, a folder from
    didact share, or a run of the store.

    didact predict student.onnx cat.jpg dog.png --top 3
    didact predict 1f0c cat.jpg
    """,
)

app.command(
    "didact.cli.bench:bench",
    help="""Measure exported files side by side on this machine, by the runtime that runs them: size, memory, and the latency of
    a pass (median, 95th percentile). ONNX files of other libraries, too.

    didact bench student.onnx student8.onnx --threads 2
    """,
)

app.command(
    "didact.cli.show:show",
    help="""Show one run of the store: settings, environment, metrics, folder.""",
)

app.command(
    "didact.cli.advise:advise",
    help="""Which teacher to train, before anything is trained: standard, SFTN or GTN, by all trials so far and those in the
    store, and what each costs on this machine. Settings as in didact train, without --teacher.method.

    didact advise --net resnet8,resnet14 --teacher.net resnet20 --data cifar100 --epochs 240 --pilot 0.1
    """,
)

app.command(
    "didact.cli.compare:compare",
    help="""Compare teachers and methods: a table of all Records for each student, data and recipe. Trains nothing.""",
)

app.command(
    "didact.cli.study:study",
    help="""Train a paper's tables and print them with the published figures and a verdict for each cell. The same command
    continues or only prints. 'didact list studies' names all, and what each needs.

    didact study sftn-4 --scale small --seeds 3
    didact study crd --scale small --only pair=resnet20/resnet8/method=kd,crd --plan

    Settings of all: --scale digits|small|paper, --only, --method, --seeds, --teacher-seeds, --epochs, --data...,
    --recipe..., --teacher...; of sftn, crd and simkd: --pairs resnet20/resnet8. docs/studies.md lists all. One that would
    change nothing is refused.
    """,
)

app.command(
    "didact.cli.answers:answers",
    help="""The answers of teachers that --keep-answers has kept in a store, with their sizes; --drop removes them.

    didact answers --drop resnet32x4. drops those of every teacher that is a resnet32x4.
    """,
)

app.command(
    "didact.cli.fit:fit",
    help="""Compute the memory of networks by bit width, and which devices hold them. Trains nothing. With --files: the same of
    exported files, next to their size, accuracy and latency, as measured.

    In 8 bits scales are not counted: of 4 bytes for each output channel, or with didact export --weight-scales layer for
    each layer. The size of a file (--files) has them.

    didact fit --pool resnet8,resnet8x4,mobilenet_v2 --bits 8,32 --target ethos-n77,edge-tpu,raspberry-pi
    """,
)

app.command(
    "didact.cli.search:search",
    help="""Find the best students of a generic teacher's pool under limits: accuracy against cost, predicted on its supernet.

    didact search 1f0c --max-parameters 100000 --max-macs 2000000 --picture front.png
    """,
)

app.command(
    "didact.cli.look:look",
    help="""Compare a student with its teacher: divergence, agreement, calibration, classes, disagreement, similarity of layers.
    A run without a teacher, such as a standard teacher, needs --against, the run to compare it with.

    didact look 1f0c --layers --picture who.png also saves who-layers.png, who-reliability.png and who-disagreement.png.
    """,
)

app.command(
    "didact.cli.report:report",
    help="""Tables and interactive pictures of finished runs, or of a study, as one HTML file that needs no network.

    didact report 1f0c,77ab -o report.html --figures figures
    didact report sftn --table 4 --scale small
    didact report --serve
    """,
)

app.command(
    "didact.cli.probe:probe",
    help="""Transfer: accuracy of a linear classifier on other data, from the frozen features of finished runs.

    didact probe 1f0c,77ab --data stl10,tiny-imagenet --probe exact
    """,
)
