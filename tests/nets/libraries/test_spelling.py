"""Names of networks of other libraries, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from didact.nets.libraries.spelling import Spelling, read, value, writable
from didact.spec import SpecError

WORDS = st.sampled_from(["basic", "a.b", "gelu_new", "resnet-18", "0x", "-", "1.2.3", "nan"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**6), 10**6), st.floats(allow_nan=False, allow_infinity=False), WORDS
)


@given(
    st.dictionaries(st.text("abz_", min_size=1), st.one_of(SCALARS, st.lists(SCALARS, min_size=1).map(tuple)), max_size=4)
)
def test_a_name_that_is_written_is_read_again(arguments: dict[str, object]) -> None:
    spelling = Spelling("timm", "vit_tiny", arguments, "0123456789")  # type: ignore[arg-type]
    assert read(str(spelling)) == spelling and "," not in str(spelling)


def test_values() -> None:
    assert value("8/16/24") == (8, 16, 24) and value("8/") == (8,)
    assert value("true") is True and value("None") is None and value("1e-3") == 0.001 and value("basic") == "basic"
    assert type(value("3")) is int and type(value("3.0")) is float
    assert not writable("a+b") and not writable("3") and not writable({}) and not writable([]) and not writable([[1]])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:", "names no network after timm:"),
        ("timm:net+4", r"'4' is no argument; write timm:net\+argument=value"),
        ("timm:net+a=1+a=2", "argument a is given twice"),
    ],
)
def test_what_is_no_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read(name)
