"""A user's folder of images as a data set, named ``folder:PATH``.

Its files are listed (``tree``), described by a checksum that does not depend on where they lie
(``contents``), and decoded once into a file of pixels (``pixels``) that all later epochs and
processes read.
"""

from didact.data.folders.contents import Contents, contents
from didact.data.folders.decoders import Decoders, usual_decoders
from didact.data.folders.folder import Decoded, Folder, decode_together
from didact.data.folders.holds import Holds, chosen, resized, too_large
from didact.data.folders.hub import exported, is_hub
from didact.data.folders.names import folder_path, is_folder, spelling, without_labels
from didact.data.folders.stream import Streamed

__all__ = [
    "Contents",
    "Decoded",
    "Decoders",
    "Folder",
    "Holds",
    "Streamed",
    "chosen",
    "contents",
    "decode_together",
    "exported",
    "folder_path",
    "is_folder",
    "is_hub",
    "resized",
    "spelling",
    "too_large",
    "usual_decoders",
    "without_labels",
]
