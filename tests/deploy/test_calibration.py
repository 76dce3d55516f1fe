"""Images for a quantiser: training images, as many as asked for, the same for the same seed."""

import torch

from didact.data import Data, load
from didact.deploy.calibration import BATCH, calibration


def test_they_are_training_images_drawn_by_the_seed() -> None:
    dataset = load(Data(name="digits", augment="none", classes=3, per_class=30))
    one, again, other = (torch.cat(list(calibration(dataset, 70, seed))) for seed in (0, 0, 1))
    assert len(one) == 70 and BATCH < 70
    assert torch.equal(one, again) and not torch.equal(one, other)
    pixels = one * dataset.std[0] + dataset.mean[0]
    train = dataset.train.take(torch.arange(len(dataset.train))).images / 255
    assert float(torch.cdist(pixels.flatten(1), train.flatten(1)).min(1).values.max()) < 1e-2
