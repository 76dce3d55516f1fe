"""The small language of ``--where``: which runs are meant.

    query := all ("or" all)*
    all   := one ("and" one)*
    one   := "not" one | "(" query ")" | field operator value
    operator := =  !=  ~  !~  <  <=  >  >=
    value := a word, or any text in quotes

``=`` is equal, ``~`` contains; both ignore case. ``<`` and so on compare numbers where the field
holds numbers, and otherwise texts, such as dates. ``!=`` and ``!~`` hold wherever ``=`` and ``~``
do not. A field that a run lacks equals ``none``, and nothing else holds for it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from didact.spec import SpecError, shown

Value = str | int | float | bool | None
Facts = Mapping[str, Value]
"""What is known of a run, by field."""

LONGEST = 2000
DEEPEST = 50
"""Levels of parentheses and of ``not``."""

_TOKEN = re.compile(
    r"\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<op>==|!=|!~|<=|>=|[=~<>])|(?P<bracket>[()])"
    r"|(?P<word>[^\s()=~<>!\"']+))"
)
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EXAMPLE = 'such as "data=cifar100 and method~kd"'


@dataclass(frozen=True)
class Query:
    """A query that has been read.

    Attributes:
        tests: each field that it names, with operator and value.
        fits: whether a run with these facts is meant. Raises SpecError where a number is compared
            with a word.
    """

    tests: tuple[tuple[str, str, str], ...]
    fits: Callable[[Facts], bool]

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it names."""
        return frozenset(field for field, _, _ in self.tests)


def parse(text: str) -> Query:
    """Read a query.

    Raises:
        SpecError: it is not one. The message shows where it ends to make sense.
    """
    if len(text) > LONGEST:
        raise SpecError(f"where: at most {LONGEST} characters, found {len(text):,}")
    parser = _Parser(list(_tokens(text)))
    if not parser.tokens:
        raise SpecError(f"where: a query, {_EXAMPLE}, found an empty text")
    fits = parser.either(0)
    if parser.tokens:
        raise SpecError(f"where: 'and', 'or' or the end after {shown(parser.last)}, found {shown(parser.tokens[0].text)}")
    return Query(tuple(parser.tests), fits)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str

    def says(self, word: str) -> bool:
        return self.kind == "word" and self.text.lower() == word


def _tokens(text: str) -> Iterator[_Token]:
    at, text = 0, text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            why = "a quote that does not end" if text[at:].lstrip()[:1] in "\"'" else "a word or an operator"
            raise SpecError(f"where: {why} at {shown(text[at:].lstrip())}")
        kind = str(match.lastgroup)
        yield _Token("text" if kind in ("double", "single") else kind, match[kind])
        at = match.end()


class _Parser:
    """Reads tokens from the left; each method returns a function that tests facts."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.last = ""
        self.tests: list[tuple[str, str, str]] = []

    def either(self, depth: int) -> Callable[[Facts], bool]:
        parts = [self.each(depth)]
        while self.tokens and self.tokens[0].says("or"):
            self.take()
            parts.append(self.each(depth))
        return lambda facts: any(part(facts) for part in parts)

    def each(self, depth: int) -> Callable[[Facts], bool]:
        parts = [self.one(depth)]
        while self.tokens and self.tokens[0].says("and"):
            self.take()
            parts.append(self.one(depth))
        return lambda facts: all(part(facts) for part in parts)

    def one(self, depth: int) -> Callable[[Facts], bool]:
        if depth > DEEPEST:
            raise SpecError(f"where: at most {DEEPEST} levels of parentheses and 'not'")
        if self.tokens and self.tokens[0].says("not"):
            self.take()
            inner = self.one(depth + 1)
            return lambda facts: not inner(facts)
        if self.tokens and self.tokens[0].text == "(" and self.tokens[0].kind == "bracket":
            self.take()
            whole = self.either(depth + 1)
            if not self.tokens or self.take().text != ")":
                raise SpecError("where: a parenthesis that does not end")
            return whole
        return self.test()

    def test(self) -> Callable[[Facts], bool]:
        field = self.expect(("word",), "a field").text
        sign = self.expect(("op",), "one of = != ~ !~ < <= > >=").text.replace("==", "=")
        word = self.expect(("word", "text"), "a value").text
        self.tests.append((field, sign, word))
        return lambda facts: holds(facts.get(field), sign, word, field)

    def expect(self, kinds: tuple[str, ...], what: str) -> _Token:
        after = f" after {shown(self.last)}" if self.last else ""
        if not self.tokens:
            raise SpecError(f"where: {what}{after}, found the end; {_EXAMPLE}")
        if self.tokens[0].kind not in kinds:
            raise SpecError(f"where: {what}{after}, found {shown(self.tokens[0].text)}; {_EXAMPLE}")
        return self.take()

    def take(self) -> _Token:
        token = self.tokens.pop(0)
        self.last = token.text
        return token


def holds(found: Value, sign: str, word: str, field: str = "") -> bool:
    """Whether ``found <sign> word``, as the module describes it.

    Raises:
        SpecError: the order of a number and a word is asked for.
    """
    if sign in ("!=", "!~"):
        return not holds(found, sign[1:], word, field)
    if found is None:
        return sign == "=" and word.lower() in ("none", "null")
    number = _number(word)
    if sign == "=":
        return found == number if is_number(found) else written(found).lower() == word.lower()
    if sign == "~":
        return word.lower() in written(found).lower()
    if not is_number(found):
        return _ORDERS[sign](written(found).lower(), word.lower())
    if number is None:
        raise SpecError(no_number(field, sign, word, found))
    return _ORDERS[sign](float(found), number)


def is_number(value: Value) -> TypeGuard[int | float]:
    """Whether a field's value is a number: true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def no_number(field: str, sign: str, word: str, found: Value) -> str:
    """The message about a number that is compared with a word."""
    return f"where: {field} is a number, found {shown(word)}; write a number, such as {field}{sign}{written(found)}"


def compares_in_vain(sign: str, word: str) -> bool:
    """Whether no number fits: the word is none, and no part of one is asked for."""
    return "~" not in sign and _number(word) is None and word.lower() not in ("none", "null")


def written(value: Value) -> str:
    """A value as it is written in a query."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _number(word: str) -> float | None:
    try:
        return float(word) if word.isascii() and "_" not in word else None
    except ValueError:
        return None
