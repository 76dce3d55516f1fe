"""Methods on the teacher, by whom they prepare it for: one student, or a pool of students."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import field_validator, model_validator
from pydantic_core import ArgsKwargs
from torch import nn

from didact import nets
from didact.method.contract import Method
from didact.nets.supernet import Students, Supernet
from didact.spec import spec


@spec
class ForStudent(Method):
    """A method on the teacher that prepares it for one student.

    Where a request does not name the student, it is the network that learns from the teacher.
    """

    teaches: ClassVar = True

    student: str
    """The student that the teacher is prepared for; named only where the teacher is trained alone."""

    @field_validator("student")
    @classmethod
    def _known(cls, student: str) -> str:
        return nets.resolve(student)


@spec
class ForPool(Method):
    """A method on the teacher that prepares it for a pool of students, which share the weights of
    one supernet.

    ``didact search`` predicts the pool's students from that supernet, so they must have been
    trained whole: from the images.
    """

    teaches: ClassVar = True
    examples: ClassVar = {"pool": "tiny"}

    pool: Students
    """The students: a space by name (tiny, small, large, mobile), networks separated by commas,
    module:NAME, or its fields.
    """

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        python = isinstance(given, ArgsKwargs) and not given.args
        fields = given.kwargs or {} if python else given  # from Python, or from plain data
        known = cls.__dataclass_fields__.keys()  # misspelt settings are reported first
        if isinstance(fields, Mapping) and "pool" not in fields and fields.keys() <= known:
            raise ValueError("pool: say which students the teacher is for, e.g. pool=tiny or pool=resnet8,vgg8")
        return given

    @abstractmethod
    def supernet(self, extras: nn.Module) -> Supernet:
        """The supernet that the pool's students share."""

    @abstractmethod
    def lacks_whole_students(self) -> str:
        """What students lack that are not trained whole, and which setting changes it; an empty
        text where they are.
        """

    @abstractmethod
    def with_whole_students(self, blocks: int) -> ForPool:
        """This method, changed as little as possible, such that students are trained whole;
        ``blocks``: of the teacher.
        """
