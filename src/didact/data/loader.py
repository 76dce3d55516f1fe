"""Batches. What happens to an image in an epoch depends on the seed, the epoch and the image, and
on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from didact.data.augment import check_views, normalise, turned
from didact.data.dataset import Dataset
from didact.data.derived import stored
from didact.data.erasing import Rectangles, check_erasing, draw_rectangles, erased
from didact.data.folders import Decoders, Streamed, usual_decoders
from didact.data.rand_augment import Changes, changed, check_changes, draw_changes
from didact.data.renderings import Drawn, Resized, Shifted, Shown, rotations
from didact.data.resized_crop import Crops
from didact.data.reused import Reused
from didact.data.split import Split, sent
from didact.seeds import stream
from didact.spec import SpecError
from didact.tensors import Batch

MAIN = ""
"""The name of the rendering that all networks are shown."""


class Loader:
    """Training batches of a data set, on its device, in an order and with an augmentation drawn for
    each epoch.

    The last batch may be smaller; one of a single image is left out, because batch norm cannot use
    it. ``Batch.index`` is the position in ``dataset.train``, from 0.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch_size: int,
        data_seed: int,
        views: frozenset[str] = frozenset(),
        renderings: Mapping[str, int] | None = None,
        decoders: int | None = None,
    ) -> None:
        """
        Args:
            dataset: its training images are shown, augmented as ``dataset.data.augment`` says.
            batch_size: images in a batch.
            data_seed: order and augmentation of every epoch are drawn from it.
            views: names of further renderings to put into every batch.
            renderings: by name, the seeds of further augmentations of the same images, like the
                main one; each is drawn from its own seed alone, and is put among the batch's views
                under its name.
            decoders: processes that decode images that are decoded whenever they are shown, 0 for
                this one alone; as many as there are processors but one by default. Changes no
                pixel. They stay from epoch to epoch, until :meth:`close` or until nobody holds the
                loader.

        Raises:
            SpecError: a view that the images cannot have, images that RandAugment cannot change, or
                fewer than two training images.
        """
        _check(dataset, views)
        self.magnitude, self.operations = dataset.data.randaugment, dataset.data.randaugment_operations
        self.erase = dataset.data.erase
        self.split = dataset.train
        self.batch_size = batch_size
        self.data_seed = data_seed
        self.views = sorted(views)
        self.renderings = dict(renderings or {})
        self.shown = _shown(dataset)
        self.device = dataset.device
        self.decoders = Decoders(usual_decoders() if decoders is None else decoders)
        self.mean, self.std = _statistics(dataset, self.device)

    def __len__(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(len(self.split), self.batch_size)
        return full + (rest > 1)

    def close(self) -> None:
        """End the processes that decode."""
        self.decoders.close()

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch ``number`` (from 0). Asked again, the same batches."""
        order = torch.randperm(len(self.split), generator=stream(self.data_seed, "order", number))
        batches = list(order.split(self.batch_size))[: len(self)]
        drawn = self._drawn(number)
        made = self._streamed if isinstance(self.split, Streamed) else self._stored
        changes, rectangles = self._changes(number), self._rectangles(number)
        memory = {what: Reused() for what in drawn}
        for some, (rows, pixels) in zip(batches, made(batches, drawn), strict=True):
            for what, one in changes.items():
                assert self.magnitude is not None
                pixels[what] = changed(pixels[what], one.of(some), self.magnitude)
            images = {what: normalise(one, self.mean, self.std, memory[what]) for what, one in pixels.items()}
            for what, one in rectangles.items():
                erased(images[what], one.of(some))
            yield Batch(images.pop(MAIN), self.split.labels[rows], rows, images)

    def _drawn(self, number: int) -> dict[str, Drawn]:
        """What happens to every image in an epoch, by rendering, on the CPU."""
        images = len(self.split)
        main = self.shown.draw(images, self.data_seed, number)
        turns = {view: self.shown.turns(main, self.data_seed, number) for view in self.views}  # type: ignore[arg-type]
        others = {name: self.shown.draw(images, seed, number) for name, seed in self.renderings.items()}
        return {MAIN: main} | turns | others

    def _changes(self, number: int) -> dict[str, Changes]:
        """What RandAugment does to every image in an epoch, by rendering; nothing where it is not
        asked for.
        """
        if self.magnitude is None:
            return {}
        return {what: draw_changes(len(self.split), self.operations, seed, number) for what, seed in self._seeds.items()}

    def _rectangles(self, number: int) -> dict[str, Rectangles]:
        """What is erased of every image in an epoch, by rendering; nothing where it is not asked
        for.
        """
        if self.erase is None:
            return {}
        return {what: draw_rectangles(len(self.split), self.erase, seed, number) for what, seed in self._seeds.items()}

    @property
    def _seeds(self) -> dict[str, int]:
        """By rendering, what is drawn for it is drawn from."""
        return {MAIN: self.data_seed, **self.renderings}

    def _stored(self, batches: list[Tensor], drawn: dict[str, Drawn]) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Rows and pixels of every batch, from images in memory."""
        assert isinstance(self.split, Split)
        images, home = self.split.images, self.split.images.device
        there = {what: draws.to(home) for what, draws in drawn.items()}
        for some in batches:
            rows = sent(some, home)
            pixels = {what: self._made(what, images, rows, draws.of(rows)) for what, draws in there.items()}
            yield sent(some, self.device), {what: sent(one, self.device) for what, one in pixels.items()}

    def _streamed(self, batches: list[Tensor], drawn: dict[str, Drawn]) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """The same, from images in files."""
        assert isinstance(self.split, Streamed)
        crops = {what: one for what, one in drawn.items() if isinstance(one, Crops)} or None
        decoded = self.split.batches(batches, crops, self.shown.size or self.split.size, self.decoders)
        for rows, pixels in zip(batches, decoded, strict=True):
            there = {what: sent(one, self.device) for what, one in pixels.items()}
            if crops is None:
                whole, each = there[MAIN], torch.arange(len(rows), device=self.device)
                there = {what: self._made(what, whole, each, one.of(rows).to(self.device)) for what, one in drawn.items()}
            else:
                there = {what: turned(one) if what in self.views else one for what, one in there.items()}
            yield sent(rows, self.device), there

    def _made(self, what: str, images: Tensor, rows: Tensor, now: Drawn) -> Tensor:
        if what in self.views:
            return rotations(self.shown, images, rows, now)
        return self.shown.make(images, rows, now)  # type: ignore[arg-type]


def _check(dataset: Dataset, views: frozenset[str]) -> None:
    """Refuse what cannot be shown."""
    check_views(views, dataset.image)
    if dataset.data.randaugment is not None:
        check_changes(dataset.image, views)
    if dataset.data.erase is not None:
        check_erasing(views)
    if len(dataset.train) < 2:
        raise SpecError(f"training needs at least 2 images, the settings of {dataset.data.title} leave {len(dataset.train)}")


def _shown(dataset: Dataset) -> Shown:
    """How the training images of ``dataset`` are shown."""
    augment, size = dataset.data.augment, dataset.data.crop
    assert augment is not None, "Data fills it in"
    if augment == "resized-crop-flip":
        return Resized(dataset.image[1])
    spare = stored(dataset.data)[1] - size if size else 0
    return Shifted(augment, 0 if augment == "none" else dataset.padding, spare, size)


def evaluation_batches(
    dataset: Dataset, split: Split | Streamed, batch_size: int = 512, *, turn: int = 0, turns: int = 1
) -> Iterator[Batch]:
    """All images of ``split`` (one of ``dataset``'s) in order, cropped to the centre where
    ``data.crop`` says so, and normalised.

    ``Batch.index``: position in the split.

    Args:
        turn, turns: of so many readers, which see all images between them and none twice, the one
            of this number, from 0. Batches are smaller where some would see nothing.
    """
    batch_size = min(batch_size, -(-len(split) // turns)) if turns > 1 else batch_size
    device = dataset.device
    mean, std = _statistics(dataset, device)
    index = torch.arange(len(split), device=device)
    for start in range(turn * batch_size, len(split), turns * batch_size):
        part = slice(start, start + batch_size)
        pixels = split.images[part] if isinstance(split, Split) else split.take(index[part]).images
        shown = normalise(_centre(pixels.to(device), dataset.image), mean, std)
        yield Batch(shown, split.labels[part].to(device), index[part])


def _centre(pixels: Tensor, image: tuple[int, int, int]) -> Tensor:
    """The central part of the shape ``image``, (c, h, w)."""
    top, left = (pixels.shape[2] - image[1]) // 2, (pixels.shape[3] - image[2]) // 2
    return pixels[:, :, top : top + image[1], left : left + image[2]]


def _statistics(dataset: Dataset, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.tensor(dataset.mean, device=device), torch.tensor(dataset.std, device=device)
