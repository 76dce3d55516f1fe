"""Settings from the command line: ``--a.b value`` and ``--a.b=value`` into nested dicts, and back."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from didact.spec import SpecError, cut, shown

DEEPEST = 20
"""Levels of settings, in paths and in JSON; a chain of assistants takes two or three a teacher."""

FLAGS = (
    *("compile", "deterministic", "streams", "keep-answers", "keep-features", "plan", "retry", "published"),
    *("serve", "trust-store", "json", "help"),
)
"""Options without a value of the commands that take settings."""

NETWORKS = ("teacher", "peers")
"""Settings where a name alone is a network's; elsewhere it is the name of what is set."""

SPELT_NONE = ("augment",)
"""Settings of which "none" is a value, while a null stands for their default."""

Path = tuple[str, ...]


def parse(tokens: Sequence[str], accept: Callable[[dict[str, Any]], object] | None = None) -> dict[str, Any]:
    """A tree of settings from tokens; values are JSON where they can be (numbers, true, null,
    lists), text otherwise. "none" is null, except for settings that have a value of this name.

    A name with settings below it is one of them: ``--method kd --method.alpha 0.5`` is the name and
    alpha of a method.

    Args:
        accept: what takes the tree, and refuses names that it does not know. It is called where a
            value is missing: one that nobody knows needs none.

    Raises:
        SpecError: something that is not ``--key value``, a key without a value, a setting that is
            given twice, or settings more than 20 levels deep.
    """
    given: dict[Path, tuple[Any, str]] = {}
    lacking: list[str] = []
    for key, text in _pairs(tokens):
        path = tuple(key.replace("-", "_").split("."))
        if not all(path):
            raise SpecError(f"--{cut(key)}: expected names with dots between them, such as --recipe.epochs")
        lacking += [key] if text is None else []
        for place, value in _leaves(path, None if text is None else _value(text, key)):
            if place in given:
                raise _twice(place, cut(key), given[place][1])
            given[place] = (value, cut(key))
    if lacking:
        raise SpecError(_unknown(lacking[0], given, accept) or f"--{cut(lacking[0])} needs a value{_flag(lacking[0])}")
    return _tree(given)


def _twice(place: Path, *typed: str) -> SpecError:
    by = "" if len(set(typed)) == 1 else f", by --{' and --'.join(typed)}"
    return SpecError(f"{cut('.'.join(place))}: is given twice{by}; write it once")


def _tree(given: Mapping[Path, tuple[Any, str]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, (value, _) in _spelt_out(given).items():
        below = tree
        for part in path[:-1]:
            below = below.setdefault(part, {})
        below[path[-1]] = value
    return tree


def _flag(key: str) -> str:
    """The option without a value that may be meant."""
    flag = difflib.get_close_matches(key[:100], FLAGS, n=1)
    return f"; did you mean --{flag[0]}, which takes none?" if flag else ""


def _unknown(
    key: str, given: Mapping[Path, tuple[Any, str]], accept: Callable[[dict[str, Any]], object] | None
) -> str | None:
    """What ``accept`` says of a name that it does not know; None where it knows it, or is not there, or
    where an option without a value is meant."""
    if accept is None or _flag(key):
        return None
    try:
        accept(_tree(given))
    except SpecError as error:
        last = key.replace("-", "_").rpartition(".")[2]
        lines = [line for line in str(error).split("\n") if line.partition(": no such setting")[0].split(".")[-1] == last]
        return lines[0] if lines else None
    return None


def words_of(settings: Mapping[str, Any]) -> list[str]:
    """Tokens of which :func:`parse` makes these settings; names may have dots."""
    return [word for path, value in settings.items() for word in (f"--{path}", _text(path, value))]


def _text(path: str, value: Any) -> str:
    """A value as :func:`parse` reads it: "none" as a text is quoted where it would be null."""
    if isinstance(value, str) and not value.startswith("--") and _value(value, path) == value:
        return value
    return json.dumps(value, separators=(",", ":"))


def _pairs(tokens: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Keys and their values; None where there is none."""
    rest = list(reversed(tokens))
    while rest:
        token = rest.pop()
        if not token.startswith("--") or token == "--":
            named = re.fullmatch(r"[A-Za-z][\w.-]*=.*", token, re.DOTALL)
            raise SpecError(f"expected --setting value, found {shown(token)}{f'; write --{cut(token)}' if named else ''}")
        key, equals, value = token[2:].partition("=")
        if not equals:
            if not rest or rest[-1].startswith("--"):
                yield key, None
                continue
            value = rest.pop()
        yield key, value


def _leaves(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """The values that are no settings themselves, each with its path."""
    if len(path) > DEEPEST:
        raise SpecError(f"{cut('.'.join(path))}: settings are at most {DEEPEST} levels deep")
    if not isinstance(value, Mapping) or not value:
        yield path, value
        return
    for key, inner in value.items():
        yield from _leaves((*path, key), inner)


def _spelt_out(given: Mapping[Path, tuple[Any, str]]) -> dict[Path, tuple[Any, str]]:
    """``given``, with names that stand where settings are moved below: to ``name``, or to ``net``
    of teachers and peers.
    """
    inner = {path[:at] for path in given for at in range(1, len(path))}
    spelt_out = dict(given)
    for path in sorted(set(given) & inner, key=len):
        value, typed = spelt_out.pop(path)
        if value == {}:
            continue
        if not isinstance(value, str):
            raise SpecError(
                f"{'.'.join(path)}: is {shown(value)}, which has no settings of its own, and has settings below it"
            )
        place = (*path, "net" if path[-1] in NETWORKS else "name")
        if place in spelt_out:
            raise _twice(place, typed, spelt_out[place][1])
        spelt_out[place] = (value, typed)
    return spelt_out


def _value(text: str, key: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except _TwiceError as error:
        raise SpecError(f"{cut(key)}.{cut(str(error))}: is given twice in {shown(text)}; write it once") from None
    except RecursionError:
        raise SpecError(f"{cut(key)}: settings are at most {DEEPEST} levels deep") from None
    except ValueError:
        word = text.lower()
        if word == "none" and key.rpartition(".")[2] in SPELT_NONE:
            return word
        return {"true": True, "false": False, "none": None}.get(word, text)


class _TwiceError(Exception):
    """A key that an object has twice."""


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _TwiceError(key)
        found[key] = value
    return found
