"""The GTN poster's table of devices against its own arithmetic, and what docs/devices.md says of it."""

from __future__ import annotations

from pathlib import Path

from didact.deploy.catalogue import DEVICES
from didact.deploy.device import choose
from didact.deploy.fit import lacks

PAGE = Path(__file__).parents[2] / "docs" / "devices.md"

# as printed: MB at 32 and at 8 bits
SIZES = {
    "s1": (22.2, 5.5),
    "s2": (29.9, 7.5),
    "s3": (50.6, 12.6),
    "s4": (25.4, 6.4),
    "s_nas": (6.7, 1.7),
    "m_nas": (28.6, 7.2),
    "l_nas": (77.1, 19.3),
}

# device on the poster -> (its memory there in MB, the marks of s1 at 32 bits, s1 at 8 bits, s2 at 32 bits ...)
MARKS = {
    "Arm Ethos N77 (1-4 MB)": (4, "✗✗✗✗✗✗✗✗✓✓✗✗✗✗"),
    "Edge TPU (8 MB)": (8, "✓" * 14),
    "Raspberry Pi (1 GB)": (1000, "✓" * 14),
}


def columns() -> list[tuple[str, int, float]]:
    """(student, bits, size in MB) of each column."""
    return [(name, bits, size) for name, pair in SIZES.items() for bits, size in zip((32, 8), pair, strict=True)]


def wrong() -> set[tuple[str, str, int]]:
    """(device, student, bits) of the marks that contradict the sizes."""
    return {
        (device, name, bits)
        for device, (memory, marks) in MARKS.items()
        for mark, (name, bits, size) in zip(marks, columns(), strict=True)
        if (mark == "✓") != (size <= memory)
    }


def test_sizes_agree_with_one_another() -> None:
    for wide, narrow in SIZES.values():
        # a figure to one decimal is right within 0.05, a quarter of it within 0.0125
        assert abs(wide / 4 - narrow) <= 0.05 + 0.0125


def test_nine_marks_contradict_the_sizes() -> None:
    edge = {("s1", 32), ("s2", 32), ("s3", 32), ("s4", 32), ("m_nas", 32), ("l_nas", 32), ("s3", 8), ("l_nas", 8)}
    assert wrong() == {("Edge TPU (8 MB)", *cell) for cell in edge} | {("Arm Ethos N77 (1-4 MB)", "s_nas", 32)}


def test_the_catalogue_decides_as_the_arithmetic() -> None:
    for device, memory in zip(choose(["ethos-n77", "edge-tpu", "raspberry-pi"], DEVICES), (4, 8, 1000), strict=True):
        for _, _, size in columns():
            assert (not lacks(device, round(size * 1e6), 0)) == (size <= memory)


def test_the_page_shows_the_corrected_table() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert "| Memory (MB) | " + " | ".join(f"{size:g}" for _, _, size in columns()) + " |" in lines
    for device, (_, marks) in MARKS.items():
        line = [device]
        for mark, (name, bits, _) in zip(marks, columns(), strict=True):
            corrected = {"✓": "**✗**", "✗": "**✓**"} if (device, name, bits) in wrong() else {"✓": "✓", "✗": "✗"}
            line.append(corrected[mark])
        assert "| " + " | ".join(line) + " |" in lines
