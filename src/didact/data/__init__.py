"""What networks are trained on. ``load(Data(name=...))`` reads a data set onto a device, ``Loader``
makes batches of it.

Built-in data sets are the files of :mod:`didact.data.sets`. They live under the folder that
``DIDACT_DATA`` names (the user's cache folder otherwise); what is missing is downloaded from its
publisher and compared with the published checksum. ``digits`` needs no download. A folder of images
is named ``folder:PATH``; any other data set of the user's own is an :class:`ImageSet`, named
``module:NAME``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from didact.lazily import from_homes

if TYPE_CHECKING:
    from didact.data.archive import root
    from didact.data.catalogue import names
    from didact.data.contract import DataError, DataSource, Facts
    from didact.data.dataset import Dataset, available, load
    from didact.data.derived import apart, epoch_batches, facts, stored, training_images
    from didact.data.folders import Streamed, folder_path, usual_decoders
    from didact.data.listing import Listing, describe, here
    from didact.data.loader import Loader, evaluation_batches
    from didact.data.mixing import MixedLoader, Mixing, mixing_loader
    from didact.data.own import ImageSet
    from didact.data.settings import Data
    from didact.data.split import Labelled, Split
    from didact.data.unlabelled import PartlyLabelled

_HOMES = {
    "root": "archive",
    "names": "catalogue",
    **dict.fromkeys(("DataError", "DataSource", "Facts"), "contract"),
    **dict.fromkeys(("Dataset", "available", "load"), "dataset"),
    **dict.fromkeys(("apart", "epoch_batches", "facts", "stored", "training_images"), "derived"),
    **dict.fromkeys(("Streamed", "folder_path", "usual_decoders"), "folders"),
    **dict.fromkeys(("Listing", "describe", "here"), "listing"),
    **dict.fromkeys(("Loader", "evaluation_batches"), "loader"),
    **dict.fromkeys(("MixedLoader", "Mixing", "mixing_loader"), "mixing"),
    "ImageSet": "own",
    "Data": "settings",
    **dict.fromkeys(("Labelled", "Split"), "split"),
    "PartlyLabelled": "unlabelled",
}

__all__ = [
    "Data",
    "DataError",
    "DataSource",
    "Dataset",
    "Facts",
    "ImageSet",
    "Labelled",
    "Listing",
    "Loader",
    "MixedLoader",
    "Mixing",
    "PartlyLabelled",
    "Split",
    "Streamed",
    "apart",
    "available",
    "describe",
    "epoch_batches",
    "evaluation_batches",
    "facts",
    "folder_path",
    "here",
    "load",
    "mixing_loader",
    "names",
    "root",
    "stored",
    "training_images",
    "usual_decoders",
]

__getattr__ = from_homes(__name__, _HOMES)
