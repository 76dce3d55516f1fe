"""What a disk refuses is no wrong request; a name under which nothing can be is one."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest

from didact.files.disk import UnwritableError, check_place, refusal, refused, unwritable
from didact.spec import RequestError

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_disk_that_takes_nothing(number: int) -> None:
    error = OSError(number, "any")
    assert refused(error) and type(unwritable(error, "a")) is UnwritableError and str(unwritable(error, "a")) == "a"


@pytest.mark.parametrize(
    "error",
    [NotADirectoryError(errno.ENOTDIR, "any"), FileExistsError("there"), ConnectionError("no route"), OSError(2, "")],
)
def test_a_name_under_which_nothing_can_be(error: OSError) -> None:
    assert not refused(error) and type(unwritable(error, "a")) is RequestError
    assert not refused(ValueError("no error of the system"))


def test_a_place_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_place("output", tmp_path / "new" / "below")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"output: nothing can be written in .*file: Not a directory; name another"):
        check_place("output", tmp_path / "file" / "below")

    def full(**given: object) -> None:
        raise FULL

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(UnwritableError, match=r"figures: nothing can be written in .*: No space left on device"):
        check_place("figures", tmp_path)


def test_what_the_system_refuses_names_the_file() -> None:
    assert refusal(FileNotFoundError(2, "No such file or directory", "a/b")) == "No such file or directory: a/b"
    assert refusal(OSError(18, "Invalid cross-device link", "a", None, "b")) == "Invalid cross-device link: a and b"
    assert refusal(FULL) == "No space left on device"
    assert refusal(ConnectionError("no route")) == "no route"
    assert refusal(PermissionError(13, "Permission denied", b"a\xff")) == "Permission denied: a\udcff"
