"""Names at an axis: in lines, cut in the middle, never equal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from didact.report.labels import in_lines


def test_lines() -> None:
    assert in_lines(["kd", "simkd (kind=kl, gated=True)"], 14, 3) == {
        "kd": ["kd"],
        "simkd (kind=kl, gated=True)": ["simkd", "(kind=kl,", "gated=True)"],
    }
    assert in_lines(["resnet20 / resnet8 · digits"], 24, 3) == {
        "resnet20 / resnet8 · digits": ["resnet20 / resnet8", "digits"]
    }
    assert in_lines(["abcdefghijkl"], 5, 1) == {"abcdefghijkl": ["ab…kl"]}
    assert in_lines(["one two three four five"], 5, 3) == {"one two three four five": ["one…", "four", "five"]}


def test_names_that_would_be_cut_to_the_same_text_are_whole() -> None:
    names = ["simkd (kind=kl)", "simkd (kind=l2, gated) kl)", "fitnet"]
    assert in_lines(names[:1] + names[2:], 8, 1) == {names[0]: ["simk…kl)"], "fitnet": ["fitnet"]}
    whole = {names[0]: ["simkd (k", "ind=kl)"], names[1]: ["simkd (k", "ind=l2,", "gated)", "kl)"]}
    assert in_lines(names, 8, 1) == {**whole, "fitnet": ["fitnet"]}


@given(
    st.lists(st.text(alphabet="ab ·", max_size=30), unique_by=lambda name: " ".join(name.split())),
    st.integers(3, 8),
    st.integers(1, 3),
)
def test_lines_are_never_those_of_another_name(names: list[str], width: int, most: int) -> None:
    shown = in_lines(names, width, most)
    whole = in_lines(names, width, 1000)
    for name in names:
        same = [other for other in names if shown[other] == shown[name]]
        assert same == [name] or all(whole[other] == whole[name] for other in same)
