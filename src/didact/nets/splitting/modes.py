"""The graphs of a network in training and in eval mode, as one."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn

from didact.nets.splitting.whole import ROOT, Whole, constant, stack


def difference(training: fx.Graph, evaluating: fx.Graph, whole: Whole) -> nn.Module | None:
    """The module in which the graphs part; None where they are the same but for flags.

    A flag that is the mode itself (or its opposite) in both graphs is read at run time afterwards,
    in ``evaluating``.
    """
    pairs = dict(zip(training.nodes, evaluating.nodes, strict=False))
    flags: list[tuple[fx.Node, bool]] = []
    for a, b in pairs.items():
        flags.clear()
        alike = ((a.op, a.target) == (b.op, b.target) or _same_constant(a, b, whole)) and _alike(
            a.args, b.args, pairs, flags
        )
        alike = alike and _alike(a.kwargs, b.kwargs, pairs, flags)
        if not alike:
            return _owner(a, b, whole)
        if flags:
            _follow_mode(evaluating, b, a)
    return None


def _same_constant(a: fx.Node, b: fx.Node, whole: nn.Module) -> bool:
    if not (constant(a) and constant(b)):
        return False
    first, second = getattr(whole, str(a.target)), getattr(whole, str(b.target))
    return first.dtype == second.dtype and torch.equal(first, second)


def _alike(a: Any, b: Any, pairs: dict[fx.Node, fx.Node], flags: list[Any]) -> bool:
    if isinstance(a, fx.Node):
        return pairs.get(a) is b
    if type(a) is not type(b):
        return False
    if isinstance(a, bool) and a is not b:
        flags.append(a)
        return True
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_alike(a[key], b[key], pairs, flags) for key in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(_alike(x, y, pairs, flags) for x, y in zip(a, b, strict=True))
    if isinstance(a, slice):
        return all(_alike(getattr(a, k), getattr(b, k), pairs, flags) for k in ("start", "stop", "step"))
    return bool(a == b) or a is b


def _follow_mode(graph: fx.Graph, node: fx.Node, training: fx.Node) -> None:
    """Let the flags of ``node`` that differ from those of ``training`` follow the mode of the part
    that runs it.
    """

    def merged(a: Any, b: Any) -> Any:
        if isinstance(b, bool) and a is not b:
            with graph.inserting_before(node):
                flag = graph.create_node("get_attr", "training")
                return flag if a else graph.call_function(operator.not_, (flag,))
        if isinstance(b, dict):
            return {key: merged(a[key], b[key]) for key in b}
        return type(b)(merged(x, y) for x, y in zip(a, b, strict=True)) if isinstance(b, tuple | list) else b

    node.args = merged(tuple(training.args), tuple(node.args))
    node.kwargs = merged(dict(training.kwargs), dict(node.kwargs))


def _owner(a: fx.Node, b: fx.Node, whole: Whole) -> nn.Module:
    """The innermost module with a forward of its own that one of two different operations is called
    from.
    """
    callers = (_callers(node) for node in (a, b))
    path = max(callers, key=len, default=(ROOT,))
    return whole.get_submodule(path[-1].partition("@")[0]) if path else whole.net


def _callers(node: fx.Node) -> tuple[str, ...]:
    calls = stack(node)
    return calls[:-1] if node.op == "call_module" else calls
