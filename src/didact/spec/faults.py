"""Messages about invalid values: the setting's path, what was expected, what was found, and the
nearest name."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

REPEATED = 100
"""Largest number of typed characters that a message repeats."""
HERE = "\x00"
"""Placeholder for the value's path in a validator's message, which is then complete; validators do
not know the path."""
LISTED = 60
"""Largest number of names that a message lists."""
SHORT_FORMS = {"lr": "learning_rate", "wd": "weight_decay", "bs": "batch_size", "tau": "temperature"}
"""What some settings are called elsewhere."""


class RequestError(ValueError):
    """A request that cannot be carried out. Raised before any training."""


class SpecError(RequestError):
    """An invalid specification: unknown name or key, wrong type, or conflicting values."""


def shown(value: Any) -> str:
    """``value`` in Python's notation (null, true and false in JSON's), cut after :data:`REPEATED`
    characters; what takes several lines there, such as a network, by its kind."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more than 4300 digits; lists thousands deep
        return "a number of thousands of digits" if isinstance(value, int) else f"a {type(value).__name__} too deep to show"
    if "\n" in text:
        return f"a value of the type {type(value).__name__}"
    return text if len(text) <= REPEATED else f"{text[: REPEATED - 20]}... ({len(text):,} characters)"


def check_kind(setting: str, value: Any, kinds: type | tuple[type, ...], expected: str) -> None:
    """Check that an argument is of one of ``kinds``, for those who call didact from Python.

    Raises:
        SpecError: it is not; ``expected`` says what is.
    """
    if not isinstance(value, kinds):
        raise SpecError(f"{setting}: {expected}, found {shown(value)}")


def check_word(setting: str, value: Any, words: Sequence[str]) -> None:
    """Check that a word is one of ``words``: a formula would take another for the last of them.

    Raises:
        SpecError: it is not; the message has all of them.
    """
    if value not in words:
        *first, last = map(repr, words)
        raise SpecError(f"{setting}: {', '.join(first)} or {last}, found {shown(value)}")


def closest(name: str, names: Iterable[str], most: int = 3, likeness: float = 0.6) -> list[str]:
    """The ``names`` that ``name`` may be a misspelling or a short form of, at most so many, the closest first.

    Args:
        likeness: the least share of letters in common, as difflib counts them.
    """
    by_letters: dict[str, list[str]] = {}
    for each in names:
        by_letters.setdefault(_letters(each), []).append(each)
    asked = _letters(name[:REPEATED])
    for exact in (asked, _letters(SHORT_FORMS.get(asked, ""))):
        if exact in by_letters:
            return by_letters[exact]
    alike = difflib.get_close_matches(asked, by_letters, n=most, cutoff=likeness)
    return [each for letters in alike for each in by_letters[letters]]


def _letters(name: str) -> str:
    return re.sub(r"[-_+. ]", "", name.lower())


def nearest(name: str, names: Iterable[str], deeper: Iterable[str] = ()) -> str:
    """``"; did you mean 'x'?"`` for the closest of ``names``, or all of them when none is close; nothing where there
    are none. A name that differs in signs and the size of letters only is the only one meant.

    Args:
        deeper: paths of settings further down that ``name`` may mean: they are said where they end with that very
            name, or where none of ``names`` is as near.
    """
    known, paths = sorted(names), list(deeper)
    same = [path for path in paths if _letters(path.rpartition(".")[2]) == _letters(name)]
    paths = same or ([] if closest(name, known, likeness=0.8) else paths)
    close = paths or closest(name, known, likeness=0.5)
    if close:
        return "; did you mean " + " or ".join(f"'{each}'" for each in close) + "?"
    return f"; known: {first_of(known, LISTED)}" if known else ""


def first_of(names: Sequence[str], most: int, between: str = ", ") -> str:
    """The first of the names, and how many more there are. One more would take the room of the name itself, so all
    are written where there is one more than ``most``."""
    rest = len(names) - most if len(names) > most + 1 else 0
    return between.join(names[: len(names) - rest]) + (f"{between.replace(',', '')}and {rest:,} more" if rest else "")


# ------------------------------------------------------------------------------------------------
# faults of a whole value


def explain(cls: Any, error: ValidationError, at: str) -> list[str]:
    """One line for each fault of a value that should be a ``cls``. ``at``: path before the keys."""
    lines = []
    for fault in error.errors(include_url=False):
        *parents, key = ["", *(str(part) for part in fault["loc"])]
        parents = [part for part in parents if part]
        path = ".".join(part for part in (at, *parents, key) if part)
        kind, context = fault["type"], fault.get("ctx", {})
        if kind in ("unexpected_keyword_argument", "extra_forbidden"):
            owner = type_at(cls, parents)
            names = [f.name for f in dataclasses.fields(owner)] if owner else []
            deeper = owner.deeper(key) if inspect.ismethod(getattr(owner, "deeper", None)) else []  # no field of that name
            meant = nearest(key, names, (path.removesuffix(key) + each for each in deeper))
            lines.append(f"{cut(path)}: no such setting{meant}")
        elif kind == "chosen":
            lines.append(under(path, context["faults"]))
        elif kind == "unexpected_positional_argument":
            first = dataclasses.fields(cls)[0].name
            lines.append(
                f"{cls.__name__} takes settings by name, such as {first}=..., no positional {shown(fault['input'])}"
            )
        elif kind.startswith("missing"):
            lines.append(f"{path}: is missing; it has no default" if path else "a setting is missing")
        elif kind in ("value_error", "assertion_error"):
            message = f"{context['error']}"
            if HERE in message:
                lines.append(message.replace(HERE, path))
                continue
            text = shown(fault["input"])
            if _is_plain(fault["input"]) and text not in message:
                message += f" (found {text})"
            owner = type_at(cls, [*parents, key] if key else [])
            inner = owner is not None and message.partition(":")[0] in (f.name for f in dataclasses.fields(owner))
            lines.append(f"{path}{'.' if inner else ': '}{message}" if path else message)
        else:
            message = f"expected {_expected(kind, context, type_at(cls, parents), key)} (found {shown(fault['input'])})"
            lines.append(f"{path}: {message}" if path else message)
    return lines


_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "too_short": "a list that is not empty",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "too_long": "at most {max_length} values",
    "string_too_long": "at most {max_length} characters",
    "literal_error": "{expected}",
}
"""Descriptions of expected values, by pydantic's kind of fault or the beginning of that kind."""


def _expected(kind: str, context: Mapping[str, Any], owner: Any, key: str) -> str:
    words = _EXPECTED.get(kind) or _EXPECTED.get(kind.partition("_")[0])
    if words is not None:
        return words.format(**{name: _limit(value) for name, value in context.items()})
    if kind.startswith(("tuple", "list")):
        return f"a list, such as {_example(owner, key)}"
    if kind.startswith("dataclass"):
        return f"settings by name, such as {_first(owner, key)}"
    return "another kind of value"


def _limit(value: Any) -> str:
    """A bound in short notation: 1000000, 1e+12."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _example(owner: Any, key: str) -> str:
    """The default of the list ``key`` of ``owner``, or a list of two numbers."""
    defaults = {field.name: field.default for field in dataclasses.fields(owner)} if owner else {}
    value = defaults.get(key)
    return json.dumps(value, separators=(",", ":")) if isinstance(value, tuple) and value else "[1,2]"


def _first(owner: Any, key: str) -> str:
    """The first setting of the spec that ``key`` of ``owner`` holds: {"epochs": ...}."""
    inner = type_at(owner, [key]) if owner is not None and key else owner
    return f'{{"{dataclasses.fields(inner)[0].name}": ...}}' if inner is not None else "{...}"


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, list, tuple))


# ------------------------------------------------------------------------------------------------
# paths


def clean(text: Any) -> str:
    """``text`` with unprintable characters, such as escape codes and line breaks, written as
    ``\\x1b``."""
    written = str(text)
    if written.isprintable():
        return written
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in written)


def clean_lines(text: Any) -> str:
    """Like :func:`clean`, but keeps line breaks."""
    return "\n".join(map(clean, str(text).split("\n")))


def plural(count: int, noun: str) -> str:
    """ "1 epoch", "2 epochs": a count and its noun, for nouns with a plural in -s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def cut(path: str) -> str:
    """A setting's path or a name, :func:`clean` and cut after :data:`REPEATED` characters."""
    path = clean(path)
    return path if len(path) <= REPEATED else f"{path[: REPEATED - 20]}... ({len(path):,} characters)"


def under(path: str, faults: str) -> str:
    """The lines of an error message, with ``path`` before their own paths."""
    return "\n".join(f"{path}.{line}" if _is_fault(line) else f"{path}: {line}" for line in faults.split("\n"))


def _is_fault(line: str) -> bool:
    """Whether ``line`` begins with a dotted path, as lines of a nested explanation do."""
    head, colon, _ = line.partition(": ")
    return bool(colon) and all(part.isidentifier() or part.isdigit() for part in head.split("."))


def type_at(cls: Any, path: Sequence[str]) -> Any:
    """The dataclass at ``path`` inside ``cls``, or None."""
    for key in path:
        if not dataclasses.is_dataclass(cls):
            return None
        hints = typing.get_type_hints(cls)
        inner = [hints.get(key), *typing.get_args(hints.get(key))]
        cls = next((t for t in inner if dataclasses.is_dataclass(t)), None)
    return cls if dataclasses.is_dataclass(cls) else None
