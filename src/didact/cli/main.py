"""The commands.

Exit codes: 0 success, 1 failure (of a run, of a disk that is full or read-only), 2 wrong request (before any training),
130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.metadata import entry_points

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter, UnusedCliTokensError, ValidationError

from didact import __version__, streams
from didact.cli import failures
from didact.cli.leaving import leave
from didact.cli.options import here
from didact.engine.threads import wait_passively
from didact.files.disk import UnwritableError, refusal
from didact.files.reading import DamagedError
from didact.launcher import follows, place
from didact.spec import RequestError

app = App(
    name="didact",
    version=__version__,
    help="Student-aware knowledge distillation: train teachers that teach, distil from them, compare.",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(validator=here),
)


# every command is imported when it runs

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    with streams.prepared():
        with streams.silent() if follows() else nullcontext():  # the first process talks
            try:
                message, code = _answered(list(sys.argv[1:] if arguments is None else arguments))
            except Exception as error:
                failures.leave_for_torchrun(f"{type(error).__name__}: {error}")
                raise
        try:
            sys.stdout.flush()
        except OSError as error:
            message, code = refusal(error), 1
        if message:
            failures.leave_for_torchrun(message)
        if message and not (follows() and code != 1):  # what all refuse, and Ctrl-C, one says
            streams.say(f"didact: {_speaker()}{message}", to_stderr=True)
        return code


def _speaker() -> str:
    """Which of the processes of torchrun it is that says something; nothing for the only one."""
    own = place()
    return f"process {own.rank} of {own.size}: " if own.size > 1 else ""


def _answered(arguments: list[str]) -> tuple[str, int]:
    """Run the command line. What stopped it, nothing where nothing did, and the exit code. A failure after a signal
    to end it is the signal's.
    """
    failures.forget_signals()
    try:
        message, code = _outcome(arguments)
    except Exception:
        if failures.caught() is None:
            raise
        message, code = "", 1
    signal = failures.caught()
    if code == 0 or signal is None:
        return message, code
    return failures.interrupted(signal, failures.trains(arguments))


def _outcome(arguments: list[str]) -> tuple[str, int]:
    """As of :func:`_answered`.

    It is said later: an error that is caught holds on to all that the command had in memory, and
    there may be none left.
    """
    # Networks and methods of one's own are found in the working directory. It comes last, so that a
    # file there called like a library (rich.py) is not imported instead of it.
    if "" not in sys.path:
        sys.path.append("")
    try:
        _add_commands_of_others(arguments)
        if arguments[:1] == ["train"] and {"--help", "-h"} & set(arguments):
            from didact.cli.settings import settings_help

            app["train"].help_epilogue = settings_help()
        return "", app(arguments, exit_on_error=False, print_error=False, result_action="return_value") or 0
    except RequestError as error:
        return f"{error}{_meant(arguments, error)}", 1 if isinstance(error, UnwritableError) else 2
    except MissingArgumentError as error:
        return failures.shortened(failures.missing(error)), 2
    except UnusedCliTokensError as error:
        return failures.shortened(failures.unused(error)), 2
    except ValidationError as error:
        return failures.shortened(failures.invalid(error)), 2
    except CycloptsError as error:
        return failures.shortened(str(error)), 2
    except KeyboardInterrupt as error:
        return failures.interrupted(error, failures.trains(arguments))
    except DamagedError as error:
        return f"{error}; 'didact runs gc --verify' shows which runs of a store are damaged", 1
    except OSError as error:
        return refusal(error), 1
    except (MemoryError, RuntimeError, ImportError) as error:
        message = failures.short_of_memory(error, failures.trains(arguments))
        if message is None:
            raise
        return message, 1


def _meant(arguments: list[str], error: RequestError) -> str:
    """What is said of an option that was taken for a setting, because it is misspelt."""
    if "no such setting" not in str(error):
        return ""
    options = [name for one in app[arguments[0]].assemble_argument_collection() for name in one.names]
    return failures.misspelt(arguments[1:], options)


def _add_commands_of_others(arguments: list[str]) -> None:
    """Commands that installed packages declare as entry points of the group ``didact.commands``,
    where the name is free.

    Packages are looked through for the help and for an unknown command only: that takes longer than
    to start.
    """
    if arguments and not arguments[0].startswith("-") and arguments[0] in app:
        return
    for point in entry_points(group="didact.commands"):
        if point.name not in app:
            app.command(point.load(), name=point.name)


def entry() -> None:
    """The console script."""
    wait_passively()
    streams.occupied()
    failures.heed_signals()
    leave(main())
