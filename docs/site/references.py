"""What docstrings name is found as Python finds it: also by the package that hands it on, or without its module."""

from __future__ import annotations

import importlib
from typing import Any

from docutils import nodes
from sphinx.util.nodes import make_refnode

MISSING = object()


def resolved(app: Any, env: Any, node: Any, content: nodes.Node) -> nodes.Node | None:
    """A link to where the thing is documented; its name alone where it is not, as for other libraries. None, and thus a
    warning, where there is no such thing."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    for name in (target, f"{node.get('py:module')}.{target}", f"{node.get('py:module')}.{node.get('py:class')}.{target}"):
        thing = _imported(name)
        if thing is MISSING:
            continue
        home = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}".strip(".")
        known = env.domains["py"].objects
        entry = known.get(name) or known.get(home)
        if entry is None:
            return content
        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, target)
    return None


def _imported(name: str) -> Any:
    """The thing of this full name; also an annotated field. MISSING where there is none."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            thing: Any = importlib.import_module(".".join(parts[:count]))
        except (ImportError, ValueError):
            continue
        for part in parts[count:]:
            fields = getattr(thing, "__annotations__", {})
            thing = getattr(thing, part, fields.get(part, MISSING))
        return thing
    return MISSING


def setup(app: Any) -> dict[str, bool]:
    """Be asked where Sphinx itself finds nothing."""
    app.connect("missing-reference", resolved)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
