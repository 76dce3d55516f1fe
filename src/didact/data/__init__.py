"""What networks are trained on. ``load(Data(name=...))`` reads a data set onto a device, ``Loader`` makes batches of it.

Data sets live under the folder that ``DIDACT_DATA`` names (the user's cache folder otherwise); what is missing is downloaded
from its publisher and compared with the published checksum. ``digits`` needs no download.
"""

from didact.data.dataset import Dataset, Listing, available, describe, here, load
from didact.data.loader import Loader, evaluation_batches
from didact.data.source import Data, DataError, Facts, apart, facts, names, root, training_images
from didact.data.split import Split

__all__ = [
    "Data",
    "DataError",
    "Dataset",
    "Facts",
    "Listing",
    "Loader",
    "Split",
    "apart",
    "available",
    "describe",
    "evaluation_batches",
    "facts",
    "here",
    "load",
    "names",
    "root",
    "training_images",
]
