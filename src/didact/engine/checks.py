"""Whether a method gives what it should: named scalar terms, logits, scalars. Looked at in the first
step of an epoch, from shapes alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from didact.method import Method
from didact.spec import SpecError


def check_terms(method: Method, terms: object) -> None:
    """Whether ``terms`` are what a method should give: named scalar tensors, of which one at least
    has a gradient.

    Raises:
        SpecError: they are not; the message names the method and the term.
    """
    name = method.name()
    if not isinstance(terms, dict) or not terms:
        given = "an empty dict" if isinstance(terms, dict) else f"a value of type {type(terms).__name__}"
        raise SpecError(f'{name}: its terms are {given}; terms are a dict of named scalars, such as {{"ce": loss}}')
    for key, term in terms.items():
        if not isinstance(key, str):
            raise SpecError(f"{name}: its term {key!r} has no name; the keys of the dict are texts")
        if not isinstance(term, Tensor):
            raise SpecError(f"{name}: its term '{key}' is a {type(term).__name__}; a term is a scalar tensor")
        if term.dim():
            raise SpecError(
                f"{name}: its term '{key}' has the shape {tuple(term.shape)}; a term is a scalar, so take its mean"
            )
    if not any(term.requires_grad for term in terms.values()):
        listed = ", ".join(f"'{key}'" for key in terms)
        raise SpecError(f"{name}: none of its terms ({listed}) has a gradient; compute them from context.own")


def check_metrics(method: Method, figures: Mapping[str, Tensor], dimensions: int) -> None:
    """Whether ``figures`` are what :meth:`Method.metrics` should give: logits (b, k), or scalars at
    the end of an epoch.

    Raises:
        SpecError: they are not; the message names the method and the figure.
    """
    for key, value in figures.items():
        if value.dim() != dimensions:
            expected = (
                "logits (b, k)" if dimensions else "a scalar at the end of an epoch; return logits at the other moments"
            )
            raise SpecError(f"{method.name()}: its metric {key!r} has the shape {tuple(value.shape)}; expected {expected}")
