"""What the head of a JPEG file says, and a JPEG that ends after the rows that are wanted.

A sequential JPEG holds its rows from top to bottom. With a smaller height in its head a decoder
stops there: the rows above are the same to the bit, and those below take no time.
"""

from __future__ import annotations

from dataclasses import dataclass

START, END, SCAN, TAGS = 0xD8, 0xD9, 0xDA, 0xE1
"""Markers: of an image's beginning and end, of a scan, and of EXIF and XMP data."""

SEQUENTIAL = (0xC0, 0xC1)
"""Markers of frames whose rows are stored one after another, Huffman coded."""

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of frames of any kind."""


@dataclass(frozen=True)
class Head:
    """What a sequential JPEG of one scan says of itself.

    Attributes:
        height, width: as stored, which is not upright where EXIF data turns the image.
        channels: 1 or 3.
        together: so many rows are coded together.
        at: where in the file the height stands.
        tagged: whether it has EXIF or XMP data, which may turn the image.
    """

    height: int
    width: int
    channels: int
    together: int
    at: int
    tagged: bool


def head(data: bytes) -> Head | None:
    """The head of a JPEG file; None where it is no whole, sequential JPEG of one or three channels
    in one scan.
    """
    place, found, tagged = 2, None, False
    if data[:2] != bytes((0xFF, START)):
        return None
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4])
        tagged |= marker == TAGS
        if marker in FRAMES:
            found = _frame(data, place) if marker in SEQUENTIAL and found is None else None
            if found is None:
                return None
        if marker == SCAN:
            whole = found and data[place + 4] == found.channels and data.rfind(bytes((0xFF, END)), place) >= 0
            return Head(**{**vars(found), "tagged": tagged}) if found and whole else None
        place += 2 + length
    return None


def _frame(data: bytes, place: int) -> Head | None:
    """What the frame header at ``place`` says."""
    bits, height, width = data[place + 4], data[place + 5 : place + 7], data[place + 7 : place + 9]
    channels = data[place + 9] if place + 9 < len(data) else 0
    factors = data[place + 11 : place + 10 + 3 * channels : 3]
    if bits != 8 or channels not in (1, 3) or len(factors) != channels or not any(height) or not any(width):
        return None
    together = 8 * max(factor & 15 for factor in factors) if channels > 1 else 8
    return Head(int.from_bytes(height), int.from_bytes(width), channels, together, place + 5, tagged=False)


def ended(data: bytes, about: Head, rows: int) -> tuple[bytes, int]:
    """The file with the first ``rows`` rows of its image and a few more, and how many that are.

    Rows are coded several together, and for the last ones a decoder looks at the colours of their
    neighbours below.
    """
    last = (-(-rows // about.together) + 1) * about.together
    if last >= about.height:
        return data, about.height
    return data[: about.at] + last.to_bytes(2) + data[about.at + 2 :], last
