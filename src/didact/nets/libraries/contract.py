"""What didact needs to know of a library that has classifiers."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import nn

from didact.nets.libraries.spelling import Spelling, Value
from didact.spec import SpecError, installation, nearest, shown
from didact.spec.foreign import reason


class Library(ABC):
    """A library with classifiers.

    Attributes:
        package: what is imported.
        extra: of didact, which installs it.
        from_data: arguments that follow from the data: number of classes, channels.
        of_weights: beginnings of arguments that load weights.
    """

    package: ClassVar[str]
    extra: ClassVar[str]
    from_data: ClassVar[tuple[str, ...]]
    of_weights: ClassVar[tuple[str, ...]] = ("pretrained", "weights", "checkpoint", "cache", "root")

    def module(self, name: str = "") -> Any:
        """The library, or a module in it.

        Raises:
            SpecError: it is not installed, or cannot be imported.
        """
        try:
            importlib.import_module(self.package)
            return importlib.import_module(f"{self.package}.{name}" if name else self.package)
        except Exception as error:  # of the library's own code, so it may be any
            if isinstance(error, ModuleNotFoundError) and error.name == self.package:
                raise SpecError(f"{self.package} is not installed: {installation(self.extra)}") from None
            raise SpecError(
                f"{self.package} is installed and cannot be imported: {reason(error)}; "
                f"{installation(self.extra)} brings versions that fit"
            ) from error

    @abstractmethod
    def names(self) -> Sequence[str]:
        """The library's classifiers."""

    @abstractmethod
    def build(self, spelling: Spelling, classes: int, channels: int, size: int | None) -> nn.Module:
        """The network, freshly initialised. ``size``: height of the images; None: as the library
        has it."""

    @abstractmethod
    def size(self, model: nn.Module, spelling: Spelling) -> int:
        """The height of the images that ``model`` is for, built with size None."""

    def known(self, spelling: Spelling) -> Spelling:
        """The canonical spelling.

        Raises:
            SpecError: the library has no such network (the nearest are named), or an argument is
                not the person's to set.
        """
        if spelling.net not in self.names():
            raise SpecError(f"{self.package} has no classifier {shown(spelling.net)}{nearest(spelling.net, self.names())}")
        self.check(spelling)
        return spelling

    def check(self, spelling: Spelling) -> None:
        """Refuse arguments that load weights or follow from the data."""
        for key in spelling.arguments:
            if key in self.from_data:
                raise SpecError(f"{spelling}: {key} follows from the data; leave it out")
            if key.startswith(self.of_weights):
                raise SpecError(f"{spelling}: {key} would load weights, and networks are built without; leave it out")


def called(make: Callable[..., nn.Module], given: Mapping[str, Value], optional: Mapping[str, Any]) -> nn.Module:
    """``make`` with the arguments ``given``, and with those of ``optional`` that it takes."""
    rest = {key: value for key, value in optional.items() if key not in given}
    while True:
        try:
            return make(**{key: list(v) if isinstance(v, tuple) else v for key, v in given.items()}, **rest)
        except TypeError as error:
            refused = next((key for key in rest if f"'{key}'" in str(error)), None)
            if refused is None:
                raise
            del rest[refused]


def number(size: object, otherwise: int) -> int:
    """The height in a number or in (height, width); ``otherwise`` where it is neither."""
    if isinstance(size, Sequence) and size and not isinstance(size, str):
        size = size[0]
    return size if isinstance(size, int) and size > 0 else otherwise
