"""What an archive of Records holds: a plain tar of JSON and safetensors.

    manifest.json                 the runs, their files, sizes and checksums; a checksum of all that
    <digest>/record.json          the files of a Record in the order of the manifest, as they are
    <digest>/spec.json            in the store (docs/concepts.md), with the results and the note
    ...                           beside it

Nothing is compressed, so an archive takes as much space as it says.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import Field

from didact.files.reading import LARGEST, DamagedError, parsed
from didact.spec import SpecError, canonical, from_json, plural, spec, to_json
from didact.store.exchange import portable

FILE = "manifest.json"
FORMAT = 1


@spec
class Item:
    """A file of an archive."""

    bytes: Annotated[int, Field(ge=0)]
    """Its size."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Its checksum."""


@spec
class Content:
    """A run of an archive."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """Its address."""
    folder: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$", max_length=250)]
    """The name of its folder."""
    files: dict[str, Item]
    """Its files by name, in the order of the archive: alphabetical."""


@spec
class Manifest:
    """What an archive holds."""

    format: int
    """:data:`FORMAT`."""
    didact: str
    """The version that wrote it."""
    runs: tuple[Content, ...]
    """Its runs."""

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(item.bytes for run in self.runs for item in run.files.values())

    def text(self) -> bytes:
        """The content of manifest.json.

        Raises:
            SpecError: it would be longer than what is read.
        """
        plain = to_json(self)
        data = canonical({"manifest": plain, "sha256": _sum(plain)}).encode()
        if len(data) > LARGEST:
            raise SpecError(f"{plural(len(self.runs), 'run')} are too many for one archive; export them in parts")
        return data

    @classmethod
    def read(cls, data: bytes, path: Path) -> Manifest:
        """From :meth:`text`, of the archive at ``path``.

        Raises:
            DamagedError: it is not what was written, of another format, or names what no Record
                has.
        """
        plain = parsed(data, path)
        if (
            not isinstance(plain, dict)
            or plain.keys() != {"manifest", "sha256"}
            or plain["sha256"] != _sum(plain["manifest"])
        ):
            raise DamagedError(f"its {FILE} is not what was written")
        inner = plain["manifest"]
        if isinstance(inner, dict) and inner.get("format") != FORMAT:
            raise DamagedError(f"its format is {str(inner.get('format'))[:20]!r}; this version of didact reads {FORMAT}")
        try:
            manifest = from_json(cls, inner, FILE)
        except SpecError as error:
            raise DamagedError(str(error)) from None
        manifest._check()
        return manifest

    def _check(self) -> None:
        if len({run.digest for run in self.runs}) < len(self.runs):
            raise DamagedError("a run is in it twice")
        for run in self.runs:
            if run.folder.rpartition(".")[2] != run.digest:
                raise DamagedError(f"{run.folder!r} is no folder of the run {run.digest}")
            for name, item in run.files.items():
                largest = portable.longest(name)
                if not portable.is_portable(name):
                    raise DamagedError(f"{name[:100]!r} is no file of a Record")
                if largest is not None and item.bytes > largest:
                    raise DamagedError(f"{name} has {item.bytes:,} bytes; more than {largest:,} are not read")


def _sum(plain: object) -> str:
    return hashlib.sha256(canonical(plain).encode()).hexdigest()
