"""Every setting of a request as rows for a help text or a table."""

from __future__ import annotations

from didact.catalogue.fields import Row, fields
from didact.method import ForStudent, Method
from didact.request.schema import Request
from didact.spec import catalogue, find


def request_settings() -> list[Row]:
    """Everything that ``didact train`` takes, with the settings of methods on the teacher.

    Those of a method for one student come as if it were requested alone, those of others below the
    method's name.
    """
    rows = fields(Request)
    methods = [find(Method, name) for name in catalogue(*Method.homes)]
    for cls in sorted((cls for cls in methods if cls.teaches), key=lambda cls: not issubclass(cls, ForStudent)):
        rows += fields(cls, "teacher.method." if issubclass(cls, ForStudent) else f"teacher.method.{cls.name()}.")
    return [*rows, ("method.*", "", "", "Any setting of the methods in the request; see didact explain METHOD.")]
