"""Methods of a request: several at once, with settings for all and, below a method's name, settings
for it alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from didact.method import ForStudent, Method
from didact.request.settings import below, several
from didact.runs.run import BASELINE
from didact.spec import SpecError, catalogue, choose, find, nearest, shown, under

STANDARD = "standard"
"""The method of a teacher that is trained on the labels alone."""

Takes = Mapping[str, Collection[str]]
"""By method's name without preset, its settings."""


def methods(
    fields: Mapping[str, Any], at: str, teaches: str | None = None, usual: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Method]:
    """The methods that ``fields`` name, each with the settings for all and those for it alone.

    Args:
        fields: "name", one or several separated by commas; settings; and by method's name the
            settings for it alone.
        at: their path, for messages.
        teaches: the student, where they train its teacher: "standard" is then the labels alone and
            takes none of the settings, and a method for one student takes this one where no other
            is given.
        usual: by method's name, settings that it has where ``fields`` leave them out.

    Raises:
        SpecError: unknown names, settings that not every method has, wrong values.
    """
    if teaches is not None and fields["name"] == STANDARD and len(fields) > 1:
        key = next(k for k in fields if k != "name")
        raise SpecError(f"{at}.{key}: a standard teacher has no such setting; say for whom it is, e.g. {at}=sftn")
    names = several(fields["name"], at)
    takes = {_base(name): _settings(name, at) for name in names if teaches is None or name != STANDARD}
    own = _own(fields, [_base(name) for name in names], at)
    shared = {key: value for key, value in fields.items() if _base(key) not in own}
    for key, value in shared.items():
        if key not in ("name", "version"):
            _check_shared(key, value, takes, at)
    defaults = {name: (usual or {}).get(_base(name), {}) for name in names}
    return [_one(name, {**defaults[name], **shared}, own[_base(name)], at, teaches, len(names) > 1) for name in names]


def _one(
    name: str, shared: Mapping[str, Any], alone: Mapping[str, Any], at: str, teaches: str | None, among: bool
) -> Method:
    if teaches is not None and name == STANDARD:
        return BASELINE
    given = {**shared, **alone, "name": name}
    if teaches is not None and issubclass(_class(name, at), ForStudent):
        given.setdefault("student", teaches)
    if teaches is None and "student" not in given and issubclass(_class(name, at), ForStudent):
        raise SpecError(
            f"{at}: {name} trains a teacher; write teacher.method={name} for the teacher of a student, or {at}.student=..., "
            "the student that it is prepared for, to train it alone"
        )
    try:
        return choose(Method, given)
    except SpecError as error:
        path = f"{at}.{_base(name)}"
        of = f" (of '{name}'; what is for it alone goes under {path})" if among and not alone else ""
        if teaches is None and _class(name, at).teaches:
            of += f"; {name} trains a teacher: write teacher.method={name} for the teacher of a student"
        raise SpecError(under(path if alone else at, str(error)) + of) from None


def _settings(name: str, at: str) -> Collection[str]:
    return {field.name for field in dataclasses.fields(_class(name, at))}  # type: ignore[arg-type]


def _class(name: str, at: str) -> type[Method]:
    with below(at):
        return find(Method, name.partition("+")[0])


def _own(fields: Mapping[str, Any], names: Collection[str], at: str) -> dict[str, Mapping[str, Any]]:
    """By method's name, the settings that are for it alone."""
    own: dict[str, Mapping[str, Any]] = {name: {} for name in names}
    for key, value in fields.items():
        if _base(key) in own:
            if not isinstance(value, Mapping):
                raise SpecError(f"{at}.{key}: expected settings such as {at}.{key}.temperature, found {shown(value)}")
            own[_base(key)] = value
    if own.get(STANDARD):
        raise SpecError(f"{at}.{STANDARD}.{next(iter(own[STANDARD]))}: a standard teacher has no settings; leave it out")
    return own


def _check_shared(key: str, value: Any, takes: Takes, at: str) -> None:
    """Refuse a setting for all that only some methods have, and say which; or none, and say which
    is near.
    """
    having = [name for name, settings in takes.items() if key in settings]
    lacking = [name for name in takes if name not in having]
    known = {setting for settings in takes.values() for setting in settings}
    if not having and isinstance(value, Mapping) and key in catalogue(*Method.homes):
        raise SpecError(f"{at}.{key}: {key} is not among the methods of the request; write {at}={','.join([*takes, key])}")
    if not having and isinstance(value, Mapping):
        raise SpecError(f"{at}.{key}: neither a method of the list nor a setting{nearest(key, {*takes, *known})}")
    if not having:
        raise SpecError(f"{at}.{key}: no such setting{nearest(key, known)}")
    if lacking:
        whose = f"{having[0]} alone" if len(having) == 1 else f"{_joined(having)}, and not of {_joined(lacking)}"
        raise SpecError(f"{at}.{key}: a setting of {whose}; write {_joined([f'{at}.{name}.{key}' for name in having])}")


def _joined(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _base(name: str) -> str:
    """A method's name without its preset, as its file has it; ``module:Class`` as it is."""
    name = name.partition("+")[0]
    return name if ":" in name else name.lower().replace("-", "")
