"""Batches. What happens to an image in an epoch depends on the seed, the epoch and the image, and on nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from didact.data.augment import VIEWS, Draws, check_views, crop_flip, draw, normalise
from didact.data.contract import Augment
from didact.data.dataset import Dataset
from didact.data.split import Split
from didact.seeds import stream
from didact.spec import SpecError
from didact.tensors import Batch


class Loader:
    """Training batches of a data set, on its device, in an order and with an augmentation drawn for each epoch.

    The last batch may be smaller; one of a single image is left out, because batch norm cannot use it. ``Batch.index`` is
    the position in ``dataset.train``, from 0.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch_size: int,
        data_seed: int,
        views: frozenset[str] = frozenset(),
        renderings: Mapping[str, int] | None = None,
    ) -> None:
        """
        Args:
            dataset: its training images are shown, augmented as ``dataset.data.augment`` says.
            batch_size: images in a batch.
            data_seed: order and augmentation of every epoch are drawn from it.
            views: names of further renderings to put into every batch.
            renderings: by name, the seeds of further augmentations of the same images, like the main one; each is drawn from
                its own seed alone, and is put among the batch's views under its name.

        Raises:
            SpecError: a view that the images cannot have, or fewer than two training images.
        """
        check_views(views, dataset.image)
        if len(dataset.train) < 2:
            raise SpecError(
                f"training needs at least 2 images, the settings of {dataset.data.title} leave {len(dataset.train)}"
            )
        self.split = dataset.train
        self.batch_size = batch_size
        self.data_seed = data_seed
        self.views = sorted(views)
        self.renderings = dict(renderings or {})
        assert dataset.data.augment is not None, "Data fills it in"
        self.augment: Augment = dataset.data.augment
        self.padding = 0 if self.augment == "none" else dataset.padding
        self.device = dataset.train.images.device
        self.mean, self.std = _statistics(dataset, self.device)

    def __len__(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(len(self.split), self.batch_size)
        return full + (rest > 1)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch ``number`` (from 0). Asked again, the same batches."""
        images = len(self.split)
        order = torch.randperm(images, generator=stream(self.data_seed, "order", number)).to(self.device)
        main = draw(images, self.augment, self.padding, self.data_seed, number)
        drawn = {view: VIEWS[view].draw(main, self.padding, self.data_seed, number).to(self.device) for view in self.views}
        main = main.to(self.device)
        others = {
            name: draw(images, self.augment, self.padding, seed, number).to(self.device)
            for name, seed in self.renderings.items()
        }
        for batch in range(len(self)):
            rows = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            yield self._batch(rows, main, drawn, others)

    def _batch(self, rows: Tensor, main: Draws, drawn: dict[str, Draws], others: dict[str, Draws]) -> Batch:
        images = self.split.images
        made = {view: VIEWS[view].make(images, rows, draws.of(rows), self.padding) for view, draws in drawn.items()}
        views = {view: normalise(rendering, self.mean, self.std) for view, rendering in made.items()}
        views |= {name: self._rendered(rows, draws.of(rows)) for name, draws in others.items()}
        return Batch(self._rendered(rows, main.of(rows)), self.split.labels[rows], rows, views)

    def _rendered(self, rows: Tensor, now: Draws) -> Tensor:
        pixels = crop_flip(self.split.images, rows, now.dy, now.dx, now.flip, self.padding)
        return normalise(pixels, self.mean, self.std)


def evaluation_batches(dataset: Dataset, split: Split, batch_size: int = 512) -> Iterator[Batch]:
    """All images of ``split`` (one of ``dataset``'s) in order, only normalised. ``Batch.index``: position in the split."""
    mean, std = _statistics(dataset, split.images.device)
    index = torch.arange(len(split), device=split.images.device)
    for start in range(0, len(split), batch_size):
        part = slice(start, start + batch_size)
        yield Batch(normalise(split.images[part], mean, std), split.labels[part], index[part])


def _statistics(dataset: Dataset, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.tensor(dataset.mean, device=device), torch.tensor(dataset.std, device=device)
