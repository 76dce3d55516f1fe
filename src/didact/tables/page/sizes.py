"""Accuracy against size, with the networks that no other one beats in both, and with the memory of
devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from didact.data import facts
from didact.deploy.catalogue import DEVICES
from didact.deploy.fit import Footprint, fit, footprint
from didact.runs.labels import recipe_label, row_labels
from didact.runs.spread import Sample
from didact.spec import clean
from didact.store.store import Store
from didact.tables import fit as fit_tables
from didact.tables.page.parts import Part, Section, key_of
from didact.tables.page.picture import Axis, Dot, Dots, Picture, Rule
from didact.tables.page.trained import Trained, how, net_title
from didact.tables.table import Table

BITS = 8
"""Bit width of weights and activations in the picture."""

NEAR = 30.0
"""A device is in the picture if its memory is at most so many times the largest network's."""

FRONT, OTHERS = "Pareto front", "others"


@dataclass(frozen=True)
class _Sized:
    """Runs over seeds that deploy the same network.

    Attributes:
        name: network and training.
        need: what the network takes.
        accuracy: test accuracy over seeds.
    """

    name: str
    need: Footprint
    accuracy: Sample

    @property
    def bytes(self) -> int:
        """Weights and activations."""
        return self.need.weights(BITS) + self.need.activations(BITS)

    @property
    def mean(self) -> float:
        """Of the accuracy, without the noise of its last digits, so that equal networks are equal."""
        return round(self.accuracy.mean or 0.0, 9)

    def beats(self, other: _Sized) -> bool:
        """Whether this one is at least as small and as accurate as ``other``, and not its equal."""
        own, its = (self.bytes, -self.mean), (other.bytes, -other.mean)
        return own != its and own[0] <= its[0] and own[1] <= its[1]


def section(store: Store, trained: Sequence[Trained]) -> Section:
    """A picture for each data set and recipe with at least two sizes, and which devices hold each
    network."""
    groups: dict[tuple[str, str], list[_Sized]] = {}
    known: dict[object, Footprint | None] = {}
    for members in _alike(trained):
        run = members[0].run
        need = _footprint(store, members[0], known)
        if need is not None:
            sample = Sample(tuple(one.top1 for one in members))
            sized = _Sized(f"{net_title(run)}: {how(run)}", need, sample)
            groups.setdefault((run.data.label, recipe_label(run)), []).append(sized)
    pictures = [
        Picture(key_of("size", str(at + 1)), f"{data} ({recipe})", (_panel(members),), _NOTE)
        for at, ((data, recipe), members) in enumerate(groups.items())
        if len({one.need for one in members}) > 1
    ]
    if not pictures:
        return Section("size", "Size and accuracy", ())
    held = [replace(table, title="Memory of the networks, and devices that hold them") for table in _held(groups.values())]
    parts: list[Part] = [*pictures, *held]
    text = "What a network takes on a device, and what it is worth: small and accurate is at the top left."
    return Section("size", "Size and accuracy", tuple(parts), text)


_NOTE = (
    f"Size: weights and the largest activations for one image, both in {BITS} bit. Vertical lines: the memory of devices that "
    "hold both in it; the tables below name all devices. The front joins the networks that no other one beats; equal ones are "
    "all on it."
)


def _alike(trained: Sequence[Trained]) -> Iterator[list[Trained]]:
    """Finished runs that differ in their seed only."""
    groups: dict[tuple[str, ...], list[Trained]] = {}
    rows = row_labels(one.run for one in trained)
    for one in trained:
        if one.top1 is not None:
            run = one.run
            teacher = run.teacher.digest if run.teacher is not None else ""
            groups.setdefault((run.net, rows[run.digest], teacher, run.data.label, recipe_label(run)), []).append(one)
    yield from groups.values()


def _footprint(store: Store, one: Trained, known: dict[object, Footprint | None]) -> Footprint | None:
    """What the deployed network takes; None, with a message, if it cannot be built."""
    run = one.run
    teacher = run.teacher.net if run.teacher is not None else ""
    about = facts(run.data)
    key = (run.net, run.method.name(), teacher, about.image, about.classes)
    if key not in known:
        try:
            known[key] = footprint(store.deployed(run), about.image)
        except (ValueError, LookupError, OSError, RuntimeError) as error:
            store.once(f"the size of {clean(run.label)} is not known: {error}")
            known[key] = None
    return known[key]


def _panel(members: Sequence[_Sized]) -> Dots:
    ordered = sorted(members, key=lambda one: (one.bytes, -one.mean))
    dots = [
        Dot(one.name, OTHERS if any(each.beats(one) for each in ordered) else FRONT, one.bytes, one.mean, one.accuracy.std)
        for one in ordered
    ]
    largest = ordered[-1].bytes
    shared = [device for device in DEVICES if device.weight_memory is None and device.executes(BITS)]
    rules = tuple(Rule(device.name, device.memory) for device in shared if device.memory <= NEAR * largest)
    x = Axis(f"bytes of weights and activations, {BITS} bit", log=True)
    return Dots("size and accuracy", x, Axis("test accuracy (%)"), tuple(dots), frozenset({FRONT}), rules)


def _held(groups: Iterable[list[_Sized]]) -> list[Table]:
    """Every different network of the groups in 8 and 32 bit, with the verdict of every device."""
    found: dict[tuple[str, Footprint], None] = {}
    for members in groups:
        for one in members:
            found.setdefault((one.name.partition(":")[0], one.need))
    return fit_tables.tables([fit(name, need, bits, DEVICES) for name, need in found for bits in (BITS, 32)])
