"""The settings of a study: a named scale, with the request's settings in place of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from didact.request.schema import Request
from didact.request.settings import named, several
from didact.spec import Seeds, SpecError, from_json, nearest, shown

PASSED = ("data", "recipe", "data_seed", "epochs", "precision")
"""Settings that a study passes on; they mean the same as in ``didact train``."""


NO_STAND_IN = "each pair here has published figures of its own, or none at all, or there is only one to stand for"
"""Why ``stands_for`` would change nothing."""


def settings(
    request: Mapping[str, Any], scales: Mapping[str, Mapping[str, Any]], keys: Sequence[str], usual: str = "small"
) -> dict[str, Any]:
    """The settings of the request and, for those that it lacks, of its scale. Nested settings are
    merged one by one.

    Args:
        request: the settings as given; ``scale`` names the scale.
        scales: settings by scale.
        keys: the study's own settings, in addition to :data:`PASSED`.
        usual: the default scale.

    Raises:
        SpecError: an unknown setting or scale.
    """
    known = ("scale", *keys, *PASSED)
    for key in request:
        if key not in known:
            passed_on = [path for path in Request.deeper(key) if path.partition(".")[0] in PASSED]
            raise SpecError(f"{key}: no such setting{nearest(key, known, passed_on)}")
    scale = request.get("scale", usual)
    if not isinstance(scale, str) or scale not in scales:
        raise SpecError(f"scale: unknown {shown(scale)}{nearest(str(scale), scales)}")
    base = scales[scale]
    merged = {**base, **{key: value for key, value in request.items() if key != "scale"}}
    for key, fields in base.items():
        if isinstance(fields, Mapping):
            short = {k: v for k, v in fields.items() if k not in request}  # epochs and precision have short forms
            merged[key] = _merged(short, request.get(key), key)
    return merged


def check_none(request: Iterable[str], idle: Collection[str], why: str) -> None:
    """Raise SpecError if the request has a setting that would change nothing: one of ``idle``.
    ``why`` says so, as a clause."""
    given = next((key for key in request if key in idle), None)
    if given is not None:
        raise SpecError(f"{given}: {why}; leave it out")


def check_teacher(teacher: Any) -> None:
    """Raise SpecError for a teacher's settings that a study makes itself: its network and method."""
    if not isinstance(teacher, Mapping) or {"net", "method"} & set(teacher):
        raise SpecError(
            "teacher: its network comes from pairs=resnet20/resnet8 and its method from the table; leave both out"
        )


def as_published(request: Mapping[str, Any], but: str = "") -> bool:
    """Whether data, recipe and the methods that have settings of their own are those of the scale
    ``paper``. ``but``: a setting that may be another."""
    teacher = request.get("teacher")
    given = {*request, *(f"teacher.{key}" for key in (teacher if isinstance(teacher, Mapping) else ()))} - {but}
    changed = {f"{at}{key}" for at in ("", "teacher.") for key in ("data", "recipe", "epochs")}
    return request.get("scale") == "paper" and not given & (changed | {"sftn", "dml", "kdcl", "route", "branches"})


def teacher_seeds(settings: Mapping[str, Any], teacher: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The teacher's settings for each of its seeds: as many as ``teacher_seeds``, or ``teacher.seeds``,
    says, or only its own.

    Raises:
        SpecError: how many is given twice, or how many and which one; or it is no number of seeds.
    """
    if "teacher_seeds" in settings and "seeds" in teacher:
        raise SpecError("teacher_seeds: the same as teacher.seeds; write one of them")
    at = "teacher.seeds" if "seeds" in teacher else "teacher_seeds"
    wanted = teacher.get("seeds", settings.get("teacher_seeds"))
    if wanted is None:
        return [dict(teacher)]
    if "seed" in teacher:
        raise SpecError(f"{at}: write {at}=3 (how many) or teacher.seed=3 (which one), not both")
    others = {key: value for key, value in teacher.items() if key != "seeds"}
    return [{**others, "seed": seed} for seed in range(from_json(Seeds, wanted, at))]


@contextmanager
def errors_under(at: str, method: Any) -> Iterator[None]:
    """Re-raise errors in settings of a method under its name, e.g. ``sftn.kl_weight`` for
    ``teacher.method.kl_weight``.

    Args:
        at: path at which the errors are found.
        method: the method's settings.
    """
    try:
        yield
    except SpecError as error:
        name = method.get("name") if isinstance(method, Mapping) else None
        text = str(error)
        raise SpecError(f"{name}.{text.removeprefix(f'{at}.')}" if name and text.startswith(f"{at}.") else text) from None


def of_method(value: Any, name: str, at: str, varied: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The settings of the method ``name``, including its name.

    Args:
        value: the settings as given.
        name: the method.
        at: path of the settings.
        varied: settings that the study varies itself, with advice for each.

    Raises:
        SpecError: no settings, settings of another method, or a setting that the study varies
            itself.
    """
    fields = {"name": ""} if isinstance(value, (list, tuple)) else named(value, name, at)
    if fields["name"] != name:
        raise SpecError(f"{at}: expected settings of the method {name}, such as {at}.SETTING; found {shown(value)}")
    for field, instead in (varied or {}).items():
        if field in fields:
            raise SpecError(f"{at}.{field}: the study sets it itself; {instead}, and leave {at}.{field} out")
    return fields


def _merged(base: dict[str, Any], settings: Any, at: str) -> dict[str, Any]:
    """The settings ``given`` at the path ``at``, with those of ``base`` where missing. Another name
    drops ``base``."""
    if settings is None:
        return base
    if isinstance(settings, (list, tuple)):
        settings = ",".join(several(settings, at))
    if isinstance(settings, str):
        settings = {"net" if "net" in base else "name": settings}
    if not isinstance(settings, Mapping):
        raise SpecError(
            f"{at}: expected a name, or settings such as {at}.{next(iter(base), 'name')}; found {shown(settings)}"
        )
    same = settings.get("name", base.get("name")) == base.get("name")
    return {**base, **settings} if same else dict(settings)
