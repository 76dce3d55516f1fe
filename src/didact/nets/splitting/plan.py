"""How a network is divided, without the network: any other of the same structure can be divided in
the same way, untraced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import fx, nn

from didact.nets.blocks import BlockNet
from didact.nets.dry import Shape
from didact.nets.splitting import classifier
from didact.nets.splitting.activations import activates
from didact.nets.splitting.carving import carve
from didact.nets.splitting.flow import Flow
from didact.nets.splitting.layout import Layout, layout
from didact.nets.splitting.names import own_names
from didact.nets.splitting.parts import Cut, CutHead, Operations, Written, write
from didact.nets.splitting.points import Point
from didact.nets.splitting.whole import ROOT, Whole


@dataclass(frozen=True)
class Plan:
    """The parts of a network.

    Attributes:
        stem: None where the images enter the first block.
        blocks: up to the value before the last activation, and that activation, if any.
        head: up to what the last layers read, and from there to the logits.
        classes: number of logits.
    """

    stem: Written | None
    blocks: tuple[tuple[Written, Written | None], ...]
    head: tuple[Written, Written]
    classes: int

    def build(self, model: nn.Module) -> BlockNet:
        """``model``, which has the structure that the plan was made from, as a BlockNet that shares
        its parameters.
        """
        whole = Whole(model)
        stem = nn.Identity() if self.stem is None else Operations(whole, self.stem)
        row = [
            (str(number), Cut(Operations(whole, body), None if act is None else Operations(whole, act)))
            for number, (body, act) in enumerate(self.blocks, 1)
        ]
        net = BlockNet(stem, row, CutHead(*(Operations(whole, part) for part in self.head)))
        _hold_rest(whole, net)
        return net

    def learned(self, net: BlockNet) -> Plan:
        """The plan with what was found out about the parts of ``net``, which was built by it."""
        written = iter([part.written for part in operations(net)])
        stem = None if self.stem is None else next(written)
        blocks = tuple((next(written), None if act is None else next(written)) for _, act in self.blocks)
        return replace(self, stem=stem, blocks=blocks, head=(next(written), next(written)))


def operations(net: BlockNet) -> Iterator[Operations]:
    """The parts of a network that was split, in order."""
    return (part for part in net.modules() if isinstance(part, Operations))


def planned(whole: Whole, known: Flow, stem: Point | None, ends: list[Point], image: Shape) -> Plan:
    """The parts between the cuts, with the classifier's part of its own."""
    borrowed: set[fx.Node] = set()
    start, takes = next(node for node in known.nodes if node.op == "placeholder"), Layout(grid=(image[1], image[2]))
    first: Written | None = None
    if stem is not None:
        first = _part(whole, known, start, takes, known.nodes[stem.index], stem.layout, borrowed)
        start, takes = known.nodes[stem.index], stem.layout
    row: list[tuple[Written, Written | None]] = []
    for end in ends:
        node = known.nodes[end.index]
        row.append(_block(whole, known, start, takes, node, end.layout, borrowed))
        start, takes = node, end.layout
    head = _head(whole, known, start, takes, image, borrowed)
    logits = known.shapes[known.nodes[-1].args[0]]  # type: ignore[index]
    tied = bool(borrowed) or whole.sized
    if tied and first is not None:
        first = replace(first, only=tuple(image))
    elif tied:
        row[0] = (replace(row[0][0], only=tuple(image)), row[0][1])
    return Plan(first, tuple(row), head, logits[0])


def _part(
    whole: Whole, known: Flow, start: fx.Node, takes: Layout, stop: fx.Node, gives: Layout, borrowed: set[fx.Node]
) -> Written:
    nodes = known.nodes[known.index[start] + 1 : known.index[stop] + 1]
    return write(whole, carve(known, nodes, [stop], [start], borrowed), takes, gives)


def _block(
    whole: Whole, known: Flow, start: fx.Node, takes: Layout, stop: fx.Node, gives: Layout, borrowed: set[fx.Node]
) -> tuple[Written, Written | None]:
    """From ``start`` to ``stop``; its last activation apart, where that shares no parameters with
    what comes before.
    """
    before = stop.all_input_nodes[0]
    entries = known.state[stop]
    inner = known.nodes[known.index[start] + 1 : known.index[stop]]
    apart = not entries or (gives.kind == "map" and not any(entries & known.state[node] for node in inner))
    if not (activates(stop, whole) and apart and known.index[before] > known.index[start] and before in known.shapes):
        return _part(whole, known, start, takes, stop, gives, borrowed), None
    act = write(whole, carve(known, [stop], [stop], [before], borrowed), Layout(), Layout())
    return _part(whole, known, start, takes, before, gives, borrowed), act


def _head(
    whole: Whole, known: Flow, start: fx.Node, takes: Layout, image: Shape, borrowed: set[fx.Node]
) -> tuple[Written, Written]:
    reads = classifier.pooled(whole, known, known.index[start])
    read = layout(known.shapes[reads[0]], image, takes.grid) or Layout()
    needed, ahead = set(), [node for node in reads if node is not start]
    while ahead:
        node = ahead.pop()
        needed.add(node)
        ahead += [source for source in node.all_input_nodes if source is not start and source not in needed]
    first = min(known.index[node] for node in reads)
    inner = known.nodes[known.index[start] + 1 : -1]
    body = [node for node in inner if node in needed or known.index[node] < first]
    rest = [node for node in inner if node not in set(body)]
    logits = known.nodes[-1].args[0]
    assert isinstance(logits, fx.Node)
    gives = Layout() if read.kind == "vector" else read
    return (
        write(whole, carve(known, body, reads, [start], borrowed), takes, gives),
        write(whole, carve(known, rest, [logits], reads, borrowed), read, Layout()),
    )


def _hold_rest(whole: Whole, net: BlockNet) -> None:
    """Give every entry of the network's state dict a place: second names of a tensor with the
    first, what is never read last.
    """
    parts = list(operations(net))
    homes = {id(tensor): part for part in parts for tensor in part.state_dict(keep_vars=True).values()}
    held = set(own_names(net).values())
    for name, tensor in whole.net.state_dict(keep_vars=True).items():
        if name not in held:
            homes.get(id(tensor), parts[-1]).hold(whole, f"{ROOT}.{name}", name)
    own_modules = set(whole.modules())
    for part in net.modules():
        if part not in own_modules:
            part.training = whole.net.training
