"""Cross entropy with and without label smoothing, in float64 NumPy."""

import numpy as np
import pytest
import torch

from didact.methods import ce
from didact.methods.ce import CE
from didact.spec import SpecError, digest, from_json, to_json

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 2])


def test_label_smoothing_mixes_the_target_with_an_even_one():
    z = LOGITS.numpy()
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    target = np.eye(3)[LABELS.numpy()]
    for epsilon in (0.0, 0.1, 0.5):
        smooth = (1 - epsilon) * target + epsilon / 3
        expected = -(smooth * log_p).sum(1).mean()
        assert ce.loss(LOGITS, LABELS, epsilon).item() == pytest.approx(expected, rel=1e-12)


def test_without_smoothing_it_is_bitwise_the_plain_cross_entropy():
    assert torch.equal(ce.loss(LOGITS.float(), LABELS), torch.nn.functional.cross_entropy(LOGITS.float(), LABELS))


def test_smoothing_is_a_setting_that_older_digests_do_not_hold():
    assert "label_smoothing" not in to_json(CE())
    assert digest(CE(label_smoothing=0.1)) != digest(CE())
    for value in (-0.1, 1.0):
        with pytest.raises(SpecError, match="label_smoothing"):
            from_json(CE, {"label_smoothing": value})
