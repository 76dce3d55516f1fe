"""Whether a run can work, found out without training: everything is built once, without memory."""

from __future__ import annotations

from contextlib import nullcontext

from torch import nn

from didact.data import apart, epoch_batches, facts
from didact.data.augment import check_views
from didact.data.erasing import check_erasing
from didact.data.rand_augment import check_changes
from didact.nets.blocks import BlockNet, parameters
from didact.nets.shown import bare
from didact.runs.build import begin, extras, network, pair, placeholders, unquantised
from didact.runs.foreign import formed, involved
from didact.runs.given import tensors
from didact.runs.rehearsal import rehearse
from didact.runs.run import Run
from didact.spec import SpecError
from didact.spec.foreign import running


def check(run: Run, memory: int | None = None) -> list[str]:
    """Build everything once without training, so that what cannot work says so now.

    Args:
        memory: bytes that the device has; None where they do not matter.

    Returns what to tell of a run that can work: the parts of its method that will teach it nothing,
    how a file of weights fits, and which networks of one's own answer by chance.

    Raises:
        SpecError: the network, the method and the teacher do not fit, or a term of the method can
            teach nothing; the message says which run, and why.
    """
    mine = ", ".join(involved(run))
    built = running(mine, "while it is built") if mine else nullcontext()
    try:
        _check_images(run)
        _check_steps(run)
        with formed(run), built:
            teacher = network(run.teacher) if run.teacher else None
            net = network(run)
            two = pair(run, net, teacher, placeholders(run, 2))
            added = extras(run, two)
            idle = run.method.idle(two)
            _check_bits(run, net, added)
            if run.teacher is not None:
                _check_teacher(run.teacher)
            notes = _check_start(run, net)
        moving = [f"net.{k}" for k, _ in net.named_parameters()] + [f"extras.{k}" for k, _ in added.named_parameters()]
        for stage in run.method.stages():
            if not any(name.startswith(prefix) for name in moving for prefix in stage.moves):
                raise ValueError(f"its stage '{stage.name}' moves no parameter")
        if memory is not None:
            _check_memory(run, parameters(net) + parameters(added), parameters(teacher) if teacher else 0, memory)
        if run.given is None:
            notes += rehearse(run)
        for part in idle:
            if part.whole:
                raise ValueError(part.why)
        return [*notes, *(f"{run.label}: {part.why}" for part in idle)]
    except ValueError as error:
        raise SpecError(f"{run.label}: {error}") from None


def _check_images(run: Run) -> None:
    """The images have the shape that the method's views need, and are like those that the teacher
    was trained on.
    """
    views = run.method.needs.views.union(*(s.needs.views for s in run.method.stages() if s.needs))
    check_views(views, facts(run.data).image)
    if run.data.randaugment is not None:
        check_changes(facts(run.data).image, views)
    if run.data.erase is not None:
        check_erasing(views)
    teacher = run.teacher
    difference = apart(teacher.data, run.data) if teacher is not None else None
    if teacher is not None and difference is not None:
        raise ValueError(
            f"its teacher {teacher.label} is trained on {teacher.data.label}, so it cannot be shown {run.data.label} "
            f"({difference}); train both on the same data set and the same classes"
        )


def _check_steps(run: Run) -> None:
    """A step of the optimiser takes no more batches than an epoch has."""
    batches = epoch_batches(run.data, run.recipe.batch_size)
    if run.recipe.accumulate > batches:
        raise ValueError(
            f"recipe.accumulate: a step takes {run.recipe.accumulate} batches, and an epoch of {run.data.label} has {batches} "
            f"of {run.recipe.batch_size} images; write {batches} or less"
        )


def _check_memory(run: Run, trained: int, frozen: int, memory: int) -> None:
    """The weights of a network and its teacher fit into memory while it is trained, without any
    activation.
    """
    size = 4 * (run.recipe.copies * trained + frozen)
    if size > memory:
        raise ValueError(
            f"the {trained:,} parameters of {run.net} and of what '{run.method.name()}' adds take {size / 1e9:,.1f} GB "
            f"while they are trained, the device has {memory / 1e9:,.1f} GB of memory; take a smaller network"
        )


def _check_teacher(run: Run) -> None:
    """An assistant teaches with its net, so its method must hand on that net."""
    net = network(run)
    master = network(run.teacher) if run.teacher else None
    if run.method.deployed(extras(run, pair(run, net, master, placeholders(run, 2))), net) is not net:
        raise ValueError(
            f"its teacher {run.label} learns by '{run.method.name()}', which hands on another network than {run.net}; "
            "a teacher learns by a method that keeps its network, such as kd"
        )


def _check_bits(run: Run, net: BlockNet, added: nn.Module) -> None:
    """In 8 bits the network that is handed on is the one that is trained so."""
    if run.recipe.bits == 8 and run.method.deployed(added, net) is not net:
        raise ValueError(
            f"recipe.bits: the method '{run.method.name()}' hands on another network than {run.net}, with parts that are not "
            "trained in 8 bits; write another method, such as kd or fitnet+kd, or export this one with --bits 8"
        )


def _check_start(run: Run, net: BlockNet) -> list[str]:
    """Whether the weights fit that the run is given or begins with, from a file or a run. Returns
    what to tell of a file.
    """
    file = run.given or (run.start.file if run.start is not None else None)
    if file is not None:
        return tensors(bare(unquantised(run)), run.net, file, facts(run.data).classes, fresh=run.given is None)[1]
    source = run.start.run if run.start is not None else None
    if run.start is None or source is None:
        return []
    donor = network(source)
    if run.start.part != "net":
        donor_teacher = network(source.teacher) if source.teacher else None
        added = extras(source, pair(source, donor, donor_teacher, placeholders(source, 2)))
        begin(net, {f"extras.{k}": v for k, v in added.state_dict().items()}, run.start.part)
    else:
        begin(net, {f"net.{k}": v for k, v in donor.state_dict().items()}, "net")
    return []
